import { describe, expect, it } from "@jest/globals";
import express, { type Request, type Response } from "express";
import {
  inProcessCoordinator,
  type Coordinator,
  type InvalidationMessage,
} from "../../src/fleet/coordinator.ts";
import { OrgateError, StoreUnavailableError } from "../../src/errors.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { EstablishOptions } from "../../src/sign-in/establish.ts";
import type { Authentication } from "../../src/sign-in/read-outcome.ts";
import { FRAMEWORKS, makeApp, makeTenancy, SELECTION, type TestApp } from "../support/apps.ts";
import { generateSigningKey, signToken } from "../support/tokens.ts";
import { JSON_CLIENT, NAVIGATION, openBrowser, setCookiesOf, type Visitor } from "../support/browser.ts";
import { bearerOf, claimsOf, COOKIE, makeWorld, type World } from "../support/world.ts";

interface Desk extends TestApp {
  readonly world: World;
  readonly browser: Visitor;
}

/** An application whose `/sign-in` establishes whatever it is given. */
function makeDesk(
  make: (world: World) => Authentication | Promise<Authentication>,
  { establish, ...options }: Partial<OrgateOptions> & { readonly establish?: EstablishOptions } = {},
): Desk {
  const world = makeWorld();
  const auth = world.mount({ signIn: { path: "/sign-in" }, ...options });
  const app = makeApp("Express 5", {
    before: [auth],
    routes: [
      {
        path: "/sign-in",
        handler: (request, response, next) =>
          auth.establish(request, response, make(world), establish).catch(next),
      },
      { path: "/me", guards: [auth.requireAuth()] },
    ],
  });
  return { ...app, world, browser: openBrowser(app.listener) };
}

const ada = (world: World): Promise<Authentication> => world.signIn();

describe.each(FRAMEWORKS)("establish on %s", (framework) => {
  it("signs a browser in and redirects it", async () => {
    const app = makeTenancy({ framework });
    const { browser } = app;
    const response = await browser.post("/sign-in?return_to=/documents%23top", {
      headers: { ...NAVIGATION, "X-User": "user_bob" },
    });
    expect([response.status, response.headers["location"], response.text]).toEqual([
      303,
      "/documents#top",
      "",
    ]);
    const [line] = setCookiesOf(response);
    expect(line).toMatch(
      /^__Host-orgate=Fe26\.2\*.*; Max-Age=2592000; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(response.headers["cache-control"]).toBe("private, no-store");
    expect(response.headers["vary"]).toBe("Cookie, Authorization");
    expect(await app.whoIs(browser)).toMatchObject({ member: "user_bob:org_acme", organization: "org_acme" });
    expect(app.world.store.questions).toEqual([]);
    expect(app.errors).toEqual([]);
  });

  it("tells an API client who it is signed in as", async () => {
    const app = makeTenancy({ framework });
    const response = await app.browser.post("/sign-in?return_to=/x", {
      headers: { ...JSON_CLIENT, "X-User": "user_bob" },
    });
    expect(response.status).toBe(200);
    expect(response.body).toMatchObject({
      status: "authenticated",
      return_to: "/x",
      member: { id: "user_bob:org_acme", roles: ["editor"] },
      organization: { id: "org_acme", name: "Acme" },
      member_session: { organizationId: "org_acme" },
    });
    expect(JSON.stringify(response.body)).not.toContain("eyJ");
    expect(await app.whoIs(app.browser)).toMatchObject({ session: response.body.member_session.id });
  });

  it("gives an API client the organizations to choose from", async () => {
    const app = makeTenancy({ framework });
    const response = await app.browser.post("/sign-in", {
      headers: { ...JSON_CLIENT, "X-User": "user_ada" },
    });
    expect([response.status, response.headers["content-type"]]).toEqual([403, "application/problem+json"]);
    expect(response.body).toEqual({
      type: "urn:orgate:error:organization_selection_required",
      title: "Choose an organization to continue",
      status: 403,
      detail: expect.any(String),
      code: "organization_selection_required",
      organizations: [
        { id: "org_acme", name: "Acme" },
        { id: "org_globex", name: "Globex" },
      ],
      selection_url: SELECTION,
    });
    expect([...app.browser.cookies.keys()].toSorted()).toEqual([
      "__Host-orgate-browser",
      "__Host-orgate-pending",
    ]);
    const chosen = await app.browser.post(SELECTION, {
      headers: JSON_CLIENT,
      body: { organization_id: "org_acme" },
    });
    expect([chosen.status, chosen.body.organization.id]).toEqual([200, "org_acme"]);
  });

  it("signs in a user without an organization", async () => {
    const app = makeTenancy({ framework });
    const visitor = await app.signIn("user_nora");
    expect(await app.whoIs(visitor)).toEqual({
      member: "user_nora",
      organization: null,
      session: expect.any(String),
    });
  });

  it("R-17: rejects a sign-in from another site, and sets no cookie", async () => {
    const app = makeTenancy({ framework });
    const response = await app.browser.post("/sign-in", {
      headers: {
        ...NAVIGATION,
        "Sec-Fetch-Site": "cross-site",
        Origin: "https://evil.example",
        "X-User": "user_bob",
      },
    });
    expect([response.status, response.headers["content-type"]]).toEqual([403, "text/html; charset=utf-8"]);
    expect(response.text).toContain("Another site sent this request");
    expect(setCookiesOf(response)).toEqual([]);
  });
});

describe("where establish redirects to", () => {
  const land = async (
    path: string,
    establish?: EstablishOptions,
    body?: Record<string, unknown>,
  ): Promise<unknown> => {
    const app = makeTenancy({ establish, before: [express.json() as never] } as never);
    const headers = { Accept: "text/html", "X-User": "user_bob" };
    const response = await app.browser.post(path, { headers, ...(body !== undefined && { body }) });
    return response.headers["location"];
  };

  it.each<[string, string, EstablishOptions | undefined, Record<string, unknown> | undefined, string]>([
    ["the option", "/sign-in?return_to=/query", { returnTo: "/option" }, { return_to: "/body" }, "/option"],
    ["the query", "/sign-in?return_to=/query", undefined, { return_to: "/body" }, "/query"],
    ["a parsed body", "/sign-in", undefined, { return_to: "/body" }, "/body"],
    ["nothing said", "/sign-in", undefined, undefined, "/"],
    ["an option that leads away", "/sign-in", { returnTo: "//evil.example" }, undefined, "/"],
    ["a query that leads away", "/sign-in?return_to=//evil.example", undefined, { return_to: "/body" }, "/"],
    ["a query given twice", "/sign-in?return_to=/a&return_to=/b", undefined, undefined, "/"],
    ["a query that is an array to some", "/sign-in?return_to[]=/a", undefined, undefined, "/"],
    ["a body that leads away", "/sign-in", undefined, { return_to: String.raw`/\evil.example` }, "/"],
    ["a body that is no string", "/sign-in", undefined, { return_to: ["/a"] }, "/"],
    ["back to the sign-in page", "/sign-in?return_to=/sign-in%3Freturn_to=/x", undefined, undefined, "/"],
    ["back to the selection", `/sign-in?return_to=${SELECTION}`, undefined, undefined, "/"],
    [
      "back there, as a router reads it",
      "/sign-in?return_to=/SELECT-%256frganization/",
      undefined,
      undefined,
      "/",
    ],
  ])("R-16: uses a safe return target: %s", async (_what, path, establish, body, expected) => {
    expect(await land(path, establish, body)).toBe(expected);
  });
});

describe("what establish accepts", () => {
  it.each<[string, (world: World) => Authentication | Promise<Authentication>, number, object]>([
    [
      "a step-up",
      () => ({ status: "step_up_required", reason: "mfa_enrollment", url: "https://id.example/mfa" }),
      401,
      { code: "reauthentication_required", reason: "mfa_enrollment", sign_in_url: "https://id.example/mfa" },
    ],
    [
      "a step-up without an address",
      () => ({ status: "step_up_required", reason: "sso_required" }),
      401,
      { code: "reauthentication_required", sign_in_url: "/sign-in" },
    ],
    ["a refusal", () => ({ status: "refused", code: "sign_in_failed" }), 400, { code: "sign_in_failed" }],
    [
      "a refusal that was thrown",
      () => Promise.reject(new OrgateError("organization_not_available", { reason: "secret_reason" })),
      403,
      { code: "organization_not_available" },
    ],
    [
      "an unknown user",
      (world) => world.authority.authenticate({ userId: "nobody", authenticationMethod: "Password" }),
      400,
      { code: "sign_in_failed" },
    ],
    [
      "a store that is down",
      () => Promise.reject(new StoreUnavailableError({ retryAfter: 7 })),
      503,
      { code: "store_unavailable" },
    ],
  ])("answers %s", async (_what, make, status, body) => {
    const { browser, errors } = makeDesk(make);
    const response = await browser.post("/sign-in", { headers: JSON_CLIENT });
    expect(response.status).toBe(status);
    expect(response.body).toMatchObject(body);
    expect(response.text).not.toContain("secret_reason");
    expect(setCookiesOf(response)).toEqual([]);
    expect(response.headers["retry-after"]).toBe(status === 503 ? "7" : undefined);
    expect(errors).toEqual([]);
  });

  it("accepts an outcome of a store like a result", async () => {
    const { browser } = makeDesk(async (world) => {
      const { accessToken, refreshToken, user } = await world.signIn();
      return { status: "authenticated", credential: { accessToken, refreshToken, user: { ...user } } };
    });
    expect((await browser.post("/sign-in")).status).toBe(303);
    expect((await browser.get("/me")).body.organization).toBe("org_acme");
  });

  it("passes the application's own errors on unchanged, and sends nothing", async () => {
    const own = new RangeError("a bug of the application");
    const { browser, errors } = makeDesk(() => Promise.reject(own));
    expect((await browser.post("/sign-in")).status).toBe(500);
    expect(errors).toEqual([own]);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["a string", "authenticated"],
    ["an unknown status", { status: "perhaps" }],
    ["no credential", { status: "authenticated" }],
    ["a token that is no string", { accessToken: 7 }],
  ])("reports %s as a mistake of the application", async (_what, given) => {
    const { browser, errors } = makeDesk(() => given as Authentication);
    expect((await browser.post("/sign-in")).status).toBe(500);
    expect(errors).toMatchObject([{ code: "configuration_invalid", problems: [{ option: "establish" }] }]);
  });

  it("R-14: rejects a session that is too large for cookies before it sends anything", async () => {
    const { browser, errors } = makeDesk(async (world) => {
      const result = await world.signIn();
      return { ...result, user: { ...result.user, biography: "x".repeat(12_000) } };
    });
    const response = await browser.post("/sign-in");
    expect([response.status, response.text]).toEqual([500, "session_too_large"]);
    expect(setCookiesOf(response)).toEqual([]);
    expect(errors).toMatchObject([{ code: "session_too_large" }]);
  });

  it("R-14: splits a large session into chunks, and clears them after a smaller one", async () => {
    let biography = "x".repeat(3_000);
    const { browser } = makeDesk(async (world) => {
      const result = await world.signIn();
      return { ...result, user: { ...result.user, biography } };
    });
    await browser.post("/sign-in");
    expect([...browser.cookies.keys()].toSorted()).toEqual([`${COOKIE}.0`, `${COOKIE}.1`]);
    expect((await browser.get("/me")).status).toBe(200);
    biography = "";
    await browser.post("/sign-in");
    expect([...browser.cookies.keys()]).toEqual([COOKIE]);
    expect((await browser.get("/me")).status).toBe(200);
  });
});

describe("establish verifies a new session before it hands it out", () => {
  const stranger = generateSigningKey("ES256", "a-stranger");

  it.each<[string, (world: World) => Promise<Authentication>]>([
    [
      "another issuer's",
      async (world) => ({
        accessToken: world.sign({
          ...claimsOf((await world.signIn()).accessToken),
          iss: "https://evil.example",
        }),
      }),
    ],
    [
      "no session at all",
      async (world) => {
        const { sid: _none, ...claims } = claimsOf((await world.signIn()).accessToken);
        return { accessToken: world.sign(claims) };
      },
    ],
    [
      "expired",
      async (world) => ({
        accessToken: world.sign({
          ...claimsOf((await world.signIn()).accessToken),
          exp: world.clock.now - 60,
        }),
      }),
    ],
    [
      "another user's",
      async (world) => ({ accessToken: (await world.signIn()).accessToken, user: { id: "user_bob" } }),
    ],
  ])("%s: 503, and no cookie", async (_what, make) => {
    const { browser, world } = makeDesk(make);
    const response = await browser.post("/sign-in", { headers: JSON_CLIENT });
    expect([response.status, response.body.code]).toEqual([503, "store_unavailable"]);
    expect(setCookiesOf(response)).toEqual([]);
    expect(world.events).toContainEqual(
      expect.objectContaining({
        type: "misconfigured",
        reason: expect.stringMatching(/^issued_token_/),
      }),
    );
  });

  it("keeps the pair when keys cannot be fetched, so that it works later", async () => {
    const { browser, world } = makeDesk(ada);
    world.store.keysAreDown = true;
    const response = await browser.post("/sign-in", { headers: JSON_CLIENT });
    expect([response.status, response.body.code]).toEqual([503, "store_unavailable"]);
    expect([...browser.cookies.keys()]).toEqual([COOKIE]);
    world.store.keysAreDown = false;
    world.clock.now += 60;
    expect((await browser.get("/me")).status).toBe(200);
  });

  it("keeps the pair when its key is unknown, but accepts it nowhere yet", async () => {
    const { browser } = makeDesk(async (world) => ({
      accessToken: signToken(stranger, claimsOf((await world.signIn()).accessToken)),
    }));
    expect((await browser.post("/sign-in")).status).toBe(503);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).status).toBe(401);
  });

  it("treats a token from the future as a difference between clocks", async () => {
    const { browser, world } = makeDesk(async (there) => ({
      accessToken: there.sign({ ...claimsOf((await there.signIn()).accessToken), nbf: there.clock.now + 60 }),
    }));
    const response = await browser.post("/sign-in", { headers: JSON_CLIENT });
    expect([response.status, response.body.code]).toEqual([503, "clock_skew"]);
    world.clock.now += 61;
    expect((await browser.get("/me")).status).toBe(200);
  });
});

describe("R-13: signing in over an existing session", () => {
  it.each([true, false])(
    "ends the old session and uses a new id, auth mounted above: %s",
    async (mounted) => {
      const app = makeTenancy({ mounted });
      const visitor = await app.signIn("user_bob");
      const thief = visitor.copy();
      const before = await app.whoIs(visitor);
      await visitor.post("/sign-in", { headers: { Accept: "text/html", "X-User": "user_bob" } });
      const after = await app.whoIs(visitor);
      expect(after.session).not.toBe(before.session);
      expect(await app.countSessions("user_bob")).toBe(1);
      const stolen = await thief.get("/me", { headers: JSON_CLIENT });
      expect([stolen.status, stolen.body.code, setCookiesOf(stolen)]).toEqual([401, "session_revoked", []]);
    },
  );

  it("keeps nothing of the old session for another member", async () => {
    const app = makeTenancy();
    const visitor = await app.signIn("user_bob");
    await visitor.post("/sign-in", { headers: { Accept: "text/html", "X-User": "user_vera" } });
    expect(await app.whoIs(visitor)).toMatchObject({ member: "user_vera:org_acme" });
    expect(await app.countSessions("user_bob")).toBe(0);
  });

  it("works over a cookie that is not a session, and takes nothing from it", async () => {
    const app = makeTenancy();
    app.browser.cookies.set(COOKIE, "session_chosen_by_the_attacker");
    await app.browser.post("/sign-in", { headers: { Accept: "text/html", "X-User": "user_bob" } });
    expect(await app.whoIs(app.browser)).toMatchObject({ member: "user_bob:org_acme" });
  });

  it("works over an expired session that the store no longer knows", async () => {
    const app = makeTenancy({
      mounted: false,
      overrides: () => ({ endSession: () => Promise.reject(new Error("down")) }),
    });
    const visitor = await app.signIn("user_bob");
    app.world.clock.now += 1_000;
    await visitor.post("/sign-in", { headers: { Accept: "text/html", "X-User": "user_vera" } });
    expect(await app.whoIs(visitor)).toMatchObject({ member: "user_vera:org_acme" });
    expect(app.world.store.questions).toEqual([]);
  });

  it("ends the old session in every process, even when the store cannot", async () => {
    const told: InvalidationMessage[] = [];
    const coordinator: Coordinator = {
      ...inProcessCoordinator(),
      publish: async (message) => void told.push(message),
    };
    const app = makeTenancy({
      options: { coordinator },
      overrides: () => ({ endSession: () => Promise.reject(new Error("down")) }),
    });
    const visitor = await app.signIn("user_bob");
    const thief = visitor.copy();
    const { session } = await app.whoIs(visitor);
    await visitor.post("/sign-in", { headers: { Accept: "text/html", "X-User": "user_bob" } });
    const stolen = await thief.get("/me", { headers: JSON_CLIENT });
    expect([stolen.status, stolen.body.code]).toEqual([401, "session_revoked"]);
    expect(told).toEqual([
      {
        target: { sessionId: session },
        at: app.world.clock.now,
        effect: "supersede",
        until: expect.any(Number),
      },
    ]);
  });

  it("keeps a bearer's session, which belongs to another client", async () => {
    const { browser, world } = makeDesk((there) => there.signIn({ userId: "user_bob" }));
    const bearer = { ...JSON_CLIENT, Authorization: bearerOf((await world.signIn()).accessToken) };
    expect((await browser.post("/sign-in", { headers: bearer })).status).toBe(200);
    expect((await browser.get("/me", { headers: bearer })).body.member).toBe("user_ada:org_acme");
  });
});

describe("the request after establish", () => {
  it("has the new member, for the handler and for guards", async () => {
    const world = makeWorld();
    const auth = world.mount();
    const seen: unknown[] = [];
    const app = express();
    app.post("/sign-in", async (request: Request, response: Response) => {
      response.once("finish", () => seen.push(auth.state(request), request.member));
      await auth.establish(request, response, world.signIn());
    });
    await openBrowser(app).post("/sign-in");
    expect(seen).toMatchObject([{ status: "authenticated", via: "cookie" }, { id: "user_ada:org_acme" }]);
  });
});

describe("establish with an onDenied handler", () => {
  const deny = { status: "refused", code: "sign_in_failed" } as const;

  it("waits for the handler to answer", async () => {
    const { browser, errors } = makeDesk(() => deny, {
      async onDenied(denial, _request, response) {
        await Promise.resolve();
        response.statusCode = 418;
        response.end(denial.code);
      },
    });
    const response = await browser.post("/sign-in");
    expect([response.status, response.text, errors]).toEqual([418, "sign_in_failed", []]);
  });

  it("passes on the handler's error like any other error of the application", async () => {
    const own = new Error("onDenied failed");
    const { browser, errors } = makeDesk(() => deny, { onDenied: () => Promise.reject(own) });
    expect((await browser.post("/sign-in")).status).toBe(500);
    expect(errors).toEqual([own]);
  });
});

describe("establish in an application that reads no cookies", () => {
  it("sends the access token in Session-Jwt", async () => {
    const { browser, world } = makeDesk(ada, { credentials: ["bearer"], cookie: {} });
    const response = await browser.post("/sign-in", { headers: JSON_CLIENT });
    expect([response.status, setCookiesOf(response)]).toEqual([200, []]);
    const token = String(response.headers["session-jwt"]);
    const me = await browser.get("/me", { headers: { ...JSON_CLIENT, Authorization: bearerOf(token) } });
    expect([me.status, me.body.organization, world.store.questions.length]).toEqual([200, "org_acme", 0]);
  });

  it("cannot start an organization selection without a cookie password, and says so", async () => {
    const { browser, errors } = makeDesk(
      (world) => world.authority.authenticate({ userId: "user_ada", authenticationMethod: "Password" }),
      { credentials: ["bearer"], cookie: {} },
    );
    expect((await browser.post("/sign-in", { headers: JSON_CLIENT })).status).toBe(500);
    expect(errors).toMatchObject([{ problems: [{ option: "cookie.password" }] }]);
  });
});
