import { describe, expect, it, jest } from "@jest/globals";
import { StoreUnavailableError } from "../../src/errors.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import type { Renewal } from "../../src/store.ts";
import {
  closeAfterEach,
  EXPRESSES,
  makeTenancy,
  start,
  withBearer,
  withCookie,
  type Harness,
  type Route,
} from "../support/apps.ts";
import { JSON_CLIENT, NAVIGATION } from "../support/browser.ts";
import { cookiesSet } from "../support/servers.ts";
import { COOKIE, makeWorld, PASSWORD, POLICY } from "../support/world.ts";

closeAfterEach();

const PAST_EXPIRY = 306;

/** The reasons of `misconfigured` that were told so far. */
const told = ({ world }: Pick<Harness, "world">): string[] =>
  world.events.flatMap((event) => (event.type === "misconfigured" ? [event.reason] : []));

describe("session_jwt_unreadable", () => {
  const FRONT_END = "https://spa.example.org";

  /** A renewed bearer token, for a page of this origin. */
  async function renewFor(
    origin: string | undefined,
    options: Partial<OrgateOptions>,
  ): Promise<Harness & { exposed: unknown; renewed: unknown; status: number }> {
    const harness = await start({ options });
    const { accessToken } = await harness.world.signIn();
    harness.world.clock.now += PAST_EXPIRY;
    const headers = { ...withBearer(accessToken), ...(origin !== undefined && { Origin: origin }) };
    const answer = await harness.send({ headers });
    const { "access-control-expose-headers": exposed, "session-jwt": renewed } = answer.headers;
    return { ...harness, exposed, renewed, status: answer.status };
  }

  it("tells that a page of another origin cannot read the renewed token; the request is served", async () => {
    const seen = await renewFor(FRONT_END, {});
    expect([seen.status, typeof seen.renewed, seen.exposed]).toEqual([200, "string", undefined]);
    expect([told(seen), seen.reached.length]).toEqual([["session_jwt_unreadable"], 1]);
  });

  it("is not told of a trusted origin, which may read it", async () => {
    const seen = await renewFor(FRONT_END, { csrf: { trustedOrigins: [FRONT_END] } });
    expect([seen.status, seen.exposed, told(seen)]).toEqual([200, "Session-Jwt", []]);
  });

  it.each([
    ["the application's own origin", "https://app.example.com"],
    ["a program, which sends no origin", undefined],
  ])("is not told of %s", async (_who, origin) => {
    const seen = await renewFor(origin, {});
    expect([seen.status, typeof seen.renewed, told(seen)]).toEqual([200, "string", []]);
  });
});

describe("cookie_not_kept", () => {
  /** A renewed session cookie, on its way to a browser that asked this host. */
  async function renewAt(
    headers: Record<string, string>,
    cookie: OrgateOptions["cookie"],
  ): Promise<Harness & { status: number; sets: number }> {
    const world = makeWorld();
    const harness = await start({ world, options: { cookie: { password: PASSWORD, ...cookie } } });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    const name = cookie?.domain === undefined ? COOKIE : "__Secure-orgate";
    const answer = await harness.send({ headers: { ...headers, Cookie: `${name}=${seal}` } });
    return { ...harness, status: answer.status, sets: cookiesSet(answer).size };
  }

  it.each<[string, Record<string, string>, OrgateOptions["cookie"]]>([
    ["its Domain is not the host's", { Host: "app.example.org" }, { domain: "example.com" }],
    ["its Domain is only the end of the host's", { Host: "badexample.com" }, { domain: "example.com" }],
    ["it is Secure, and the proxy says http", { Host: "app.example.com", "X-Forwarded-Proto": "http" }, {}],
  ])("tells that the browser drops the cookie: %s", async (_why, headers, cookie) => {
    const seen = await renewAt(headers, cookie);
    expect([seen.status, seen.sets, told(seen)]).toEqual([200, 1, ["cookie_not_kept"]]);
  });

  it.each<[string, Record<string, string>, OrgateOptions["cookie"]]>([
    ["the domain itself", { Host: "example.com" }, { domain: "example.com" }],
    ["a host below the domain, with a port", { Host: "APP.example.com:8443" }, { domain: "example.com" }],
    ["https at the proxy", { Host: "app.example.com", "X-Forwarded-Proto": "https" }, {}],
    [
      "localhost, where browsers take Secure on http",
      { Host: "localhost:80", "X-Forwarded-Proto": "http" },
      {},
    ],
  ])("is not told of %s", async (_what, headers, cookie) => {
    const seen = await renewAt(headers, cookie);
    expect([seen.status, seen.sets, told(seen)]).toEqual([200, 1, []]);
  });
});

describe("guards that nobody can pass", () => {
  const LOADED: Partial<OrgateOptions> = { policy: async () => POLICY };

  async function ask(
    routes: (auth: Orgate) => readonly Route[],
    path: string,
  ): Promise<Harness & { status: number; code: unknown }> {
    const harness = await start({ options: LOADED, routes });
    const { seal } = await harness.world.signIn({ userId: "user_bob" });
    const { status, body } = await harness.send({ path, headers: { ...withCookie(seal), ...JSON_CLIENT } });
    return { ...harness, status, code: JSON.parse(body).code };
  }

  it("permission_unknown: the loaded policy does not declare the permission", async () => {
    const seen = await ask(
      (auth) => [{ path: "/x", guards: [auth.requirePermission("documents", "shred")] }],
      "/x",
    );
    expect([seen.status, seen.code, seen.reached]).toEqual([403, "permission_denied", []]);
    expect(told(seen)).toEqual(["permission_unknown"]);
  });

  it("permission_unknown is not told of a permission that is declared and not held", async () => {
    const { world, send } = await start({
      options: LOADED,
      routes: (auth) => [{ path: "/x", guards: [auth.requirePermission("billing", "manage")] }],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    const { status } = await send({ path: "/x", headers: withCookie(seal) });
    expect([status, told({ world })]).toEqual([403, []]);
  });

  it("role_unknown: the loaded policy does not know the role", async () => {
    const seen = await ask((auth) => [{ path: "/x", guards: [auth.requireRole("owner")] }], "/x");
    expect([seen.status, seen.code, seen.reached]).toEqual([403, "role_required", []]);
    expect(told(seen)).toEqual(["role_unknown"]);
  });

  it("role_unknown is not told of a role that is known and not held", async () => {
    const seen = await ask((auth) => [{ path: "/x", guards: [auth.requireRole("admin")] }], "/x");
    expect([seen.status, told(seen)]).toEqual([403, []]);
  });

  it.each<[string, string]>([
    ["the route has no such parameter", "param:organization"],
    ["the request lacks the header", "header:x-organization"],
  ])("route_organization_missing: %s", async (_why, organization) => {
    const seen = await ask(
      (auth) => [
        { path: "/x", guards: [auth.requireOrganization({ organization: organization as "param:x" })] },
      ],
      "/x",
    );
    expect([seen.status, seen.code, seen.reached]).toEqual([403, "organization_mismatch", []]);
    expect(told(seen)).toEqual(["route_organization_missing"]);
  });

  it("route_organization_missing is not told of another organization's route", async () => {
    const seen = await ask(
      (auth) => [
        {
          path: "/o/:organization",
          guards: [auth.requireOrganization({ organization: "param:organization" })],
        },
      ],
      "/o/org_globex",
    );
    expect([seen.status, told(seen)]).toEqual([403, []]);
  });
});

describe("what the application's own functions throw", () => {
  const error = new Error("in the application");
  const fail = (): never => {
    throw error;
  };

  it("page_render_failed: pages.render; the plain page is sent, and the event has the error", async () => {
    const app = makeTenancy({ options: { pages: { render: fail } } });
    const page = await app.browser.get("/sign-out", { headers: NAVIGATION });
    expect([page.status, page.text.includes("<h1>")]).toEqual([405, true]);
    const event = { type: "misconfigured", reason: "page_render_failed", error };
    expect(app.world.events.filter(({ type }) => type === "misconfigured")).toContainEqual(event);
  });

  it.each<[string, OrgateOptions["onDenied"]]>([
    ["throws", fail],
    ["rejects", () => Promise.reject(error)],
  ])(
    "on_denied_failed: onDenied %s; the error handler and the event have the error",
    async (_how, onDenied) => {
      const { world, send, errors, reached } = await start({ options: { onDenied } });
      expect([(await send({})).status, reached]).toEqual([500, []]);
      expect(errors).toEqual([error]);
      expect(world.events).toContainEqual({ type: "misconfigured", reason: "on_denied_failed", error });
    },
  );

  it("ip_address_failed: ipAddress; the request is served, the store gets no address, and the event has the error", async () => {
    const { world, send, reached } = await start({ options: { ipAddress: fail } });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    expect([(await send({ headers: withCookie(seal) })).status, reached.length]).toEqual([200, 1]);
    expect(world.store.questions.map(({ context }) => context.ipAddress)).toEqual([undefined]);
    expect(world.events).toContainEqual({ type: "misconfigured", reason: "ip_address_failed", error });
  });
});

describe("a refusal without a word of the store's", () => {
  it.each<[string, Renewal, string, string]>([
    ["a token that cannot be renewed", { status: "unrenewable" }, "token_expired", "not_renewable"],
    ["a refusal with markup", { status: "rejected", reason: "<b>" }, "invalid_token", "not_accepted"],
    ["an end with markup", { status: "ended", reason: "<b>" }, "session_revoked", "ended"],
  ])("has a reason of ours: %s", async (_what, renewal, code, reason) => {
    const { world, send, reached } = await start();
    const { accessToken } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = async () => renewal;
    const answer = await send({ headers: withBearer(accessToken) });
    expect([answer.status, JSON.parse(answer.body).code, reached]).toEqual([401, code, []]);
    expect(world.events).toContainEqual({ type: "rejected", code, reason });
  });
});

describe("policy_unavailable", () => {
  it("is told for each request that the policy was needed for, with the loader's error", async () => {
    const error = new Error("no policy");
    const { world, send, reached } = await start({
      options: { policy: () => Promise.reject(error) },
      routes: (auth) => [{ path: "/x", guards: [auth.requirePermission("documents", "read")] }],
    });
    const { seal } = await world.signIn();
    for (let time = 0; time < 2; time++) {
      world.events.length = 0;
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { status } = await send({ path: "/x", headers: withCookie(seal) });
      expect([status, reached]).toEqual([503, []]);
      expect(world.events).toContainEqual(
        expect.objectContaining({ type: "unavailable", reason: "policy_unavailable", error }),
      );
    }
  });
});

describe.each(EXPRESSES)("an authentication that is rejected without an error, on %s", (framework) => {
  it.each([undefined, null])("goes to the error handler and not to the next route: %s", async (nothing) => {
    const { send, errors, reached } = await start({
      framework,
      routes: (auth) => [
        {
          path: "/sign-in",
          handler: (request, response) =>
            // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- an SDK may reject with anything
            auth.establish(request, response, Promise.reject(nothing)),
        },
        { path: "/sign-in" },
      ],
    });
    expect((await send({ path: "/sign-in" })).status).toBe(500);
    expect([errors, reached]).toEqual([[expect.any(TypeError)], ["GET /sign-in"]]);
  });
});

describe("what a store refuses one member", () => {
  const REFUSAL = new StoreUnavailableError({ reason: "told_refusal", concerns: "credential" });

  it("is told in an event, and is no warning for the developer", async () => {
    const emitWarning = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const world = makeWorld();
    const { send } = await start({ world, options: { warnings: true } });
    const { seal } = await world.signIn();
    world.clock.now += PAST_EXPIRY;
    world.store.behaviour = () => Promise.reject(REFUSAL);
    expect((await send({ headers: withCookie(seal) })).status).toBe(503);
    world.clock.now += 60;
    world.store.behaviour = () => Promise.reject(new RangeError("the store's own"));
    expect((await send({ headers: withCookie(seal) })).status).toBe(503);
    const messages = emitWarning.mock.calls.map(([message]) => message);
    emitWarning.mockRestore();
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", reason: "told_refusal", error: REFUSAL }),
    );
    expect(messages).toEqual([expect.stringContaining("unavailable (store_failed, RangeError)")]);
  });
});
