import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import stytch from "stytch";
import { stytchRouter, type StytchRouter } from "../../src/authority/wire/stytch/index.ts";
import { isOrgateError } from "../../src/errors.ts";
import type { OrganizationSelectionRequiredError } from "../../src/errors.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import type { StytchPolicyDocument } from "../../src/policy/policy-forms.ts";
import { serve } from "../support/servers.ts";
import type { TestServer } from "../support/servers.ts";
import { HOSTS, makeWireWorld, WIRE_POLICY } from "../support/wire-world.ts";
import type { WireWorld } from "../support/wire-world.ts";

const PROJECT_ID = "project-test-00000000-0000-4000-8000-000000000000";
const SECRET = "secret-test-0123456789abcdef";

type Client = InstanceType<typeof stytch.B2BClient>;

interface Setup {
  readonly world: WireWorld;
  readonly router: StytchRouter;
  readonly server: TestServer;
  readonly client: Client;
  /** Paths that were asked for, without the keys. */
  readonly asked: string[];
}

const setups: Setup[] = [];

beforeEach(() => {
  // The SDK warns of every server that is not Stytch's own.
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(async () => {
  jest.restoreAllMocks();
  for (const { server, world } of setups.splice(0)) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await server.close();
    // oxlint-disable-next-line no-await-in-loop
    await world.authority.close();
  }
});

async function setUp(host = "Express 5", world = makeWireWorld()): Promise<Setup> {
  const router = stytchRouter(world.authority, { projectId: PROJECT_ID, secret: SECRET });
  const asked: string[] = [];
  const server = await serve((request, response) => {
    if (!request.url?.includes("/jwks/")) asked.push(`${request.method} ${request.url}`);
    HOSTS[host]?.(router)(request, response);
  });
  const client = connectTo(server);
  const setup = { world, router, server, client, asked };
  setups.push(setup);
  return setup;
}

function connectTo(server: TestServer, secret = SECRET): Client {
  return new stytch.B2BClient({ project_id: PROJECT_ID, secret, env: `http://127.0.0.1:${server.port}` });
}

const signInBob = ({ router }: Setup): ReturnType<StytchRouter["authenticate"]> =>
  router.authenticate({
    userId: "user_bob",
    authenticationMethod: "password",
    ipAddress: "203.0.113.7",
    userAgent: "Test/1.0",
  });

/** Begins discovery for Ada, who must choose. */
async function beginAda({ router }: Setup): Promise<string> {
  const error: unknown = await router
    .authenticate({ userId: "user_ada", authenticationMethod: "magic_link", customClaims: { plan: "pro" } })
    .catch((thrown: unknown) => thrown);
  if (!isOrgateError(error) || error.code !== "organization_selection_required") throw error;
  return (error as OrganizationSelectionRequiredError).pendingAuthenticationToken;
}

async function refusal(call: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (typeof error !== "object" || error === null) throw new Error("Expected a refusal.");
  return { ...error };
}

function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

describe.each(Object.keys(HOSTS))("Stytch's Node SDK against the router on %s", (host) => {
  it("authenticates a session by token and by JWT, locally and remotely", async () => {
    const setup = await setUp(host);
    const { client, asked } = setup;
    const { sessionToken, sessionJwt } = await signInBob(setup);
    const byToken = await client.sessions.authenticate({ session_token: sessionToken });
    expect(byToken).toMatchObject({
      status_code: 200,
      session_token: sessionToken,
      member_session: {
        member_id: "member_bob",
        organization_id: "org_acme",
        organization_slug: "acme",
        roles: ["editor"],
        custom_claims: null,
        authentication_factors: [{ type: "password", delivery_method: "knowledge" }],
      },
    });
    const local = await client.sessions.authenticateJwt({ session_jwt: sessionJwt });
    const { member_session: session } = byToken;
    expect(local.member_session).toEqual({
      ...session,
      custom_claims: {},
      expires_at: expect.stringContaining(session.expires_at.slice(0, 19)),
      last_accessed_at: expect.any(String),
    });
    expect(asked).toEqual(["POST /v1/b2b/sessions/authenticate"]);
    const remote = await client.sessions.authenticateJwt({
      session_jwt: sessionJwt,
      max_token_age_seconds: 0,
    });
    expect(remote.session_jwt).not.toBe(sessionJwt);
    expect(asked).toHaveLength(2);
  });
});

describe("the session JWT", () => {
  it("has Stytch's form, with custom claims at the top level that override nothing", async () => {
    const { router, client } = await setUp();
    const own = { roles: ["owner"], organization_id: "org_evil", plan: "pro" };
    const stolen = { sub: "evil", iss: "evil", "https://stytch.com/session": {}, "https://stytch.com/x": 1 };
    const { sessionJwt, sessionToken, memberSession } = await router.authenticate({
      userId: "user_bob",
      authenticationMethod: "password",
      customClaims: { ...own, ...stolen },
    });
    const claims = claimsOf(sessionJwt);
    expect(claims).not.toHaveProperty(["https://stytch.com/x"]);
    const remote = await client.sessions.authenticate({ session_token: sessionToken });
    expect(remote.member_session.custom_claims).toEqual(own);
    expect(claims).toMatchObject({
      iss: `stytch.com/${PROJECT_ID}`,
      aud: [PROJECT_ID],
      sub: "member_bob",
      roles: ["owner"],
      organization_id: "org_evil",
      plan: "pro",
      "https://stytch.com/session": { id: memberSession.id, roles: ["editor"] },
      "https://stytch.com/organization": { organization_id: "org_acme", slug: "acme" },
    });
    expect(claims["nbf"]).toBe(claims["iat"]);
    expect(Number(claims["exp"]) - Number(claims["iat"])).toBe(300);
    const { member_session: session } = await client.sessions.authenticateJwt({ session_jwt: sessionJwt });
    expect(session).toMatchObject({
      member_id: "member_bob",
      organization_id: "org_acme",
      roles: ["editor"],
      custom_claims: own,
    });
  });

  it("can be verified by the published keys, which need no credentials", async () => {
    const { client, server } = await setUp("Express 5", makeWireWorld({ keys: undefined }));
    const { keys } = await client.sessions.getJWKS({ project_id: PROJECT_ID });
    expect(keys).toEqual([
      expect.objectContaining({ kty: "RSA", alg: "RS256", use: "sig", key_ops: ["verify"] }),
    ]);
    const open = await server.send({ path: `/v1/b2b/sessions/jwks/${PROJECT_ID}` });
    expect(open.status).toBe(200);
    expect((await server.send({ path: "/v1/b2b/sessions/jwks/project-other" })).status).toBe(404);
  });

  it("can be renewed after it expires while the session lives, like a native token of the authority", async () => {
    const setup = await setUp();
    const { sessionJwt } = await signInBob(setup);
    const native = await setup.world.authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "Password",
    });
    setup.world.ahead.seconds = 301;
    for (const session_jwt of [sessionJwt, native.accessToken]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const renewed = await setup.client.sessions.authenticate({ session_jwt });
      expect(claimsOf(renewed.session_jwt)).toMatchObject({ sub: "member_bob" });
    }
  });

  it("can be renewed only within expiredTokenRenewal", async () => {
    const setup = await setUp("Express 5", makeWireWorld({ expiredTokenRenewal: 60 }));
    const { sessionJwt } = await signInBob(setup);
    setup.world.ahead.seconds = 361;
    expect(await refusal(setup.client.sessions.authenticate({ session_jwt: sessionJwt }))).toMatchObject({
      status_code: 404,
      error_type: "session_not_found",
    });
  });
});

describe("sessions.authenticate", () => {
  it("answers with the full member and organization, with every field", async () => {
    const setup = await setUp();
    const token = await beginAda(setup);
    const { member, organization } = await setup.client.discovery.intermediateSessions.exchange({
      intermediate_session_token: token,
      organization_id: "org_acme",
    });
    expect(member).toEqual({
      organization_id: "org_acme",
      member_id: "user_ada:org_acme",
      email_address: "ada@example.com",
      status: "active",
      name: "Ada Lovelace",
      sso_registrations: [{ connection_id: "c1", external_id: "e1", registration_id: "r1" }],
      is_breakglass: false,
      member_password_id: "",
      oauth_registrations: [],
      email_address_verified: true,
      mfa_phone_number_verified: false,
      is_admin: false,
      totp_registration_id: "",
      retired_email_addresses: [],
      is_locked: false,
      mfa_enrolled: false,
      mfa_phone_number: "",
      default_mfa_method: "",
      roles: ["admin", "viewer"].map((role_id) => ({
        role_id,
        sources: [{ type: "direct_assignment", details: {} }],
      })),
      trusted_metadata: { staffNumber: 1 },
      untrusted_metadata: {},
      created_at: null,
      updated_at: null,
      scim_registration: null,
      external_id: null,
      lock_created_at: null,
      lock_expires_at: null,
    });
    expect(organization).toMatchObject({
      organization_id: "org_acme",
      organization_name: "Acme",
      organization_slug: "acme",
      organization_external_id: "ext-acme",
      mfa_policy: "OPTIONAL",
      auth_methods: "ALL_ALLOWED",
      custom_roles: [],
    });
    expect(Object.keys(organization)).toHaveLength(30);
  });

  it("extends the session only when asked to", async () => {
    const setup = await setUp("Express 5", makeWireWorld({ sessionLifetime: 3600 }));
    const { sessionToken, memberSession } = await signInBob(setup);
    const authenticate = async (minutes?: number): Promise<string> => {
      const { member_session: session } = await setup.client.sessions.authenticate({
        session_token: sessionToken,
        ...(minutes !== undefined && { session_duration_minutes: minutes }),
      });
      return session.expires_at;
    };
    const before = memberSession.expiresAt?.replace(".000Z", "Z");
    expect(await authenticate()).toBe(before);
    expect(await authenticate(5)).toBe(before);
    const extended = await authenticate(527_040);
    expect(Date.parse(extended) - Date.now()).toBeGreaterThan(365 * 86_400_000);
  });

  it("sets, keeps and deletes custom claims, and ignores reserved ones", async () => {
    const setup = await setUp();
    const { sessionToken } = await signInBob(setup);
    const change = async (claims?: Record<string, unknown>): Promise<unknown> => {
      const { member_session: session, session_jwt: jwt } = await setup.client.sessions.authenticate({
        session_token: sessionToken,
        ...(claims !== undefined && { session_custom_claims: claims }),
      });
      const { member_session: local } = await setup.client.sessions.authenticateJwt({ session_jwt: jwt });
      expect(local.custom_claims).toEqual(session.custom_claims ?? {});
      return session.custom_claims;
    };
    expect(await change({ a: 1, b: { c: [2] }, sub: "evil", exp: 1 })).toEqual({ a: 1, b: { c: [2] } });
    expect(await change()).toEqual({ a: 1, b: { c: [2] } });
    expect(await change({ a: null, d: "x" })).toEqual({ b: { c: [2] }, d: "x" });
    expect(await change({ b: null, d: null })).toBeNull();
  });

  it("answers an authorization check with every granting role, by resource_id and by resource", async () => {
    const setup = await setUp();
    const token = await beginAda(setup);
    const { session_token: sessionToken } = await setup.client.discovery.intermediateSessions.exchange({
      intermediate_session_token: token,
      organization_id: "org_acme",
    });
    const authenticate = (check: Record<string, string>): Promise<{ verdict?: unknown }> =>
      setup.client.sessions.authenticate({
        session_token: sessionToken,
        authorization_check: { organization_id: "org_acme", action: "read", ...check } as never,
      });
    const verdict = { authorized: true, granting_roles: ["admin", "viewer"] };
    expect((await authenticate({ resource_id: "documents" })).verdict).toEqual(verdict);
    expect((await authenticate({ resource: "documents" })).verdict).toEqual(verdict);
    expect(
      await refusal(authenticate({ resource_id: "documents", organization_id: "org_globex" })),
    ).toMatchObject({
      status_code: 403,
      error_type: "session_authorization_tenancy_error",
    });
    expect(await refusal(authenticate({ resource_id: "nothing" }))).toMatchObject({
      status_code: 403,
      error_type: "session_authorization_error",
      error_url: "https://stytch.com/docs/api/errors/403#session_authorization_error",
      request_id: expect.stringMatching(/^request-id-test-[\da-f-]{36}$/),
    });
  });

  it("lets the SDK check permissions locally, by the policy in Stytch's form", async () => {
    const setup = await setUp();
    const { sessionJwt } = await signInBob(setup);
    const check = (resource: string, action: string): Promise<unknown> =>
      setup.client.sessions.authenticateJwtLocal({
        session_jwt: sessionJwt,
        authorization_check: { organization_id: "org_acme", resource_id: resource, action },
      });
    expect(await check("documents", "write")).toMatchObject({ member_id: "member_bob" });
    expect(await refusal(check("billing", "manage"))).toMatchObject({ code: "invalid_permissions" });
    expect(setup.asked).toEqual(["GET /v1/b2b/rbac/policy", "GET /v1/b2b/rbac/organizations/org_acme"]);
    const { policy } = await setup.client.rbac.policy();
    const again = definePolicy(policy as unknown as StytchPolicyDocument);
    for (const [resource, action] of [
      ["documents", "read"],
      ["documents", "x"],
      ["billing", "manage"],
    ] as const) {
      expect([...again.grantingRoles(resource, action)]).toEqual([
        ...WIRE_POLICY.grantingRoles(resource, action),
      ]);
    }
    const { organizations } = setup.client.rbac;
    expect(await refusal(organizations.getOrgPolicy({ organization_id: "org_none" }))).toMatchObject({
      status_code: 404,
    });
  });
});

describe("sessions.exchange and discovery", () => {
  it("lists the organizations of an intermediate session, without using it up, and of a session", async () => {
    const setup = await setUp();
    const token = await beginAda(setup);
    const { discovery } = setup.client;
    const listed = await discovery.organizations.list({ intermediate_session_token: token });
    expect(listed.email_address).toBe("ada@example.com");
    expect(
      listed.discovered_organizations.map((one) => [
        one.organization?.organization_id,
        one.membership?.type,
        one.membership?.member?.member_id,
        one.member_authenticated,
      ]),
    ).toEqual([
      ["org_acme", "active_member", "user_ada:org_acme", true],
      ["org_globex", "active_member", "user_ada:org_globex", true],
    ]);
    const exchanged = await discovery.intermediateSessions.exchange({
      intermediate_session_token: token,
      organization_id: "globex",
      session_duration_minutes: 30,
      session_custom_claims: { team: "blue" },
    });
    expect(exchanged).toMatchObject({
      member_id: "user_ada:org_globex",
      member_authenticated: true,
      intermediate_session_token: "",
      member_session: { organization_id: "org_globex", custom_claims: { plan: "pro", team: "blue" } },
    });
    const expiresAt = Date.parse(exchanged.member_session?.expires_at ?? "");
    expect(Math.round((expiresAt - Date.now()) / 60_000)).toBe(30);
    const again = await discovery.organizations.list({ session_jwt: exchanged.session_jwt });
    expect(again.discovered_organizations).toHaveLength(2);
    expect(
      await refusal(
        discovery.intermediateSessions.exchange({
          intermediate_session_token: token,
          organization_id: "org_globex",
        }),
      ),
    ).toMatchObject({ status_code: 404, error_type: "intermediate_session_not_found" });
  });

  it("starts sessions of sixty minutes", async () => {
    const setup = await setUp();
    const { member_session: session } = await setup.client.discovery.intermediateSessions.exchange({
      intermediate_session_token: await beginAda(setup),
      organization_id: "ext-acme",
    });
    expect(session?.organization_id).toBe("org_acme");
    expect(Math.round((Date.parse(session?.expires_at ?? "") - Date.now()) / 60_000)).toBe(60);
  });

  it.each(["org_globex", "globex"])("switches to %s, and ends the previous session", async (name) => {
    const setup = await setUp();
    const first = await setup.client.discovery.intermediateSessions.exchange({
      intermediate_session_token: await beginAda(setup),
      organization_id: "org_acme",
    });
    const switched = await setup.client.sessions.exchange({
      organization_id: name,
      session_token: first.session_token,
    });
    expect(switched).toMatchObject({
      member_id: "user_ada:org_globex",
      member_authenticated: true,
      member: { roles: [{ role_id: "viewer" }] },
      organization: { organization_slug: "globex" },
      member_session: { expires_at: first.member_session?.expires_at },
    });
    const old = setup.client.sessions.authenticate({ session_jwt: first.session_jwt });
    expect(await refusal(old)).toMatchObject({ error_type: "session_not_found" });
  });

  it.each(["org_closed", "closed", "org_none", "__proto__"])(
    "says that %s does not exist, and uses nothing up",
    async (name) => {
      const setup = await setUp();
      const token = await beginAda(setup);
      const exchange = (organization: string): Promise<{ session_token: string }> =>
        setup.client.discovery.intermediateSessions.exchange({
          intermediate_session_token: token,
          organization_id: organization,
        });
      expect(await refusal(exchange(name))).toMatchObject({
        status_code: 404,
        error_type: "organization_not_found",
      });
      const { session_token: sessionToken } = await exchange("acme");
      const switching = setup.client.sessions.exchange({
        organization_id: name,
        session_token: sessionToken,
      });
      expect(await refusal(switching)).toMatchObject({ error_type: "organization_not_found" });
      expect(await setup.client.sessions.authenticate({ session_token: sessionToken })).toBeDefined();
    },
  );

  it("rejects a session whose member has left", async () => {
    const setup = await setUp();
    const { sessionToken } = await signInBob(setup);
    setup.world.directory.removeMembership("user_bob", "org_acme");
    const call = setup.client.sessions.authenticate({ session_token: sessionToken });
    expect(await refusal(call)).toMatchObject({ status_code: 404, error_type: "session_not_found" });
  });

  it("answers with the current roles of the directory", async () => {
    const setup = await setUp();
    const { sessionToken } = await signInBob(setup);
    setup.world.directory.setRoles("user_bob", "org_acme", ["viewer"]);
    const { member_session: session, session_jwt: jwt } = await setup.client.sessions.authenticate({
      session_token: sessionToken,
    });
    expect(session.roles).toEqual(["viewer"]);
    expect(claimsOf(jwt)["https://stytch.com/session"]).toMatchObject({ roles: ["viewer"] });
  });
});

describe("sessions.get and sessions.revoke", () => {
  it("lists the sessions of a member, by the organization's id, slug or external id", async () => {
    const setup = await setUp();
    const { memberSession } = await signInBob(setup);
    for (const organization of ["org_acme", "acme", "ext-acme"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const { member_sessions: sessions } = await setup.client.sessions.get({
        organization_id: organization,
        member_id: "member_bob",
      });
      expect(sessions.map((one) => one.member_session_id)).toEqual([memberSession.id]);
    }
    const elsewhere = { organization_id: "org_globex", member_id: "member_bob" };
    expect((await setup.client.sessions.get(elsewhere)).member_sessions).toEqual([]);
  });

  it.each(["member_session_id", "session_token", "session_jwt", "member_id"] as const)(
    "ends a session by %s",
    async (name) => {
      const setup = await setUp();
      const { sessionToken, sessionJwt, memberSession } = await signInBob(setup);
      const named = {
        member_session_id: memberSession.id,
        session_token: sessionToken,
        session_jwt: sessionJwt,
        member_id: "member_bob",
      };
      await setup.client.sessions.revoke({ [name]: named[name] });
      const call = setup.client.sessions.authenticate({ session_jwt: sessionJwt });
      expect(await refusal(call)).toMatchObject({ status_code: 404, error_type: "session_not_found" });
    },
  );

  it("respects the member on whose behalf it is called", async () => {
    const world = makeWireWorld({
      policy: definePolicy({
        resources: { "stytch.member": ["revoke.sessions"] },
        roles: { admin: { "stytch.member": ["revoke.sessions"] }, editor: {}, viewer: {} },
      }),
    });
    const setup = await setUp("Express 5", world);
    const bob = await signInBob(setup);
    const ada = await setup.client.discovery.intermediateSessions.exchange({
      intermediate_session_token: await beginAda(setup),
      organization_id: "org_acme",
    });
    const { sessions } = setup.client;
    const asBob = { authorization: { session_jwt: bob.sessionJwt } };
    const asAda = { authorization: { session_token: ada.session_token } };
    const adas = { member_session_id: ada.member_session?.member_session_id ?? "" };
    expect(await refusal(sessions.revoke(adas, asBob))).toMatchObject({
      error_type: "session_authorization_error",
    });
    expect(await refusal(sessions.revoke({ member_id: "user_ada:org_acme" }, asBob))).toMatchObject({
      error_type: "session_authorization_error",
    });
    await sessions.revoke({ member_id: "member_bob" }, asAda);
    expect(await refusal(sessions.revoke(adas, asBob))).toMatchObject({ error_type: "session_not_found" });
    await sessions.revoke(adas, asAda);
  });
});

it("answers a wrong secret with unauthorized_credentials", async () => {
  const { server } = await setUp();
  const call = connectTo(server, "secret-test-wrong").sessions.authenticate({ session_token: "x" });
  expect(await refusal(call)).toMatchObject({
    status_code: 401,
    error_type: "unauthorized_credentials",
    error_message: "Unauthorized credentials.",
  });
});
