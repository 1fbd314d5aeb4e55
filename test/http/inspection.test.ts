import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import type { DetachedState } from "../../src/model.ts";
import { isOrgateError } from "../../src/errors.ts";
import type { OrgateEvent } from "../../src/events.ts";
import { handler } from "../../src/express.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import { closeAfterEach, EXPRESSES, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { TROUBLE } from "../support/stores.ts";
import { makeWorld, type World } from "../support/world.ts";

closeAfterEach();

interface Asking {
  readonly guards?: (auth: Orgate) => readonly Middleware[];
  readonly options?: Partial<OrgateOptions>;
  readonly world?: World;
}

/** An application whose handler asks something of the instance, and what came of it. */
async function startAsking(
  ask: (auth: Orgate, request: IncomingMessage) => unknown,
  { guards = () => [], options = {}, world = makeWorld() }: Asking = {},
): Promise<Harness & { readonly answers: unknown[] }> {
  const answers: unknown[] = [];
  const harness = await start({
    world,
    options,
    routes: (auth) => [
      {
        path: "/documents",
        guards: guards(auth),
        async handler(request, response) {
          try {
            answers.push(await ask(auth, request));
          } catch (error) {
            answers.push(error);
          }
          response.end();
        },
      },
    ],
  });
  return { ...harness, answers };
}

const codeOf = (error: unknown): unknown => (isOrgateError(error) ? error.code : error);

describe("auth.state", () => {
  it("tells who is signed in, and by which credential", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.state(request));
    const { seal, accessToken } = await world.signIn();
    for (const headers of [{}, withCookie(seal), withBearer(accessToken), withBearer("garbage")])
      await send({ headers });
    const ada = {
      status: "authenticated",
      member: expect.objectContaining({ id: "user_ada:org_acme" }),
      organization: expect.objectContaining({ id: "org_acme" }),
      memberSession: expect.objectContaining({ organizationId: "org_acme" }),
    };
    expect(answers).toEqual([
      { status: "anonymous" },
      { ...ada, via: "cookie" },
      { ...ada, via: "bearer" },
      { status: "rejected", code: "invalid_token", via: "bearer" },
    ]);
    expect(answers.every((state) => Object.isFrozen(state))).toBe(true);
  });

  it("says when the state is unknown, and when to retry", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.state(request));
    const { seal } = await world.signIn();
    world.clock.now += 306;
    world.store.behaviour = TROUBLE.overloaded;
    await send({ headers: withCookie(seal) });
    expect(answers).toEqual([{ status: "unavailable", code: "store_unavailable", retryAfter: 7 }]);
  });

  it("has no organization for a member who must choose one", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.state(request));
    const { seal } = await world.signIn({ userId: "user_nora" });
    await send({ headers: withCookie(seal) });
    expect(answers[0]).toMatchObject({ status: "authenticated", member: { id: "user_nora" } });
    expect(answers[0]).not.toHaveProperty("organization");
  });

  it.each(["state", "session", "check", "profile"] as const)(
    "throws when orgate did not run, like its siblings: %s",
    async (name) => {
      const other = makeWorld();
      const stranger = other.mount();
      const { send, answers } = await startAsking((_auth, request) =>
        name === "check" ? stranger.check(request, "documents", "read") : stranger[name](request),
      );
      await send({});
      expect(answers.map(codeOf)).toEqual(["configuration_invalid"]);
      await stranger.close();
    },
  );
});

describe("auth.check", () => {
  it("returns the verdict and its explanation without rejecting the request", async () => {
    const { world, send, answers } = await startAsking((auth, request) =>
      auth.check(request, "documents", "delete"),
    );
    const [ada, vera] = [await world.signIn(), await world.signIn({ userId: "user_vera" })];
    for (const headers of [withCookie(ada.seal), withCookie(vera.seal), {}]) {
      expect((await send({ headers })).status).toBe(200);
    }
    const asked = { resource: "documents", action: "delete", via: "role", source: "local" };
    expect(answers).toEqual([
      {
        ...asked,
        authorized: true,
        grantingRoles: ["admin"],
        organizationId: "org_acme",
        explanation: { held: ["admin", "viewer"], wouldGrant: ["admin"] },
      },
      {
        ...asked,
        authorized: false,
        grantingRoles: [],
        organizationId: "org_acme",
        explanation: { held: ["viewer"], wouldGrant: ["admin"] },
      },
      { ...asked, authorized: false, grantingRoles: [], explanation: { held: [], wouldGrant: ["admin"] } },
    ]);
  });

  it("throws when the policy cannot be loaded, because unknown is not denied", async () => {
    const options = { policy: () => Promise.reject(new Error("down")) };
    const { world, send, answers } = await startAsking(
      (auth, request) => auth.check(request, "documents", "read"),
      { options },
    );
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    expect(answers.map(codeOf)).toEqual(["store_unavailable"]);
  });

  it("throws when the store is down, so that Express answers 503 with Retry-After", async () => {
    const { world, send, answers } = await startAsking((auth, request) =>
      auth.check(request, "documents", "read"),
    );
    const { seal } = await world.signIn();
    world.clock.now += 306;
    world.store.behaviour = TROUBLE.overloaded;
    await send({ headers: withCookie(seal) });
    expect(answers).toEqual([
      expect.objectContaining({
        code: "store_unavailable",
        status: 503,
        retryAfter: 7,
        headers: { "Retry-After": "7" },
      }),
    ]);
  });

  it.each(["__proto__", "constructor", "toString", "hasOwnProperty", ""])(
    "R-39: grants nothing for %p",
    async (name) => {
      const { world, send, answers } = await startAsking((auth, request) => [
        auth.check(request, name, "read"),
        auth.check(request, "documents", name),
      ]);
      const { seal } = await world.signIn({ userId: "user_vera" });
      await send({ headers: withCookie(seal) });
      expect(answers).toMatchObject([[{ authorized: false }, { authorized: false }]]);
    },
  );
});

describe("auth.session", () => {
  it("returns the session after a guard that requires an organization", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.session(request), {
      guards: (auth) => [auth.requireOrganization()],
    });
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    expect(answers).toEqual([
      {
        member: expect.objectContaining({ id: "user_ada:org_acme" }),
        organization: { id: "org_acme", slug: "acme", name: "Acme" },
        memberSession: expect.objectContaining({ memberId: "user_ada:org_acme" }),
      },
    ]);
  });

  it("gives what there is for a member without an organization", async () => {
    const guards = (auth: Orgate): Middleware[] => [auth.requireAuth()];
    const { world, send, answers } = await startAsking((auth, request) => auth.session(request), { guards });
    const { seal } = await world.signIn({ userId: "user_nora" });
    await send({ headers: withCookie(seal) });
    expect(answers).toMatchObject([
      { member: { id: "user_nora" }, memberSession: { memberId: "user_nora" } },
    ]);
    expect(answers[0]).not.toHaveProperty("organization");
  });

  it("throws the state's own error where nobody is signed in", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.session(request));
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    await send({});
    await send({ headers: withBearer("garbage") });
    expect(answers[0]).toMatchObject({ member: { id: "user_ada:org_acme" } });
    expect(answers.slice(1).map(codeOf)).toEqual(["unauthenticated", "invalid_token"]);
  });
});

describe("auth.profile", () => {
  it("asks the store once and caches the answer", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.profile(request));
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    await send({ headers: withCookie(seal) });
    expect(answers[0]).toMatchObject({
      member: { id: "user_ada:org_acme", emailAddress: "ada@example.com", name: "Ada Lovelace" },
      organization: { id: "org_acme", slug: "acme" },
    });
    expect(answers[1]).toEqual(answers[0]);
    expect([world.store.otherCalls, world.store.questions.length]).toEqual([1, 0]);
  });

  it("uses the profile that came with a renewal, without another call", async () => {
    const { world, send, answers } = await startAsking((auth, request) => auth.profile(request));
    const { seal } = await world.signIn();
    world.clock.now += 306;
    await send({ headers: withCookie(seal) });
    expect(answers[0]).toMatchObject({ member: { name: "Ada Lovelace" } });
    expect([world.store.otherCalls, world.store.questions.length]).toEqual([0, 1]);
  });

  it.each<[string, Record<string, string>, string]>([
    ["nobody", {}, "unauthenticated"],
    ["a bad token", withBearer("garbage"), "invalid_token"],
    ["a bad cookie", withCookie("garbage"), "invalid_session"],
  ])("is rejected for %s", async (_whom, headers, code) => {
    const { send, answers } = await startAsking((auth, request) => auth.profile(request));
    await send({ headers });
    expect(answers.map(codeOf)).toEqual([code]);
  });

  it("never returns another member's profile", async () => {
    const world = makeWorld();
    const bob = await world.signIn({ userId: "user_bob" });
    world.store.profile = () => Promise.resolve({ member: bob.member });
    const { send, answers } = await startAsking((auth, request) => auth.profile(request), { world });
    const { seal } = await world.signIn();
    await send({ headers: withCookie(seal) });
    expect(answers.map(codeOf)).toEqual(["store_unavailable"]);
  });
});

describe("auth.authenticate", () => {
  /** Runs a request through it that no middleware saw. */
  async function authenticate(harness: Harness, headers: Record<string, string>): Promise<DetachedState> {
    const seen = once(harness.server, "upgrade");
    const outgoing = httpRequest({
      host: "127.0.0.1",
      port: harness.port,
      headers: { ...headers, Connection: "Upgrade", Upgrade: "websocket" },
    });
    outgoing.on("error", () => undefined);
    outgoing.end();
    const [request, socket] = await seen;
    try {
      return await harness.auth.authenticate(request);
    } finally {
      socket.destroy();
    }
  }

  it("needs no response, and has no headers to send for a fresh session", async () => {
    const harness = await start();
    const { seal } = await harness.world.signIn();
    const state = await authenticate(harness, withCookie(seal));
    expect(state).toMatchObject({ status: "authenticated", via: "cookie", headers: {} });
    expect(await authenticate(harness, {})).toEqual({ status: "anonymous", headers: {} });
  });

  it("uses no refresh token without a response, because the renewed cookie must be sent", async () => {
    const harness = await start();
    const { world } = harness;
    const { seal, refreshToken } = await world.signIn();
    world.clock.now += 306;
    const state = await authenticate(harness, withCookie(seal));
    expect(state.status).toBe("authenticated");
    expect(world.store.questions.map(({ stale }) => stale.sealed?.refreshToken)).toEqual([undefined]);
    expect(state.headers).toEqual({ "Set-Cookie": [expect.stringMatching(/^__Host-orgate=Fe26/)] });
    // The refresh token was not rotated: the old cookie goes on being good.
    world.clock.now += 60;
    expect((await harness.send({ headers: withCookie(seal) })).status).toBe(200);
    expect(world.store.questions.at(-1)?.stale.sealed?.refreshToken === refreshToken).toBe(true);
  });

  it("returns the header that clears an invalid cookie", async () => {
    const harness = await start();
    expect(await authenticate(harness, withCookie("garbage"))).toEqual({
      status: "rejected",
      code: "invalid_session",
      via: "cookie",
      headers: { "Set-Cookie": [expect.stringMatching(/^__Host-orgate=; Max-Age=0;/)] },
    });
  });

  it("returns the new token of a bearer", async () => {
    const harness = await start();
    const { accessToken } = await harness.world.signIn();
    harness.world.clock.now += 306;
    const { status, headers } = await authenticate(harness, withBearer(accessToken));
    expect([status, String(headers["Session-Jwt"]).split(".").length]).toEqual(["authenticated", 3]);
  });

  it("without a response leaves the renewal to the middleware", async () => {
    const states: DetachedState[] = [];
    const world = makeWorld({ expiredTokenRenewal: 0 });
    const { send, reached } = await start({
      world,
      before: (auth) => [
        (request, _response, next) => {
          const detached = auth.authenticate(request).then((state) => states.push(state));
          void detached.then(() => next(), next);
        },
        auth,
      ],
    });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const { status, setCookies } = await send({ headers: withCookie(seal) });
    expect(states).toEqual([{ status: "rejected", code: "token_expired", via: "cookie", headers: {} }]);
    expect([status, reached.length, setCookies.length]).toEqual([200, 1, 1]);
    // A bearer token has nothing more to give, and what was refused for another reason stays so.
    const { accessToken } = await world.signIn();
    world.clock.now += 306;
    for (const headers of [withBearer(accessToken), withCookie("garbage")]) {
      expect((await send({ headers })).status).toBe(401);
    }
    expect(reached.length).toBe(1);
  });

  it("with a response renews fully, and sets its headers", async () => {
    const states: DetachedState[] = [];
    const { world, send } = await start({
      before: () => [],
      routes: (auth) => [
        {
          path: "/documents",
          async handler(request, response) {
            states.push(await auth.authenticate(request, response));
            response.end();
          },
        },
      ],
    });
    const { seal, refreshToken } = await world.signIn();
    world.clock.now += 306;
    const { setCookies, headers } = await send({ headers: withCookie(seal) });
    expect(states.map(({ status }) => status)).toEqual(["authenticated"]);
    expect(setCookies).toEqual(states[0]?.headers["Set-Cookie"]);
    expect(headers["cache-control"]).toBe("private, no-store");
    expect(world.store.questions[0]?.stale.sealed?.refreshToken === refreshToken).toBe(true);
  });
});

describe.each(EXPRESSES)("handler of orgate/express, on %s", (framework) => {
  const handle = handler((request, response) => {
    response.json({ member: request.member.id, organization: request.organization.name });
  }) as unknown as Middleware;

  it("gives a signed-in request behind a guard", async () => {
    const { world, send } = await start({
      framework,
      routes: (auth) => [{ path: "/documents", guards: [auth.requireOrganization(), handle] }],
    });
    const { seal } = await world.signIn();
    const { status, body } = await send({ headers: withCookie(seal) });
    expect([status, JSON.parse(body)]).toEqual([200, { member: "user_ada:org_acme", organization: "Acme" }]);
  });

  it.each<[string, (auth: Orgate) => Middleware[], string, number, string]>([
    ["no guard", () => [], "user_ada", 500, "configuration_invalid"],
    ["no organization", (auth) => [auth.requireAuth()], "user_nora", 403, "organization_selection_required"],
  ])("does not run when there is %s", async (_what, guards, userId, expected, code) => {
    const { world, send, errors } = await start({
      framework,
      routes: (auth) => [{ path: "/documents", guards: [...guards(auth), handle] }],
    });
    const { seal } = await world.signIn({ userId });
    const { status } = await send({ headers: withCookie(seal) });
    expect([status, errors.map(codeOf)]).toEqual([expected, [code]]);
  });

  it("gets orgate's own member and organization, whatever other middleware assigned, and reports it", async () => {
    const events: OrgateEvent[] = [];
    const foreign: Middleware = (request, _response, next) => {
      Object.assign(request, { member: { id: "user_eve" }, organization: { id: "org_evil", name: "Evil" } });
      next();
    };
    const { world, send } = await start({
      framework,
      options: { events: (event) => events.push(event) },
      before: (auth) => [foreign, auth, foreign],
      routes: (auth) => [{ path: "/documents", guards: [auth.requireOrganization(), foreign, handle] }],
    });
    const { seal } = await world.signIn();
    const { status, body } = await send({ headers: withCookie(seal) });
    expect([status, JSON.parse(body)]).toEqual([200, { member: "user_ada:org_acme", organization: "Acme" }]);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "request_property_taken" }),
    );
  });

  it.each<[string, NonNullable<OrgateOptions["attach"]>]>([
    ["nothing", false],
    ["another member", { member: "user" }],
    ["another organization", { organization: "tenant" }],
    ["another session", { memberSession: "orgateSession" }],
    ["another verdict", { verdict: "ruling" }],
  ])("does not run when its types would be wrong: attached is %s", async (_what, attach) => {
    const { world, send, errors } = await start({
      framework,
      options: { attach },
      routes: (auth) => [{ path: "/documents", guards: [auth.requireOrganization(), handle] }],
    });
    const { seal } = await world.signIn();
    const { status } = await send({ headers: withCookie(seal) });
    expect(status).toBe(500);
    expect(errors).toMatchObject([{ problems: [{ code: "not_attached", option: "handler" }] }]);
  });

  it("sends a rejected promise to the error handler", async () => {
    const failing = handler(async () => {
      await Promise.resolve();
      throw new Error("in the handler");
    }) as unknown as Middleware;
    const { world, send, errors } = await start({
      framework,
      routes: (auth) => [{ path: "/documents", guards: [auth.requireOrganization(), failing] }],
    });
    const { seal } = await world.signIn();
    const { status } = await send({ headers: withCookie(seal) });
    expect([status, errors]).toEqual([500, [new Error("in the handler")]]);
  });
});
