import { afterEach, describe, expect, it } from "@jest/globals";
import { WorkOS } from "@workos-inc/node";
import type { Directory } from "../../src/authority/index.ts";
import {
  workosRouter,
  type WorkosRouter,
  type WorkosRouterOptions,
} from "../../src/authority/wire/workos/index.ts";
import { serve } from "../support/servers.ts";
import type { TestServer } from "../support/servers.ts";
import { HOSTS, makeWireWorld, PASSWORD } from "../support/wire-world.ts";
import type { WireWorld } from "../support/wire-world.ts";

const CLIENT_ID = "client_orgate";
const API_KEY = "sk_test_0123456789abcdef";
const COOKIE_PASSWORD = "a cookie password of 32 characters";
const REDIRECT_URI = "https://app.example.com/callback";

const servers: TestServer[] = [];
const worlds: WireWorld[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
  await Promise.all(worlds.splice(0).map((world) => world.authority.close()));
});

interface Setup {
  readonly world: WireWorld;
  readonly router: WorkosRouter;
  readonly server: TestServer;
  readonly workos: WorkOS;
  /** A client that shows no secret. */
  readonly publicClient: WorkOS;
}

async function setUp(
  host = "Express 5",
  options: Partial<WorkosRouterOptions> = {},
  world = makeWireWorld(),
): Promise<Setup> {
  const router = workosRouter(world.authority, {
    clientId: CLIENT_ID,
    apiKey: API_KEY,
    redirectUris: [REDIRECT_URI],
    signOutRedirects: ["https://app.example.com/goodbye", "https://app.example.com/elsewhere"],
    signIn: { path: "/sign-in" },
    ...options,
  });
  const server = await serve(HOSTS[host]?.(router) ?? (() => undefined));
  servers.push(server);
  worlds.push(world);
  const address = { apiHostname: "127.0.0.1", port: server.port, https: false, maxRetries: 0 };
  const workos = new WorkOS(API_KEY, { clientId: CLIENT_ID, ...address });
  return { world, router, server, workos, publicClient: new WorkOS({ clientId: CLIENT_ID, ...address }) };
}

/** What a call was refused with, as the SDK tells of it. */
async function refusal(call: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error("Expected a refusal.");
  return { ...(error as object), name: error.name };
}

async function signInBob({
  workos,
}: Setup): ReturnType<WorkOS["userManagement"]["authenticateWithPassword"]> {
  return workos.userManagement.authenticateWithPassword({
    clientId: CLIENT_ID,
    email: "BOB@example.com",
    password: PASSWORD,
    ipAddress: "203.0.113.7",
    userAgent: "Test/1.0",
  });
}

/** Follows an authorization URL as a browser would, and signs the user in. */
async function authorize({ server, router }: Setup, url: string, userId = "user_bob"): Promise<URL> {
  const { pathname, search } = new URL(url);
  const led = await server.send({ path: pathname + search });
  expect(led.status).toBe(302);
  const signIn = new URL(led.headers.location ?? "", "https://app.example.com");
  expect(signIn.pathname).toBe("/sign-in");
  const token = signIn.searchParams.get("authorization_request") ?? "";
  const answer = await router.completeAuthorization(token, { userId, authenticationMethod: "Password" });
  return new URL(answer.redirectTo);
}

describe.each(Object.keys(HOSTS))("WorkOS's Node SDK against the router on %s", (host) => {
  it("signs in by password, and verifies, refreshes and signs out the sealed session", async () => {
    const setup = await setUp(host);
    const { workos } = setup;
    const signedIn = await workos.userManagement.authenticateWithPassword({
      clientId: CLIENT_ID,
      email: "bob@example.com",
      password: PASSWORD,
      session: { sealSession: true, cookiePassword: COOKIE_PASSWORD },
    });
    const session = workos.userManagement.loadSealedSession({
      sessionData: signedIn.sealedSession ?? "",
      cookiePassword: COOKIE_PASSWORD,
    });
    const authenticated = await session.authenticate();
    expect(authenticated).toMatchObject({
      authenticated: true,
      organizationId: "org_acme",
      role: "editor",
      roles: ["editor"],
      permissions: ["documents:read", "documents:write"],
      user: { id: "user_bob", email: "bob@example.com", emailVerified: false },
      authenticationMethod: "Password",
    });
    const refreshed = await session.refresh();
    expect(refreshed).toMatchObject({ authenticated: true, organizationId: "org_acme" });
    const logout = new URL(await session.getLogoutUrl({ returnTo: "https://app.example.com/elsewhere" }));
    const left = await setup.server.send({ path: logout.pathname + logout.search });
    expect([left.status, left.headers.location]).toEqual([302, "https://app.example.com/elsewhere"]);
    expect(await session.refresh()).toMatchObject({ authenticated: false, reason: "invalid_grant" });
  });
});

describe("the password grant", () => {
  it("rejects wrong passwords and unknown addresses in the same way", async () => {
    const { workos } = await setUp();
    const attempts = ["bob@example.com", "nobody@example.com"].map((email) =>
      refusal(
        workos.userManagement.authenticateWithPassword({ clientId: CLIENT_ID, email, password: "wrong" }),
      ),
    );
    const [known, unknown] = await Promise.all(attempts);
    expect(known).toMatchObject({ status: 400, rawData: { code: "invalid_credentials" } });
    expect(unknown).toMatchObject({ rawData: known?.["rawData"] });
  });

  it("signs in a user without organizations, and the token has no organization", async () => {
    const { workos } = await setUp();
    const result = await workos.userManagement.authenticateWithPassword({
      clientId: CLIENT_ID,
      email: "nora@example.com",
      password: PASSWORD,
    });
    expect(result.organizationId).toBeUndefined();
    expect(claimsOf(result.accessToken)).not.toHaveProperty("org_id");
    expect(claimsOf(result.accessToken)).not.toHaveProperty("permissions");
  });

  it("does not exist when the directory has no passwords", async () => {
    const world = makeWireWorld({}, { verifyPassword: undefined } as never);
    const { workos } = await setUp("Express 5", {}, world);
    const call = workos.userManagement.authenticateWithPassword({
      clientId: CLIENT_ID,
      email: "bob@example.com",
      password: PASSWORD,
    });
    expect(await refusal(call)).toMatchObject({ status: 400, error: "unsupported_grant_type" });
  });
});

describe("the access token", () => {
  it("is WorkOS's, signed by RS256, and the authority's own middleware accepts it too", async () => {
    const setup = await setUp();
    const { accessToken } = await signInBob(setup);
    expect(headerOf(accessToken)).toMatchObject({ alg: "RS256", typ: "JWT" });
    const claims = claimsOf(accessToken);
    expect(claims).toMatchObject({
      iss: "https://app.example.com",
      sub: "user_bob",
      org_id: "org_acme",
      role: "editor",
      roles: ["editor"],
      permissions: ["documents:read", "documents:write"],
      client_id: CLIENT_ID,
    });
    for (const claim of ["sid", "jti"]) expect(typeof claims[claim]).toBe("string");
    for (const claim of ["iat", "exp", "auth_time"]) expect(typeof claims[claim]).toBe("number");
    expect(claims).not.toHaveProperty("aud");
    const native = await setup.world.authority.authenticateJwt({ sessionJwt: accessToken });
    expect(native.memberSession).toMatchObject({ id: claims["sid"], organizationId: "org_acme" });
  });

  it("is verified by a key that is made beside the authority's own key and rotated with it", async () => {
    const setup = await setUp("Express 5", {}, makeWireWorld({ keys: undefined }));
    const { authority } = setup.world;
    const { accessToken, refreshToken } = await signInBob(setup);
    expect((await authority.jwks()).keys.map(({ alg }) => alg)).toEqual(["ES256", "RS256"]);
    await authority.authenticateJwt({ sessionJwt: accessToken });
    await authority.rotateKeys();
    const after = await setup.workos.userManagement.authenticateWithRefreshToken({
      clientId: CLIENT_ID,
      refreshToken,
    });
    expect(headerOf(after.accessToken)["kid"]).not.toBe(headerOf(accessToken)["kid"]);
    await authority.authenticateJwt({ sessionJwt: after.accessToken });
    await authority.authenticateJwt({ sessionJwt: accessToken });
    const published = await setup.server.send({ path: `/sso/jwks/${CLIENT_ID}` });
    const { keys } = JSON.parse(published.body) as { keys: Record<string, unknown>[] };
    expect(keys.map(({ alg, kty, use }) => [alg, kty, use])).toEqual([
      ["RS256", "RSA", "sig"],
      ["RS256", "RSA", "sig"],
    ]);
    expect(keys.flatMap((key) => Object.keys(key))).not.toContain("d");
    expect(published.headers["cache-control"]).toBe("public, max-age=60");
  });

  it("has the configured issuer, the impersonator, and no permissions when they are switched off", async () => {
    const issuer = `https://api.workos.com/user_management/${CLIENT_ID}`;
    const setup = await setUp("Express 5", { issuer, permissions: false });
    const { code } = await codeFor(setup, {
      userId: "user_bob",
      impersonator: { email: "help@example.com", reason: "ticket 7" },
    });
    const result = await setup.workos.userManagement.authenticateWithCode({ clientId: CLIENT_ID, code });
    expect(claimsOf(result.accessToken)).toMatchObject({ iss: issuer, act: { sub: "help@example.com" } });
    expect(claimsOf(result.accessToken)).not.toHaveProperty("permissions");
    expect(result.impersonator).toEqual({ email: "help@example.com", reason: "ticket 7" });
  });
});

async function codeFor(
  setup: Setup,
  subject: { userId: string; impersonator?: { email: string; reason: string } },
): Promise<{ code: string }> {
  const url = setup.workos.userManagement.getAuthorizationUrl({
    provider: "authkit",
    clientId: CLIENT_ID,
    redirectUri: REDIRECT_URI,
  });
  const { pathname, search } = new URL(url);
  const led = await setup.server.send({ path: pathname + search });
  const token = new URL(led.headers.location ?? "", "https://x.example").searchParams.get(
    "authorization_request",
  );
  const answer = await setup.router.completeAuthorization(token ?? "", {
    authenticationMethod: "Password",
    ...subject,
  });
  return { code: new URL(answer.redirectTo).searchParams.get("code") ?? "" };
}

describe("organization selection by the WorkOS router", () => {
  async function beginAda({ workos }: Setup): Promise<Record<string, unknown>> {
    return refusal(
      workos.userManagement.authenticateWithPassword({
        clientId: CLIENT_ID,
        email: "ada@example.com",
        password: PASSWORD,
      }),
    );
  }

  it("is requested with the organizations and the user, and completed once", async () => {
    const setup = await setUp();
    const refused = await beginAda(setup);
    expect(refused).toMatchObject({
      name: "AuthenticationException",
      status: 403,
      code: "organization_selection_required",
      rawData: {
        organizations: [
          { id: "org_acme", name: "Acme" },
          { id: "org_globex", name: "Globex" },
        ],
        user: { id: "user_ada", email: "ada@example.com", email_verified: true },
      },
    });
    const selection = {
      clientId: CLIENT_ID,
      pendingAuthenticationToken: String(refused["pendingAuthenticationToken"]),
    };
    const { userManagement } = setup.workos;
    const choose = (organizationId: string): Promise<{ organizationId?: string }> =>
      userManagement.authenticateWithOrganizationSelection({ ...selection, organizationId });
    expect(await refusal(choose("org_closed"))).toMatchObject({
      status: 400,
      error: "organization_membership_not_found",
    });
    expect(await choose("org_globex")).toMatchObject({
      organizationId: "org_globex",
      user: { id: "user_ada", firstName: "Ada", lastName: null, metadata: { timezone: "Europe/London" } },
    });
    expect(await refusal(choose("org_globex"))).toMatchObject({
      rawData: { code: "invalid_pending_authentication_token" },
    });
  });

  it("survives trouble of the store, which is not a rejection", async () => {
    const setup = await setUp();
    const refused = await beginAda(setup);
    const choose = (): Promise<unknown> =>
      setup.workos.userManagement.authenticateWithOrganizationSelection({
        clientId: CLIENT_ID,
        pendingAuthenticationToken: String(refused["pendingAuthenticationToken"]),
        organizationId: "org_acme",
      });
    setup.world.takeDown();
    expect(await refusal(choose())).toMatchObject({ status: 503 });
    setup.world.bringBack();
    expect(await choose()).toMatchObject({ organizationId: "org_acme" });
  });
});

describe("the refresh grant", () => {
  it("switches to another organization of the user, and rejects other organizations", async () => {
    const setup = await setUp();
    const { code } = await codeFor(setup, { userId: "user_ada" });
    const begun = await refusal(
      setup.workos.userManagement.authenticateWithCode({ clientId: CLIENT_ID, code }),
    );
    const first = await setup.workos.userManagement.authenticateWithOrganizationSelection({
      clientId: CLIENT_ID,
      pendingAuthenticationToken: String(begun["pendingAuthenticationToken"]),
      organizationId: "org_acme",
    });
    const refresh = (
      refreshToken: string,
      organizationId: string,
    ): Promise<{ accessToken: string; refreshToken: string }> =>
      setup.workos.userManagement.authenticateWithRefreshToken({
        clientId: CLIENT_ID,
        refreshToken,
        organizationId,
      });
    expect(await refusal(refresh(first.refreshToken, "org_closed"))).toMatchObject({
      error: "organization_membership_not_found",
    });
    const switched = await refresh(first.refreshToken, "org_globex");
    expect(claimsOf(switched.accessToken)).toMatchObject({
      org_id: "org_globex",
      role: "viewer",
      permissions: ["documents:read"],
      sid: claimsOf(first.accessToken)["sid"],
    });
  });

  it("ends the session of a member who has left, though the SDK names the organization", async () => {
    const setup = await setUp();
    const { refreshToken } = await signInBob(setup);
    setup.world.directory.removeMembership("user_bob", "org_acme");
    const refresh = (): Promise<unknown> =>
      setup.workos.userManagement.authenticateWithRefreshToken({
        clientId: CLIENT_ID,
        refreshToken,
        organizationId: "org_acme",
      });
    expect(await refusal(refresh())).toMatchObject({ status: 400, error: "invalid_grant" });
    expect(await setup.world.authority.listSessions({ userId: "user_bob" })).toEqual([]);
  });

  it("gives the same pair to a client that lost the answer, and ends the session when an old token comes too late", async () => {
    const setup = await setUp();
    const { refreshToken } = await signInBob(setup);
    const refresh = (token: string): Promise<{ refreshToken: string }> =>
      setup.workos.userManagement.authenticateWithRefreshToken({ clientId: CLIENT_ID, refreshToken: token });
    const [one, other] = await Promise.all([refresh(refreshToken), refresh(refreshToken)]);
    expect(one.refreshToken).toBe(other.refreshToken);
    await refresh(one.refreshToken);
    setup.world.ahead.seconds = 60;
    expect(await refusal(refresh(refreshToken))).toMatchObject({
      error: "invalid_grant",
      errorDescription: "Refresh token already exchanged.",
    });
    expect(setup.world.events).toContainEqual(expect.objectContaining({ type: "reuse_detected" }));
  });

  it("accepts the authority's own refresh tokens only from a client with its secret", async () => {
    const { world, workos, publicClient } = await setUp();
    const { refreshToken } = await world.authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "SSO",
    });
    const options = { clientId: CLIENT_ID, refreshToken };
    expect(await refusal(publicClient.userManagement.authenticateWithRefreshToken(options))).toMatchObject({
      error: "invalid_grant",
    });
    expect(await workos.userManagement.authenticateWithRefreshToken(options)).toMatchObject({
      authenticationMethod: "SSO",
    });
  });
});

describe("the authorization code grant", () => {
  it("uses the application's sign-in, by PKCE without a secret", async () => {
    const setup = await setUp();
    const { url, state, codeVerifier } = await setup.publicClient.userManagement.getAuthorizationUrlWithPKCE({
      provider: "authkit",
      clientId: CLIENT_ID,
      redirectUri: REDIRECT_URI,
      loginHint: "bob@example.com",
    });
    const back = await authorize(setup, url);
    expect(back.origin + back.pathname).toBe(REDIRECT_URI);
    expect(back.searchParams.get("state")).toBe(state);
    const result = await setup.publicClient.userManagement.authenticateWithCodeAndVerifier({
      code: back.searchParams.get("code") ?? "",
      codeVerifier,
    });
    expect(result).toMatchObject({ user: { id: "user_bob" }, organizationId: "org_acme" });
    const refreshed = await setup.publicClient.userManagement.authenticateWithRefreshToken({
      clientId: CLIENT_ID,
      refreshToken: result.refreshToken,
    });
    expect(refreshed.organizationId).toBe("org_acme");
  });

  it("signs in to the requested organization", async () => {
    const setup = await setUp();
    const url = setup.workos.userManagement.getAuthorizationUrl({
      organizationId: "org_globex",
      clientId: CLIENT_ID,
      redirectUri: REDIRECT_URI,
    });
    const back = await authorize(setup, url, "user_ada");
    const code = back.searchParams.get("code") ?? "";
    const result = await setup.workos.userManagement.authenticateWithCode({ clientId: CLIENT_ID, code });
    expect(result.organizationId).toBe("org_globex");
  });

  it("passes the request to the application, and its refusal back", async () => {
    const setup = await setUp();
    const url = setup.workos.userManagement.getAuthorizationUrl({
      provider: "authkit",
      clientId: CLIENT_ID,
      redirectUri: REDIRECT_URI,
      state: "s t&te",
      loginHint: "bob@example.com",
      screenHint: "sign-up",
      maxAge: 60,
    });
    const { pathname, search } = new URL(url);
    const led = await setup.server.send({ path: pathname + search });
    expect(led.headers["cache-control"]).toBe("no-store");
    const token =
      new URL(led.headers.location ?? "", REDIRECT_URI).searchParams.get("authorization_request") ?? "";
    expect(await setup.router.readAuthorization(token)).toEqual({
      token,
      clientId: CLIENT_ID,
      redirectUri: REDIRECT_URI,
      provider: "authkit",
      loginHint: "bob@example.com",
      screenHint: "sign-up",
      maxAge: 60,
    });
    const { redirectTo } = await setup.router.refuseAuthorization(token, { errorDescription: "no thanks" });
    expect(Object.fromEntries(new URL(redirectTo).searchParams)).toEqual({
      error: "access_denied",
      error_description: "no thanks",
      state: "s t&te",
    });
  });

  it("can be answered by the application's own handler", async () => {
    const { workos, server } = await setUp("Express 4", {
      signIn: (authorization, _request, response) => {
        response.end(`Sign in to ${authorization.clientId} as ${authorization.loginHint ?? "?"}`);
      },
    });
    const url = workos.userManagement.getAuthorizationUrl({
      provider: "authkit",
      clientId: CLIENT_ID,
      redirectUri: REDIRECT_URI,
      loginHint: "bob@example.com",
    });
    const { pathname, search } = new URL(url);
    const answer = await server.send({ path: pathname + search });
    expect([answer.status, answer.body]).toEqual([200, `Sign in to ${CLIENT_ID} as bob@example.com`]);
  });

  it("restores the code when the directory was in trouble", async () => {
    const trouble = { isThere: true };
    const memberships: Directory["memberships"] = async (userId) => {
      if (trouble.isThere) throw new Error("the database is down");
      return world.directory.memberships(userId);
    };
    const world = makeWireWorld({}, { memberships });
    const setup = await setUp("Express 5", {}, world);
    const { code } = await codeFor(setup, { userId: "user_bob" });
    const exchange = (): Promise<unknown> =>
      setup.workos.userManagement.authenticateWithCode({ clientId: CLIENT_ID, code });
    expect(await refusal(exchange())).toMatchObject({ status: 503 });
    trouble.isThere = false;
    expect(await exchange()).toMatchObject({ organizationId: "org_acme" });
    expect(await refusal(exchange())).toMatchObject({ error: "invalid_grant" });
  });
});

describe("sessions and memberships", () => {
  it("lists, pages and revokes the sessions of a user", async () => {
    const setup = await setUp();
    const { userManagement } = setup.workos;
    const signedIn = await signInBob(setup);
    await signInBob(setup);
    await signInBob(setup);
    const all = await userManagement.listSessions("user_bob");
    expect(all.data).toHaveLength(3);
    expect(all.data[0]).toMatchObject({
      object: "session",
      userId: "user_bob",
      organizationId: "org_acme",
      authMethod: "password",
      status: "active",
      ipAddress: "203.0.113.7",
      userAgent: "Test/1.0",
      endedAt: null,
    });
    const first = await userManagement.listSessions("user_bob", { limit: 2 });
    expect(first.listMetadata.before).toBeNull();
    const after = String(first.listMetadata.after);
    const second = await userManagement.listSessions("user_bob", { limit: 2, after });
    expect([...first.data, ...second.data]).toEqual(all.data);
    expect(second.listMetadata.after).toBeNull();
    const back = await userManagement.listSessions("user_bob", {
      before: String(second.listMetadata.before),
    });
    expect(back.data).toEqual(first.data);
    const oldest = await userManagement.listSessions("user_bob", { order: "asc" });
    expect(oldest.data).toEqual(all.data.toReversed());
    const sessionId = String(claimsOf(signedIn.accessToken)["sid"]);
    await userManagement.revokeSession({ sessionId });
    expect((await userManagement.listSessions("user_bob")).data.map(({ id }) => id)).not.toContain(sessionId);
    const refresh = userManagement.authenticateWithRefreshToken({
      clientId: CLIENT_ID,
      refreshToken: signedIn.refreshToken,
    });
    expect(await refusal(refresh)).toMatchObject({
      error: "invalid_grant",
      errorDescription: "Session has already ended.",
    });
    expect(await refusal(userManagement.listSessions("user_nobody"))).toMatchObject({ status: 404 });
  });

  it("lists the memberships of a user", async () => {
    const { workos } = await setUp();
    const list = (statuses?: ("active" | "pending")[]): Promise<{ data: unknown[] }> =>
      workos.userManagement.listOrganizationMemberships({
        userId: "user_ada",
        ...(statuses !== undefined && { statuses }),
      });
    expect((await list(["active"])).data).toEqual([
      expect.objectContaining({
        id: "user_ada:org_acme",
        organizationId: "org_acme",
        organizationName: "Acme",
        status: "active",
        role: { slug: "admin" },
        roles: [{ slug: "admin" }, { slug: "viewer" }],
      }),
      expect.objectContaining({ organizationId: "org_globex" }),
    ]);
    expect((await list()).data).toHaveLength(2);
    expect((await list(["pending"])).data).toEqual([]);
  });

  it("returns the current user and organization", async () => {
    const { workos } = await setUp();
    expect(await workos.userManagement.getUser("user_ada")).toMatchObject({
      object: "user",
      id: "user_ada",
      email: "ada@example.com",
      firstName: "Ada",
      metadata: { timezone: "Europe/London" },
    });
    expect(await workos.organizations.getOrganization("org_acme")).toMatchObject({
      object: "organization",
      id: "org_acme",
      name: "Acme",
      externalId: "ext-acme",
      domains: [],
      metadata: {},
    });
    const gone = [
      workos.userManagement.getUser("user_nobody"),
      workos.userManagement.getUser("__proto__"),
      workos.organizations.getOrganization("org_nowhere"),
      workos.organizations.getOrganization("__proto__"),
    ];
    const refusals = await Promise.all(gone.map((call) => refusal(call)));
    expect(refusals.map(({ status, code }) => [status, code])).toEqual(
      gone.map(() => [404, "entity_not_found"]),
    );
  });

  it.each(["", "Bearer sk_test_0123456789abcdeX"])(
    "leaves other organization pages to the application: %p",
    async (authorization) => {
      const world = makeWireWorld();
      worlds.push(world);
      const router = workosRouter(world.authority, { clientId: CLIENT_ID, apiKey: API_KEY });
      const server = await serve((request, response) =>
        router(request, response, () => response.end("the application's")),
      );
      servers.push(server);
      const answer = await server.send({ path: "/organizations/org_acme", headers: { authorization } });
      expect([answer.status, answer.body]).toEqual([200, "the application's"]);
    },
  );

  it("requires the API key", async () => {
    const { server } = await setUp();
    const address = { apiHostname: "127.0.0.1", port: server.port, https: false, maxRetries: 0 };
    const impostor = new WorkOS("sk_test_0123456789abcdeX", { clientId: CLIENT_ID, ...address });
    const calls = [
      impostor.userManagement.getUser("user_bob"),
      impostor.userManagement.listSessions("user_bob"),
      impostor.userManagement.listOrganizationMemberships({ userId: "user_bob" }),
      impostor.userManagement.revokeSession({ sessionId: "session_x" }),
    ];
    const refusals = await Promise.all(calls.map((call) => refusal(call)));
    expect(refusals.map(({ status }) => status)).toEqual([401, 401, 401, 401]);
  });
});

function headerOf(token: string): Record<string, unknown> {
  return decode(token.split(".")[0]);
}

function claimsOf(token: string): Record<string, unknown> {
  return decode(token.split(".")[1]);
}

function decode(part = ""): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, "base64url").toString()) as Record<string, unknown>;
}
