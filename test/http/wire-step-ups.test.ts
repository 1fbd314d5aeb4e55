import { afterEach, describe, expect, it } from "@jest/globals";
import type { WireMiddleware } from "../../src/authority/wire/router.ts";
import { stytchRouter } from "../../src/authority/wire/stytch/index.ts";
import { workosRouter } from "../../src/authority/wire/workos/index.ts";
import { isOrgateError } from "../../src/errors.ts";
import { stytch } from "../../src/stores/stytch/index.ts";
import { workos } from "../../src/stores/workos/index.ts";
import type { StaleCredential } from "../../src/store.ts";
import type { TestServer } from "../support/servers.ts";
import { bodyOf, json, makeWireWorld, PASSWORD, serveRouter, type WireWorld } from "../support/wire-world.ts";
import { claimsOf } from "../support/world.ts";

const WORKOS = { clientId: "client_orgate", apiKey: "sk_test_0123456789abcdef" };
const STYTCH = { projectId: "project-test-1", secret: "secret-test-0123456789abcdef" };
const SELECTION_GRANT = "urn:workos:oauth:grant-type:organization-selection";

type Body = Readonly<Record<string, unknown>>;
type Answer = { readonly status: number; readonly body: Body };

const opened: { close(): Promise<void> }[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((one) => one.close()));
});

interface RuledWorld {
  readonly world: WireWorld;
  readonly setRules: (organizationId: string, fields: Body) => void;
  readonly setMember: (fields: Body) => void;
}

/** A world whose organizations and members a test can give rules. */
function makeRuledWorld(): RuledWorld {
  const rules = new Map<string, Body>();
  let member: Body = {};
  const world: WireWorld = makeWireWorld(
    {},
    {
      async organization(id) {
        const found = await world.directory.organization(id);
        return found && { ...found, ...rules.get(id) };
      },
      async membership(userId, organizationId) {
        const found = await world.directory.membership(userId, organizationId);
        return found && { ...found, ...member };
      },
    },
  );
  return {
    world,
    setRules: (organizationId, fields) => void rules.set(organizationId, fields),
    setMember(fields) {
      member = fields;
    },
  };
}

async function serveWire<Router extends WireMiddleware>(
  world: WireWorld,
  router: Router,
): Promise<{ readonly router: Router; readonly server: TestServer; readonly url: string }> {
  const server = await serveRouter(router);
  opened.push(server, world.authority);
  return { router, server, url: `http://127.0.0.1:${server.port}` };
}

async function setUpWorkos() {
  const ruled = makeRuledWorld();
  const { server, url } = await serveWire(ruled.world, workosRouter(ruled.world.authority, WORKOS));
  const grant = async (fields: Body): Promise<Answer> => {
    const client = { client_id: WORKOS.clientId, client_secret: WORKOS.apiKey };
    const path = "/user_management/authenticate";
    const answer = await server.send({ path, ...json({ ...client, ...fields }) });
    return { status: answer.status, body: bodyOf(answer) };
  };
  const password = (email: string, more: Body = {}): Promise<Answer> =>
    grant({ grant_type: "password", email, password: PASSWORD, ...more });
  return { ...ruled, grant, password, url };
}

const SSO_ONLY = {
  authMethods: "RESTRICTED",
  allowedAuthMethods: ["sso"],
  ssoActiveConnections: [{ connectionId: "conn_1" }],
};

describe("steps that are due on WorkOS's wire", () => {
  it("are sso_required, with the connections, where only single sign-on would do", async () => {
    const { setRules, password } = await setUpWorkos();
    setRules("org_acme", SSO_ONLY);
    expect(await password("bob@example.com")).toEqual({
      status: 400,
      body: {
        error: "sso_required",
        error_description: expect.any(String),
        email: "bob@example.com",
        connection_ids: ["conn_1"],
        pending_authentication_token: expect.stringMatching(/^[\w-]{43}$/),
      },
    });
  });

  it("are organization_authentication_methods_required, where several methods would do", async () => {
    const { setRules, password } = await setUpWorkos();
    setRules("org_acme", { ...SSO_ONLY, allowedAuthMethods: ["sso", "google_oauth", "email_otp"] });
    expect(await password("bob@example.com")).toEqual({
      status: 400,
      body: {
        error: "organization_authentication_methods_required",
        error_description: expect.any(String),
        email: "bob@example.com",
        sso_connection_ids: ["conn_1"],
        auth_methods: {
          apple_oauth: false,
          github_oauth: false,
          google_oauth: true,
          magic_auth: true,
          microsoft_oauth: false,
          password: false,
        },
      },
    });
  });

  it("are mfa_challenge for an enrolled member, else mfa_enrollment", async () => {
    const { setRules, setMember, password, world } = await setUpWorkos();
    setRules("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const enrollment = await password("bob@example.com");
    const user = expect.objectContaining({ object: "user", id: "user_bob" });
    const pending_authentication_token = expect.stringMatching(/^[\w-]{43}$/);
    const message = expect.any(String);
    expect(enrollment).toEqual({
      status: 403,
      body: { code: "mfa_enrollment", message, pending_authentication_token, user },
    });
    setMember({ totpRegistrationId: "auth_factor_1" });
    const authentication_factors = [{ id: "auth_factor_1", type: "totp" }];
    const challenge = await password("bob@example.com");
    expect(challenge).toEqual({
      status: 403,
      body: { code: "mfa_challenge", message, pending_authentication_token, authentication_factors, user },
    });
    // The application checks the code, and continues what is pending.
    const continued = world.authority.authenticate({
      userId: "user_bob",
      pendingAuthenticationToken: String(challenge.body["pending_authentication_token"]),
      authenticationMethod: "totp",
    });
    expect(await continued).toMatchObject({ organizationId: "org_acme" });
  });

  it("are demanded of a choice, which stays possible", async () => {
    const { setRules, password, grant } = await setUpWorkos();
    setRules("org_globex", SSO_ONLY);
    const { body } = await password("ada@example.com");
    const choose = (organization_id: string): Promise<Answer> =>
      grant({
        grant_type: SELECTION_GRANT,
        pending_authentication_token: body["pending_authentication_token"],
        organization_id,
      });
    expect((await choose("org_globex")).body["error"]).toBe("sso_required");
    expect(await choose("org_acme")).toMatchObject({ status: 200, body: { organization_id: "org_acme" } });
  });

  it("are demanded of a refresh, which spends nothing; the store keeps the cookie", async () => {
    const { setRules, password, grant, url } = await setUpWorkos();
    const { body } = await password("bob@example.com");
    const refresh_token = String(body["refresh_token"]);
    setRules("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const refused = await grant({ grant_type: "refresh_token", refresh_token });
    expect([refused.status, refused.body["error"]]).toEqual([400, "mfa_enrollment"]);
    const store = workos({ ...WORKOS, baseUrl: url });
    const accessToken = String(body["access_token"]);
    const stale = {
      reason: "expired",
      accessToken,
      claims: claimsOf(accessToken),
      sealed: { accessToken, refreshToken: refresh_token, user: { id: "user_bob" } },
    } as unknown as StaleCredential;
    const renewal = await store.renew(stale, { signal: AbortSignal.timeout(5000) });
    expect(renewal).toMatchObject({ status: "reauthenticate", reason: "mfa_enrollment" });
    setRules("org_acme", {});
    expect(await grant({ grant_type: "refresh_token", refresh_token })).toMatchObject({ status: 200 });
  });

  it("are authentication_method_not_allowed for a locked member's renewal", async () => {
    const { setMember, password, grant } = await setUpWorkos();
    const { body } = await password("bob@example.com");
    setMember({ isLocked: true });
    const refused = await grant({ grant_type: "refresh_token", refresh_token: body["refresh_token"] });
    expect([refused.status, refused.body["error"]]).toEqual([400, "authentication_method_not_allowed"]);
    expect((await password("bob@example.com")).body["error"]).toBe("organization_membership_not_found");
  });
});

describe("invitations on WorkOS's wire", () => {
  it("go with the choice of their organization, and open no other", async () => {
    const { world, password, grant } = await setUpWorkos();
    const invitation = { emailAddress: "ada@example.com", organizationId: "org_closed", roles: ["viewer"] };
    const { token } = await world.authority.invite(invitation);
    const pending = (await password("ada@example.com")).body["pending_authentication_token"];
    const choose = (more: Body): Promise<Answer> =>
      grant({ grant_type: SELECTION_GRANT, pending_authentication_token: pending, ...more });
    const without = await choose({ organization_id: "org_closed" });
    expect(without.body["error"]).toBe("organization_membership_not_found");
    const other = await choose({ organization_id: "org_acme", invitation_token: token });
    expect(other.body["error"]).toBe("invitation_invalid");
    const chosen = await choose({ organization_id: "org_closed", invitation_token: token });
    expect(chosen).toMatchObject({ status: 200, body: { organization_id: "org_closed" } });
    expect(await world.directory.membership("user_ada", "org_closed")).toMatchObject({ roles: ["viewer"] });
  });

  it("are accepted by the password grant, and sent by the store", async () => {
    const { world, url } = await setUpWorkos();
    const invitation = { emailAddress: "ada@example.com", organizationId: "org_closed", roles: ["viewer"] };
    const { token } = await world.authority.invite(invitation);
    const store = workos({ ...WORKOS, baseUrl: url });
    const begun = await store.authenticateWithPassword({
      emailAddress: "ada@example.com",
      password: PASSWORD,
    });
    if (begun.status !== "selection_required") throw new Error("Ada must choose.");
    const outcome = await store.authenticateWithOrganizationSelection({
      pendingAuthenticationToken: begun.pending.pendingAuthenticationToken,
      organizationId: "org_closed",
      invitationToken: token,
    });
    expect(outcome).toMatchObject({ status: "authenticated", credential: { organizationId: "org_closed" } });
  });
});

async function setUpStytch() {
  const ruled = makeRuledWorld();
  const router = stytchRouter(ruled.world.authority, STYTCH);
  const { server, url } = await serveWire(ruled.world, router);
  const call = async (path: string, fields: Body): Promise<Answer> => {
    const credentials = Buffer.from(`${STYTCH.projectId}:${STYTCH.secret}`).toString("base64");
    const headers = { authorization: `Basic ${credentials}` };
    const answer = await server.send({ path: `/v1/b2b/${path}`, ...json(fields, headers) });
    return { status: answer.status, body: bodyOf(answer) };
  };
  const begin = async (userId: string): Promise<string> => {
    const error: unknown = await router.authenticate({ userId, authenticationMethod: "password" }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!isOrgateError(error)) throw new Error("Expected an unfinished sign-in.");
    return String(Reflect.get(error, "pendingAuthenticationToken"));
  };
  return { ...ruled, router, call, begin, url };
}

describe("steps that are due on Stytch's wire", () => {
  it("leave an exchange unauthenticated, with the factors that would do", async () => {
    const { setRules, setMember, router, call, world } = await setUpStytch();
    const { sessionToken } = await router.authenticate({
      userId: "user_ada",
      organizationId: "org_acme",
      authenticationMethod: "password",
    });
    setRules("org_globex", { mfaPolicy: "REQUIRED_FOR_ALL" });
    setMember({ mfaPhoneNumber: "+15550100", totpRegistrationId: "totp_1" });
    const answer = await call("sessions/exchange", {
      session_token: sessionToken,
      organization_id: "org_globex",
    });
    expect(answer).toMatchObject({
      status: 200,
      body: {
        status_code: 200,
        request_id: expect.any(String),
        member_authenticated: false,
        member_id: "user_ada:org_globex",
        session_token: "",
        session_jwt: "",
        member_session: null,
        intermediate_session_token: expect.stringMatching(/^[\w-]{43}$/),
        primary_required: null,
        mfa_required: {
          member_options: { mfa_phone_number: "+15550100", totp_registration_id: "totp_1" },
          secondary_auth_initiated: null,
        },
        member: { member_id: "user_ada:org_globex" },
        organization: { organization_id: "org_globex", mfa_policy: "REQUIRED_FOR_ALL" },
      },
    });
    const still = await call("sessions/authenticate", { session_token: sessionToken });
    expect(still.status).toBe(200);
    const done = await router.authenticate({
      userId: "user_ada",
      pendingAuthenticationToken: String(answer.body["intermediate_session_token"]),
      authenticationMethod: "sms_otp",
    });
    expect(done.memberSession).toMatchObject({ organizationId: "org_globex" });
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(2);
  });

  it("are told of each discovered organization, and after the choice of one", async () => {
    const { setRules, call, begin } = await setUpStytch();
    setRules("org_globex", SSO_ONLY);
    const intermediate_session_token = await begin("user_ada");
    const { body } = await call("discovery/organizations", { intermediate_session_token });
    const listed = body["discovered_organizations"] as Body[];
    expect(
      listed.map((one) => [one["member_authenticated"], one["primary_required"], one["mfa_required"]]),
    ).toEqual([
      [true, null, null],
      [false, { allowed_auth_methods: ["sso"] }, null],
    ]);
    const path = "discovery/intermediate_sessions/exchange";
    const chosen = await call(path, { intermediate_session_token, organization_id: "org_globex" });
    expect(chosen.body).toMatchObject({
      member_authenticated: false,
      primary_required: { allowed_auth_methods: ["sso"] },
      mfa_required: null,
    });
    const again = {
      intermediate_session_token: chosen.body["intermediate_session_token"],
      organization_id: "org_acme",
    };
    expect((await call(path, again)).body).toMatchObject({ member_authenticated: true });
  });

  it("refuse a session from before with insufficient_factors; the store keeps the cookie", async () => {
    const { setRules, router, call, url } = await setUpStytch();
    const { sessionToken, sessionJwt } = await router.authenticate({
      userId: "user_bob",
      authenticationMethod: "password",
    });
    setRules("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const refused = await call("sessions/authenticate", { session_token: sessionToken });
    expect([refused.status, refused.body["error_type"]]).toEqual([403, "insufficient_factors"]);
    const store = stytch({ ...STYTCH, baseUrl: url });
    const stale = {
      reason: "too_old",
      accessToken: sessionJwt,
      claims: claimsOf(sessionJwt),
    } as unknown as StaleCredential;
    expect(await store.renew(stale, { signal: AbortSignal.timeout(5000) })).toEqual({
      status: "reauthenticate",
      reason: "insufficient_factors",
    });
    setRules("org_acme", {});
    expect((await call("sessions/authenticate", { session_token: sessionToken })).status).toBe(200);
  });

  it("provision a member by the exchange of an intermediate session, and by no switch", async () => {
    const { setRules, world, call, router, begin } = await setUpStytch();
    setRules("org_closed", { emailJitProvisioning: "RESTRICTED", emailAllowedDomains: ["example.com"] });
    const { sessionToken } = await router.authenticate({
      userId: "user_ada",
      organizationId: "org_acme",
      authenticationMethod: "magic_link",
    });
    const organization_id = "org_closed";
    const switched = await call("sessions/exchange", { session_token: sessionToken, organization_id });
    expect([switched.status, switched.body["error_type"]]).toEqual([404, "organization_not_found"]);
    const path = "discovery/intermediate_sessions/exchange";
    // Ada's address is verified in the directory.
    const joined = await call(path, { intermediate_session_token: await begin("user_ada"), organization_id });
    expect(joined.body).toMatchObject({ member_authenticated: true, member_id: "user_ada:org_closed" });
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "member_provisioned", by: "email_domain" }),
    );
  });
});
