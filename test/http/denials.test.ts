import { describe, expect, it } from "@jest/globals";
import { ERROR_TABLE, type ErrorCode } from "../../src/errors.ts";
import type { Middleware } from "../../src/guards/guard.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import { closeAfterEach, EXPRESSES, FRAMEWORKS, start, withBearer, withCookie } from "../support/apps.ts";
import { TROUBLE } from "../support/stores.ts";
import { START, type SignIn, type World } from "../support/world.ts";
import { resign } from "./decision-table.scenarios.ts";

closeAfterEach();

const REALM = 'Bearer realm="app.example.com"';

interface Refusal {
  readonly code: ErrorCode;
  readonly what: string;
  readonly guard?: (auth: Orgate) => Middleware;
  readonly options?: Partial<OrgateOptions>;
  readonly headers: (
    world: World,
    signIn: SignIn,
  ) => Record<string, string> | Promise<Record<string, string>>;
  readonly method?: string;
  readonly challenge?: string;
  readonly retryAfter?: string;
  readonly members?: Readonly<Record<string, unknown>>;
}

const cookie = (_world: World, { seal }: SignIn): Record<string, string> => withCookie(seal);
const bearer = (_world: World, { accessToken }: SignIn): Record<string, string> => withBearer(accessToken);

const REFUSALS: readonly Refusal[] = [
  { code: "unauthenticated", what: "no credential", headers: () => ({}), challenge: REALM },
  {
    code: "unauthenticated",
    what: "a scheme that is not ours",
    headers: () => ({ Authorization: "Basic YWRhOnNlY3JldA==" }),
    challenge: REALM,
  },
  {
    code: "invalid_token",
    what: "bearer",
    headers: () => withBearer("garbage"),
    challenge: `${REALM}, error="invalid_token"`,
  },
  {
    code: "invalid_token",
    what: "bearer without a token",
    headers: () => ({ Authorization: "Bearer" }),
    challenge: `${REALM}, error="invalid_token"`,
  },
  {
    code: "token_expired",
    what: "bearer",
    headers: async (world, signIn) => {
      world.store.behaviour = async () => ({ status: "unrenewable" });
      world.clock.now += 306;
      return bearer(world, signIn);
    },
    challenge: `${REALM}, error="invalid_token"`,
  },
  {
    code: "session_revoked",
    what: "bearer",
    headers: async (world, signIn) => {
      await world.authority.revoke({ userId: "user_ada" });
      world.clock.now += 306;
      return bearer(world, signIn);
    },
    challenge: `${REALM}, error="invalid_token"`,
  },
  {
    code: "session_revoked",
    what: "cookie",
    headers: async (world, signIn) => {
      await world.authority.revoke({ userId: "user_ada" });
      world.clock.now += 306;
      return cookie(world, signIn);
    },
    challenge: REALM,
  },
  { code: "invalid_session", what: "cookie", headers: () => withCookie("garbage"), challenge: REALM },
  {
    code: "reauthentication_required",
    what: "requireRecentAuth",
    guard: (auth) => auth.requireRecentAuth({ maxAge: 300 }),
    options: { signIn: { path: "/sign-in" }, clockTolerance: 60 },
    headers: (world, signIn) => {
      world.clock.now += 300;
      return bearer(world, signIn);
    },
    challenge: `${REALM}, error="insufficient_user_authentication", max_age="300"`,
    members: { reason: "authentication_too_old", max_age: 300, sign_in_url: "/sign-in" },
  },
  {
    code: "reauthentication_required",
    what: "the store's demand",
    headers: (world, signIn) => {
      world.store.behaviour = async () => ({
        status: "reauthenticate",
        reason: "mfa_enrollment",
        url: "https://idp.example/mfa",
      });
      world.clock.now += 306;
      return cookie(world, signIn);
    },
    challenge: `${REALM}, error="insufficient_user_authentication"`,
    members: { reason: "mfa_enrollment", sign_in_url: "https://idp.example/mfa" },
  },
  {
    code: "permission_denied",
    what: "requirePermission",
    guard: (auth) => auth.requirePermission("billing", "manage"),
    headers: async (world) => cookie(world, await world.signIn({ userId: "user_bob" })),
    challenge: `${REALM}, error="insufficient_scope"`,
    members: { resource: "billing", action: "manage" },
  },
  {
    code: "permission_denied",
    what: "requireAnyPermission",
    guard: (auth) =>
      auth.requireAnyPermission([
        ["documents", "delete"],
        ["billing", "manage"],
      ]),
    headers: async (world) => cookie(world, await world.signIn({ userId: "user_bob" })),
    challenge: `${REALM}, error="insufficient_scope"`,
    members: { resource: "documents", action: "delete" },
  },
  {
    code: "organization_mismatch",
    what: "another organization's route",
    guard: (auth) => auth.requireOrganization({ organization: "header:x-org" }),
    headers: (world, signIn) => ({ ...bearer(world, signIn), "X-Org": "org_globex" }),
  },
  {
    code: "organization_selection_required",
    what: "a member without an organization",
    guard: (auth) => auth.requireOrganization(),
    headers: async (world) => bearer(world, await world.signIn({ userId: "user_nora" })),
    members: { organizations: [], selection_url: "/select-organization" },
  },
  {
    code: "role_required",
    what: "requireRole",
    guard: (auth) => auth.requireRole(["editor"]),
    headers: bearer,
  },
  {
    code: "factor_required",
    what: "requireFactor",
    guard: (auth) => auth.requireFactor("totp"),
    headers: bearer,
  },
  {
    code: "impersonation_denied",
    what: "denyImpersonation",
    guard: (auth) => auth.denyImpersonation(),
    headers: async (world) =>
      cookie(world, await world.signIn({ impersonator: { email: "support@example.com" } })),
  },
  {
    code: "cross_site_request",
    what: "another site's form",
    method: "POST",
    headers: (world, signIn) => ({ ...cookie(world, signIn), Origin: "null" }),
  },
  {
    code: "store_unavailable",
    what: "a store that is down",
    headers: (world, signIn) => {
      world.store.behaviour = TROUBLE.overloaded;
      world.clock.now += 306;
      return cookie(world, signIn);
    },
    retryAfter: "7",
  },
  {
    code: "store_unavailable",
    what: "a policy that cannot be had",
    guard: (auth) => auth.requirePermission("documents", "read"),
    options: { policy: () => Promise.reject(new Error("policy service down")) },
    headers: bearer,
    retryAfter: "1",
  },
  {
    code: "clock_skew",
    what: "a token from the future",
    headers: (world, signIn) =>
      withBearer(resign(world, signIn, { iat: START + 100, nbf: START + 100, exp: START + 400 })),
    retryAfter: "5",
  },
];

describe.each(FRAMEWORKS)("denials on %s", (framework) => {
  it.each(REFUSALS.map((refusal) => [refusal.code, refusal.what, refusal] as const))(
    "%s: %s",
    async (code, _what, refusal) => {
      const { guard = (auth: Orgate) => auth.requireAuth(), options = {} } = refusal;
      const { world, send, reached } = await start({
        framework,
        options,
        routes: (auth) => [{ path: "/documents", guards: [guard(auth)] }],
      });
      const headers = await refusal.headers(world, await world.signIn());
      const { status, headers: got, body } = await send({ method: refusal.method ?? "GET", headers });
      const problem = JSON.parse(body) as Record<string, unknown>;
      expect({ status, reached, challenge: got["www-authenticate"], retryAfter: got["retry-after"] }).toEqual(
        {
          status: ERROR_TABLE[code].status,
          reached: [],
          challenge: refusal.challenge,
          retryAfter: refusal.retryAfter,
        },
      );
      expect(problem).toEqual({
        type: `urn:orgate:error:${code}`,
        title: ERROR_TABLE[code].title,
        status,
        detail: expect.stringMatching(/^[A-Z].+\.$/),
        code,
        ...refusal.members,
      });
      expect(got["content-type"]).toBe("application/problem+json");
      expect(got["x-content-type-options"]).toBe("nosniff");
      expect(got.vary).toBe("Cookie, Authorization");
    },
  );
});

describe("what denials do not reveal", () => {
  it("R-10: all rejections of bearer tokens are the same, byte for byte", async () => {
    const { world, send } = await start();
    const signIn = await world.signIn();
    const { accessToken } = signIn;
    const tokens = [
      "garbage",
      "a.b.c",
      `${accessToken.slice(0, -6)}AAAAAA`,
      resign(world, signIn, { iss: "https://other.example" }),
      resign(world, signIn, { sid: undefined }),
      resign(world, signIn, { exp: "soon" }),
      world.sign({}, { kid: "an-unknown-key" }),
      world.sign({}, { alg: "none" }),
    ];
    const answers = [];
    for (const token of tokens) answers.push(await send({ headers: withBearer(token) }));
    const alike = answers.map(({ status, body, headers: { date: _date, ...headers } }) =>
      JSON.stringify([status, body, headers]),
    );
    expect(new Set(alike).size).toBe(1);
    expect(answers[0]?.body).toContain('"code":"invalid_token"');
  });

  it("R-10: all rejections of session cookies are the same, byte for byte", async () => {
    const { world, send } = await start();
    const { seal, accessToken } = await world.signIn();
    const seals = [
      "garbage",
      seal.slice(0, -1),
      await world.seal({ accessToken }, "another password, which nobody here knows"),
      await world.seal({ accessToken, user: { id: "user_bob" } }),
      await world.seal({ accessToken: "no-token" }),
    ];
    const answers = [];
    for (const value of seals) answers.push(await send({ headers: withCookie(value) }));
    expect(new Set(answers.map(({ status, body }) => `${status} ${body}`)).size).toBe(1);
    expect(answers[0]?.body).toContain('"code":"invalid_session"');
  });

  it("a denied permission does not name the roles that would grant it", async () => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("billing", "manage")] }],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    const { body } = await send({ headers: withCookie(seal) });
    expect(body).not.toMatch(/admin|editor|viewer/);
  });

  it("offers a member only their own organizations", async () => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/documents", guards: [auth.requireOrganization()] }],
    });
    const { accessToken } = await world.signIn({ userId: "user_nora" });
    world.directory.addOrganization({ id: "org_initech", name: "Initech" });
    await world.directory.addMembership({ userId: "user_nora", organizationId: "org_initech", roles: [] });
    const { body } = await send({ headers: withBearer(accessToken) });
    expect(JSON.parse(body)).toMatchObject({
      code: "organization_selection_required",
      organizations: [{ id: "org_initech", name: "Initech" }],
    });
    expect(body).not.toContain("acme");
  });
});

describe.each(EXPRESSES)("methods on %s", (framework) => {
  it.each(["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])(
    "R-18: %s is guarded like GET",
    async (method) => {
      const { send, reached } = await start({ framework });
      const { status, body } = await send({ method });
      expect([status, reached, body === ""]).toEqual([401, [], method === "HEAD"]);
    },
  );

  it("R-18: a method override changes nothing", async () => {
    const { world, send, reached } = await start({ framework });
    const { seal } = await world.signIn();
    const headers = { ...withCookie(seal), "X-HTTP-Method-Override": "GET", Origin: "https://evil.example" };
    const { status } = await send({ method: "POST", path: "/documents?_method=GET", headers });
    expect([status, reached]).toEqual([403, []]);
  });
});
