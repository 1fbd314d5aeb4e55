/** Checks every answer of both wire routers against what the official SDKs of every language require of it. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { pathToFileURL } from "node:url";
import { type AuthenticationFactor, isOrgateError } from "orgate";
import { type Authority, createAuthority, memoryRepository } from "orgate/authority";
import { stytchRouter, type StytchRouter } from "orgate/authority/stytch";
import { workosRouter, type WorkosRouter } from "orgate/authority/workos";
import { describeWith, SDK_MODELS, SDK_MODELS_PATH } from "../support/requirements.ts";
import { serve, type TestServer } from "../support/servers.ts";
import { FACTORS, KINDS, makeWireDirectory, METHODS } from "../support/wire-rows.ts";
import { bodyOf, json, makeRsaKey, PASSWORD, WIRE_POLICY } from "../support/wire-world.ts";
import { breakable } from "../../src/testing/test-authority.ts";

type Body = Readonly<Record<string, unknown>>;

/** What the tables' program says of one body. */
interface Check {
  readonly key: string | undefined;
  readonly violations: readonly { readonly sdk: string; readonly at: string; readonly problem: string }[];
}

type CheckBody = (service: string, endpoint: string, status: number, body: unknown) => Check;

const CLIENT = { client_id: "client_orgate", client_secret: "sk_test_0123456789abcdef" };
const PROJECT = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const BEARER = { authorization: `Bearer ${CLIENT.client_secret}` };
const BASIC = { authorization: `Basic ${btoa(`${PROJECT.projectId}:${PROJECT.secret}`)}` };
const REDIRECT_URI = "https://app.example.com/callback";
const SELECTION = "urn:workos:oauth:grant-type:organization-selection";
const AUTHENTICATE = "POST /user_management/authenticate";
const STYTCH_AUTHENTICATE = "POST /v1/b2b/sessions/authenticate";

describeWith(SDK_MODELS, "the official SDKs can read every answer", () => {
  let checkBody: CheckBody;
  let authority: Authority;
  let down: () => void;
  let up: () => void;
  let workos: WorkosRouter;
  let stytch: StytchRouter;
  let servers: Readonly<Record<"workos" | "stytch", TestServer>>;

  beforeAll(async () => {
    ({ checkBody } = (await import(pathToFileURL(SDK_MODELS_PATH ?? "").href)) as { checkBody: CheckBody });
    const { repository, takeDown, bringBack } = breakable(memoryRepository());
    [down, up] = [takeDown, bringBack];
    authority = createAuthority({
      issuer: "https://app.example.com",
      directory: makeWireDirectory(),
      policy: WIRE_POLICY,
      keys: [makeRsaKey()],
      repository,
    });
    workos = workosRouter(authority, {
      clientId: CLIENT.client_id,
      apiKey: CLIENT.client_secret,
      redirectUris: [REDIRECT_URI],
      signIn: { path: "/sign-in" },
    });
    stytch = stytchRouter(authority, PROJECT);
    servers = { workos: await serve(workos), stytch: await serve(stytch) };
  });

  afterAll(async () => {
    await Promise.all(Object.values(servers).map((server) => server.close()));
    await authority.close();
  });

  /** Sends a request, and checks the status and the whole body of the answer. */
  const ask = async (
    service: "workos" | "stytch",
    [endpoint, path = endpoint]: readonly [endpoint: string, path?: string],
    status: number,
    { body, headers = {} }: { readonly body?: unknown; readonly headers?: Record<string, string> } = {},
  ): Promise<Body> => {
    const request = body === undefined ? { headers } : json(body, headers);
    const answer = await servers[service].send({ path: path.replace(/^[A-Z]+ /, ""), ...request });
    const told = bodyOf(answer);
    const { key, violations } = checkBody(service, endpoint, answer.status, told);
    expect({ path, status: answer.status, told }).toMatchObject({ status });
    expect(key).toBeDefined();
    expect(
      violations.map(({ sdk, at, problem }) => `${endpoint} ${status}: ${at} ${problem} (${sdk})`),
    ).toEqual([]);
    expect(answer.headers["x-request-id"]).toMatch(/^req(?:_|uest-id-test-)[\da-f-]{36}$/);
    return told;
  };

  const grant = (status: number, fields: Body, headers?: Record<string, string>): Promise<Body> =>
    ask("workos", [AUTHENTICATE], status, { body: { ...CLIENT, ...fields }, ...(headers && { headers }) });
  const read = (endpoint: string, path: string, status = 200): Promise<Body> =>
    ask("workos", [endpoint, path], status, { headers: BEARER });
  const call = (endpoint: string, status: number, body: Body): Promise<Body> =>
    ask("stytch", [`POST /v1/b2b/${endpoint}`], status, { body, headers: BASIC });
  const get = (endpoint: string, path: string, status = 200): Promise<Body> =>
    ask("stytch", [`GET /v1/b2b/${endpoint}`, `/v1/b2b/${path}`], status, { headers: BASIC });

  /** Begins to sign in somebody who must choose an organization. */
  const beginSelection = async (userId: string): Promise<string> => {
    try {
      await stytch.authenticate({ userId, authenticationMethod: "magic_link" });
    } catch (error) {
      if (!isOrgateError(error) || !("pendingAuthenticationToken" in error)) throw error;
      return String(error.pendingAuthenticationToken);
    }
    throw new Error(`${userId} must choose an organization.`);
  };

  describe.each(KINDS)("of a %s user", (kind) => {
    it("over WorkOS's protocol", async () => {
      const userId = `${kind}_in_all`;
      const password = { grant_type: "password", email: `${userId}@example.com`, password: PASSWORD };
      for (const organization of KINDS) {
        const asked = await grant(403, password);
        const signedIn = await grant(200, {
          grant_type: SELECTION,
          pending_authentication_token: asked["pending_authentication_token"],
          organization_id: `org_${organization}`,
          ip_address: "192.0.2.1",
          user_agent: "Test/1.0",
        });
        await grant(200, { grant_type: "refresh_token", refresh_token: signedIn["refresh_token"] });
      }
      await read("GET /user_management/users/:id", `/user_management/users/${userId}`);
      const sessions = await read(
        "GET /user_management/users/:id/sessions",
        `/user_management/users/${userId}/sessions`,
      );
      const memberships = await read(
        "GET /user_management/organization_memberships",
        `/user_management/organization_memberships?user_id=${userId}`,
      );

      expect(sessions["data"]).toHaveLength(KINDS.length);
      expect(memberships["data"]).toHaveLength(KINDS.length);
    });

    it("over Stytch's protocol", async () => {
      const userId = `${kind}_in_all`;
      for (const organization of KINDS) {
        const token = await beginSelection(userId);
        await call("discovery/organizations", 200, { intermediate_session_token: token });
        const exchanged = await call("discovery/intermediate_sessions/exchange", 200, {
          intermediate_session_token: token,
          organization_id: organization,
        });
        const session = { session_token: exchanged["session_token"] };
        await call("sessions/authenticate", 200, { ...session, session_custom_claims: { a: { b: [1] } } });
        const target = KINDS.find((other) => other !== organization);
        const switched = await call("sessions/exchange", 200, { ...session, organization_id: target });
        await call("sessions/authenticate", 200, { session_jwt: switched["session_jwt"] });
        const listed = await get(
          "sessions",
          `sessions?organization_id=org_${String(target)}&member_id=${encodeURIComponent(String(switched["member_id"]))}`,
        );
        expect(listed["member_sessions"]).not.toEqual([]);
        await call("sessions/revoke", 200, { session_token: switched["session_token"] });
      }
    });
  });

  it.each(KINDS)("of a %s organization", async (kind) => {
    const organization = await read("GET /organizations/:id", `/organizations/org_${kind}`);
    expect(organization).toMatchObject({ id: `org_${kind}` });
    for (const name of [`org_${kind}`, kind]) {
      await get("rbac/organizations/:organizationId", `rbac/organizations/${name}`);
    }
  });

  it.each(METHODS)("of somebody who signed in by %s", async (authenticationMethod) => {
    const { code } = await completeSignIn({ userId: "full_alone", authenticationMethod });
    const signedIn = await grant(200, { grant_type: "authorization_code", code });
    await read(
      "GET /user_management/users/:id/sessions",
      "/user_management/users/full_alone/sessions?limit=100",
    );
    const impersonator = { email: "support@example.com" };
    const { sessionToken } = await stytch.authenticate({
      userId: "full_alone",
      authenticationMethod,
      ...(authenticationMethod === "Impersonation" && { impersonator }),
    });
    await call("sessions/authenticate", 200, { session_token: sessionToken });

    expect(signedIn["authentication_method"]).toBe(authenticationMethod);
  });

  it.each(FACTORS.map((factor) => [JSON.stringify(factor), factor] as const))(
    "of somebody with the factor %s",
    async (_title, factor: AuthenticationFactor) => {
      const authenticationFactors = [{ lastAuthenticatedAt: "2026-11-28T00:00:00.123Z", ...factor }];
      const { sessionJwt } = await stytch.authenticate({
        userId: "full_alone",
        authenticationMethod: "Password",
        authenticationFactors,
      });
      const { member_session: session } = await call("sessions/authenticate", 200, {
        session_jwt: sessionJwt,
      });

      expect((session as Body)["authentication_factors"]).toMatchObject([
        { type: factor.type, last_authenticated_at: "2026-11-28T00:00:00Z" },
      ]);
    },
  );

  it("of a user without an organization, and of an impersonated one", async () => {
    const password = { grant_type: "password", email: "in_none@example.com", password: PASSWORD };
    expect(await grant(200, password)).not.toHaveProperty("organization_id");
    const impersonator = { email: "support@example.com" };
    const { code } = await completeSignIn({
      userId: "full_alone",
      authenticationMethod: "Impersonation",
      impersonator,
    });
    expect(await grant(200, { grant_type: "authorization_code", code })).toHaveProperty("impersonator");
    await read(
      "GET /user_management/users/:id/sessions",
      "/user_management/users/full_alone/sessions?limit=100",
    );
    await read(
      "GET /user_management/organization_memberships",
      "/user_management/organization_memberships?user_id=in_none",
    );
  });

  it("of keys and policies", async () => {
    const published = await ask("workos", ["GET /sso/jwks/:clientId", `/sso/jwks/${CLIENT.client_id}`], 200);
    expect(published["keys"]).toHaveLength(1);
    await ask("workos", ["GET /sso/jwks/:clientId", "/sso/jwks/other"], 404);
    const endpoint = "GET /v1/b2b/sessions/jwks/:projectId";
    await ask("stytch", [endpoint, `/v1/b2b/sessions/jwks/${PROJECT.projectId}`], 200);
    await ask("stytch", [endpoint, "/v1/b2b/sessions/jwks/other"], 404);
    await get("rbac/policy", "rbac/policy");
    await get("rbac/organizations/:organizationId", "rbac/organizations/nobody", 404);
  });

  it("that refuses over WorkOS's protocol", async () => {
    const password = { grant_type: "password", email: "full_alone@example.com", password: PASSWORD };
    await grant(400, { ...password, password: "wrong" });
    await grant(400, { grant_type: "magic" });
    await grant(400, { grant_type: "refresh_token", refresh_token: "wrong" });
    await grant(400, { grant_type: SELECTION, organization_id: "x", pending_authentication_token: "wrong" });
    await grant(400, { ...password, client_secret: "wrong" });
    expect(await grant(400, { grant_type: "password" })).toMatchObject({ error: "invalid_request" });
    await grant(401, password, { authorization: `Basic ${btoa("client_orgate:wrong")}` });
    await grant(413, { grant_type: "x".repeat(70_000) });
    const users = "GET /user_management/users/:id";
    await ask("workos", [users, "/user_management/users/full_alone"], 401);
    await read(users, "/user_management/users/nobody", 404);
    await read("GET /organizations/:id", "/organizations/nobody", 404);
    await read(
      "GET /user_management/organization_memberships",
      "/user_management/organization_memberships",
      422,
    );
    const revoke = "POST /user_management/sessions/revoke";
    await ask("workos", [revoke], 422, { body: {}, headers: BEARER });
    await ask("workos", [revoke], 404, { body: { session_id: "session_x" }, headers: BEARER });
    await ask("workos", [AUTHENTICATE], 405);
  });

  it("that refuses over Stytch's protocol", async () => {
    const { sessionToken } = await stytch.authenticate({ userId: "full_alone", authenticationMethod: "SSO" });
    const session = { session_token: sessionToken };
    const check = { organization_id: "org_full", resource_id: "documents", action: "write" };
    await call("sessions/authenticate", 200, { ...session, authorization_check: check });
    await call("sessions/authenticate", 403, { ...session, authorization_check: { ...check, action: "x" } });
    await call("sessions/authenticate", 403, {
      ...session,
      authorization_check: { ...check, organization_id: "org_odd" },
    });
    expect(await call("sessions/authenticate", 400, {})).toMatchObject({
      error_type: "no_session_arguments",
    });
    await call("sessions/authenticate", 400, { session_jwt: "a.b.c" });
    await call("sessions/authenticate", 404, { session_token: "x".repeat(64) });
    await call("sessions/exchange", 404, { ...session, organization_id: "nobody" });
    await call("discovery/intermediate_sessions/exchange", 404, {
      intermediate_session_token: "wrong",
      organization_id: "org_full",
    });
    await call("sessions/authenticate", 413, { session_token: "x".repeat(70_000) });
    await ask("stytch", [STYTCH_AUTHENTICATE], 401, { body: session });
    await ask("stytch", [STYTCH_AUTHENTICATE], 405);
  });

  it("of an authority whose repository is down", async () => {
    const { sessionToken } = await stytch.authenticate({ userId: "full_alone", authenticationMethod: "SSO" });
    down();
    try {
      await grant(503, { grant_type: "password", email: "full_alone@example.com", password: PASSWORD });
      const refused = await call("sessions/authenticate", 503, { session_token: sessionToken });
      expect(refused).toMatchObject({ error_type: "internal_server_error" });
    } finally {
      up();
    }
  });

  async function completeSignIn(
    subject: Parameters<WorkosRouter["completeAuthorization"]>[1],
  ): Promise<{ readonly code: string | null }> {
    const query = new URLSearchParams({
      client_id: CLIENT.client_id,
      redirect_uri: REDIRECT_URI,
      response_type: "code",
      provider: "authkit",
    });
    const { headers } = await servers.workos.send({ path: `/user_management/authorize?${query.toString()}` });
    const asked = new URL(String(headers["location"]), REDIRECT_URI).searchParams.get(
      "authorization_request",
    );
    const { redirectTo } = await workos.completeAuthorization(asked ?? "", subject);
    return { code: new URL(redirectTo).searchParams.get("code") };
  }
});
