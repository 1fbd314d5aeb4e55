import { describe, expect, it } from "@jest/globals";
import type {
  AuthenticateInput,
  AuthenticationResult,
  MemberStatus,
} from "../../../../src/authority/index.ts";
import { context, makeDirectory, makeWorld, refusal, refusedWith } from "../set-up.ts";
import { demanded, makeRulesWorld, sso, type RulesWorld } from "./rules-world.ts";

const SSO_ONLY = { authMethods: "RESTRICTED", allowedAuthMethods: ["sso"] };

function signIn(
  { authority }: RulesWorld,
  more: Partial<AuthenticateInput> = {},
): Promise<AuthenticationResult> {
  return authority.authenticate({
    userId: "user_ada",
    organizationId: "org_acme",
    authenticationMethod: "Password",
    ...more,
  });
}

const factorsOf = ({ memberSession }: AuthenticationResult): string[] =>
  memberSession.authenticationFactors.map(({ type }) => type);

describe("the methods that an organization allows", () => {
  it.each<[string, Partial<AuthenticateInput>, string[]]>([
    ["Password", { authenticationMethod: "Password" }, ["password"]],
    ["GoogleOAuth", { authenticationMethod: "GoogleOAuth" }, ["google_oauth"]],
    ["MicrosoftOAuth", { authenticationMethod: "MicrosoftOAuth" }, ["slack_oauth", "microsoft_oauth"]],
    ["MagicAuth", { authenticationMethod: "MagicAuth" }, ["email_otp"]],
    ["magic_link", { authenticationMethod: "magic_link" }, ["magic_link"]],
    ["SSO", { authenticationMethod: "SSO" }, ["sso"]],
  ])("admit %s and demand another one otherwise", async (_name, method, allowedAuthMethods) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { authMethods: "RESTRICTED", allowedAuthMethods });
    expect(await signIn(world, method)).toMatchObject({ organizationId: "org_acme" });
    world.setOrganization("org_acme", { allowedAuthMethods: ["hubspot_oauth"] });
    expect(await demanded(signIn(world, method))).toMatchObject({
      reason: "primary_required",
      details: { allowedAuthMethods: ["hubspot_oauth"], organizationId: "org_acme" },
    });
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(1);
  });

  it.each<[string, object, boolean]>([
    ["ALL_ALLOWED with a list", { authMethods: "ALL_ALLOWED", allowedAuthMethods: ["sso"] }, true],
    ["null", { authMethods: null, allowedAuthMethods: null }, true],
    ["a list without the setting", { allowedAuthMethods: ["sso"] }, false],
    ["an empty list without the setting", { allowedAuthMethods: [] }, true],
    ["RESTRICTED without a list", { authMethods: "RESTRICTED" }, false],
    ["a misspelt setting", { authMethods: "restricted" }, false],
    ["a list that is no list", { allowedAuthMethods: "sso" }, false],
    ["a list of other things", { authMethods: "RESTRICTED", allowedAuthMethods: [7] }, false],
  ])("fail safe: %j", async (_name, fields, isAdmitted) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...fields });
    const answer = await signIn(world).then(
      () => true,
      () => false,
    );
    expect(answer).toBe(isAdmitted);
  });

  it("count once the step is done, and the sign-in continues where it was", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", SSO_ONLY);
    const { token } = await demanded(signIn(world));
    world.clock.now += 60;
    const pending = { userId: "user_ada", pendingAuthenticationToken: token };
    const result = await world.authority.authenticate({ ...pending, authenticationMethod: "SSO" });
    expect(result).toMatchObject({ organizationId: "org_acme", authenticationMethod: "SSO" });
    expect(factorsOf(result)).toEqual(["password", "sso"]);
    const again = world.authority.authenticate({ ...pending, authenticationMethod: "SSO" });
    expect(await refusedWith(again)).toBe("invalid_pending_authentication");
  });

  it("cannot be continued by another user, after the pending lifetime, or by a made-up token", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", SSO_ONLY);
    const { token } = await demanded(signIn(world));
    const resume = (userId: string, pendingAuthenticationToken = token): Promise<unknown> =>
      world.authority.authenticate({ userId, pendingAuthenticationToken, authenticationMethod: "SSO" });
    expect(await refusedWith(resume("user_bob"))).toBe("invalid_pending_authentication");
    expect(await refusedWith(resume("user_ada", "made-up"))).toBe("invalid_pending_authentication");
    world.clock.now += 601;
    expect(await refusedWith(resume("user_ada"))).toBe("invalid_pending_authentication");
  });

  it("never prolong what is pending by further steps", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", SSO_ONLY);
    let { token } = await demanded(signIn(world));
    for (const seconds of [300, 299]) {
      world.clock.now += seconds;
      const again = {
        userId: "user_ada",
        pendingAuthenticationToken: token,
        authenticationMethod: "magic_link",
      };
      ({ token } = await demanded(world.authority.authenticate(again)));
    }
    world.clock.now += 2;
    const late = { userId: "user_ada", pendingAuthenticationToken: token, authenticationMethod: "SSO" };
    expect(await refusedWith(world.authority.authenticate(late))).toBe("invalid_pending_authentication");
  });

  it("show neither the token nor the details of a step-up when the error is logged", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    world.setMember("user_ada", "org_acme", { mfaPhoneNumber: "+15550100" });
    const error = await refusal(signIn(world));
    const { inspect } = await import("node:util");
    const seen = inspect(error, { showHidden: true, depth: null }) + JSON.stringify(error);
    expect(Reflect.get(error, "details")).toMatchObject({ mfaPhoneNumber: "+15550100" });
    expect(seen).not.toContain("+15550100");
    expect(seen).not.toContain(String(Reflect.get(error, "pendingAuthenticationToken")));
  });
});

describe("the connections of an organization", () => {
  const CONNECTIONS = { ...SSO_ONLY, ssoActiveConnections: [{ connectionId: "conn_acme" }] };

  it("are the only ones whose single sign-on counts", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", CONNECTIONS);
    const by = (connection: string): Promise<AuthenticationResult> =>
      signIn(world, { authenticationMethod: "SSO", authenticationFactors: [sso(connection)] });
    expect(await by("conn_acme")).toMatchObject({ organizationId: "org_acme" });
    expect(await demanded(by("conn_of_an_attacker"))).toMatchObject({
      reason: "primary_required",
      details: { connectionIds: ["conn_acme"] },
    });
  });

  it("do not count any more at the next renewal once they are gone", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", CONNECTIONS);
    const { refreshToken } = await signIn(world, {
      authenticationMethod: "SSO",
      authenticationFactors: [sso("conn_acme")],
    });
    world.setOrganization("org_acme", { ssoActiveConnections: [] });
    const renewal = world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(renewal)).toBe("reauthentication_required primary_required");
  });

  it("are not met by an unnamed single sign-on that was made for another organization", async () => {
    const world = makeRulesWorld();
    const { memberSession } = await signIn(world, {
      authenticationMethod: "SSO",
      organizationId: "org_globex",
    });
    world.setOrganization("org_acme", CONNECTIONS);
    const step = await demanded(
      world.authority.exchange({ sessionId: memberSession.id, organizationId: "org_acme" }),
    );
    expect(step.reason).toBe("primary_required");
    // A second factor does not make up for it either.
    const more = { userId: "user_ada", pendingAuthenticationToken: step.token, authenticationMethod: "totp" };
    expect(await demanded(world.authority.authenticate(more))).toMatchObject({ reason: "primary_required" });
  });
});

describe("a second factor", () => {
  it.each<[string, object, object]>([
    ["the organization's mfaPolicy", { mfaPolicy: "REQUIRED_FOR_ALL" }, {}],
    ["the member's mfaEnrolled", {}, { mfaEnrolled: true }],
    ["a misspelt policy", { mfaPolicy: "required" }, {}],
  ])("is demanded by %s", async (_name, organization, member) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...organization });
    world.setMember("user_ada", "org_acme", { ...member, totpRegistrationId: "totp_1" });
    const { token, ...demand } = await demanded(signIn(world));
    expect(demand).toEqual({
      reason: "mfa_required",
      details: {
        memberId: "user_ada:org_acme",
        organizationId: "org_acme",
        emailAddress: "ada@example.com",
        allowedMfaMethods: ["totp", "sms_otp"],
        mfaPhoneNumber: "",
        totpRegistrationId: "totp_1",
      },
    });
    const done = { userId: "user_ada", pendingAuthenticationToken: token, authenticationMethod: "totp" };
    const result = await world.authority.authenticate(done);
    expect(result).toMatchObject({ organizationId: "org_acme", authenticationMethod: "Password" });
    expect(result.memberSession.authenticationFactors).toEqual([
      expect.objectContaining({ type: "password", sequenceOrder: "PRIMARY" }),
      expect.objectContaining({ type: "totp", sequenceOrder: "SECONDARY" }),
    ]);
  });

  it.each<[string, string, boolean]>([
    ["totp", "totp", true],
    ["recovery_codes", "totp", true],
    ["sms_otp", "totp", false],
    ["sms_otp", "sms_otp", true],
    ["totp", "sms_otp", false],
    ["email_otp", "totp", false],
  ])("%s is one where %s is allowed: %s", async (authenticationMethod, allowed, isEnough) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", {
      mfaPolicy: "REQUIRED_FOR_ALL",
      mfaMethods: "RESTRICTED",
      allowedMfaMethods: [allowed],
    });
    const { token, details } = await demanded(signIn(world));
    expect(details["allowedMfaMethods"]).toEqual([allowed]);
    const more = { userId: "user_ada", pendingAuthenticationToken: token, authenticationMethod };
    const answer = await world.authority.authenticate(more).then(
      () => true,
      () => false,
    );
    expect(answer).toBe(isEnough);
  });

  it("is not enough by itself", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const demand = await demanded(signIn(world, { authenticationMethod: "totp" }));
    expect(demand.reason).toBe("primary_required");
  });

  it("can be given at once", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const authenticationFactors = [{ type: "password" }, { type: "totp" }];
    expect(await signIn(world, { authenticationFactors })).toMatchObject({ organizationId: "org_acme" });
  });

  it("can be added to a session, and the membership's setting wins over the user's", async () => {
    const world = makeRulesWorld();
    world.setUser("user_ada", { mfaEnrolled: true });
    world.setMember("user_ada", "org_acme", { mfaEnrolled: false });
    const { memberSession } = await signIn(world);
    world.setMember("user_ada", "org_acme", { mfaEnrolled: true });
    const step = {
      sessionId: memberSession.id,
      factor: { type: "totp", deliveryMethod: "authenticator_app" },
    };
    const result = await world.authority.stepUp(step);
    expect(factorsOf(result)).toEqual(["password", "totp"]);
  });
});

describe("members with a setting of their own", () => {
  it("pass by methods and second factors with isBreakglass, and not by a lock", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...SSO_ONLY, mfaPolicy: "REQUIRED_FOR_ALL" });
    world.setMember("user_ada", "org_acme", { isBreakglass: true });
    const { refreshToken } = await signIn(world);
    expect(await world.authority.authenticateWithRefreshToken({ refreshToken })).toBeDefined();
    world.setMember("user_ada", "org_acme", { isLocked: true });
    expect(await refusedWith(signIn(world))).toBe("organization_not_available member_locked");
  });

  it("are locked out while they are locked, and keep their session", async () => {
    const world = makeRulesWorld();
    const { accessToken } = await signIn(world);
    const ask = (): Promise<unknown> =>
      world.authority.authenticateJwt({ sessionJwt: accessToken, maxTokenAgeSeconds: 0 });
    world.setMember("user_ada", "org_acme", { isLocked: true, lockExpiresAt: "2027-01-15T08:10:00Z" });
    expect(await refusedWith(ask())).toBe("reauthentication_required member_locked");
    expect(await refusedWith(signIn(world))).toBe("organization_not_available member_locked");
    expect(await signIn(world, { organizationId: "org_globex" })).toBeDefined();
    world.clock.now += 600;
    expect(await ask()).toMatchObject({ member: { id: "user_ada:org_acme" } });
  });

  it("are locked out of everything by a lock of the user", async () => {
    const world = makeRulesWorld();
    world.setUser("user_nora", { isLocked: true });
    const nora = { userId: "user_nora", organizationId: undefined };
    expect(await refusedWith(signIn(world, nora))).toBe("sign_in_failed member_locked");
  });

  it.each(["pending", "invited", "deleted", "inactive"])("are no members while %s", async (status) => {
    const world = makeRulesWorld();
    const { refreshToken } = await signIn(world);
    world.setMember("user_ada", "org_acme", { status });
    expect(await refusedWith(signIn(world))).toBe("organization_not_available");
    expect(await signIn(world, { organizationId: undefined })).toMatchObject({
      organizationId: "org_globex",
    });
    const renewal = world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(renewal)).toBe("session_revoked membership_removed");
  });

  it.each(["pending", "invited", "deleted", "inactive"])(
    "are none while %s where the directory has no seat method",
    async (status) => {
      // oxlint-disable-next-line typescript/unbound-method -- left out, never called
      const { seat: _left, ...directory } = makeDirectory();
      const membership = async (userId: string, organizationId: string) => {
        const found = await directory.membership(userId, organizationId);
        return found && { ...found, status: status as MemberStatus };
      };
      const world = makeWorld({ directory: { ...directory, membership } });
      const asked = { userId: "user_ada", organizationId: "org_acme", authenticationMethod: "SSO" };
      expect(await refusedWith(world.authority.authenticate(asked))).toBe("organization_not_available");
    },
  );

  it.each(["pending", "invited", "inactive", "deleted"])(
    "is none for a user who is %s, unless the membership says otherwise",
    async (status) => {
      const world = makeRulesWorld();
      const { refreshToken } = await signIn(world);
      world.setUser("user_ada", { status });
      expect(await refusedWith(signIn(world))).toBe("organization_not_available");
      const renewal = world.authority.authenticateWithRefreshToken({ refreshToken });
      expect(await refusedWith(renewal)).toBe("session_revoked membership_removed");
      world.setMember("user_ada", "org_acme", { status: "active" });
      expect(await signIn(world)).toMatchObject({ organizationId: "org_acme" });
    },
  );

  it("are not bound by the methods while somebody impersonates them", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...SSO_ONLY, mfaPolicy: "REQUIRED_FOR_ALL" });
    const impersonator = { email: "staff@orgate.example" };
    const result = await signIn(world, { authenticationMethod: "Impersonation", impersonator });
    expect(result).toMatchObject({ organizationId: "org_acme" });
    world.setMember("user_ada", "org_acme", { isLocked: true });
    const locked = signIn(world, { authenticationMethod: "Impersonation", impersonator });
    expect(await refusedWith(locked)).toBe("organization_not_available member_locked");
  });
});

describe("rules that change nothing by going around them", () => {
  it("hold for a switch, and leave the session as it was", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_globex", SSO_ONLY);
    const { memberSession, accessToken } = await signIn(world);
    const exchange = { sessionId: memberSession.id, organizationId: "org_globex" };
    const { token, reason } = await demanded(world.authority.exchange(exchange));
    expect(reason).toBe("primary_required");
    expect(
      await world.authority.authenticateJwt({ sessionJwt: accessToken, maxTokenAgeSeconds: 0 }),
    ).toMatchObject({ organization: { id: "org_acme" } });
    const done = { userId: "user_ada", pendingAuthenticationToken: token, authenticationMethod: "SSO" };
    expect(await world.authority.authenticate(done)).toMatchObject({ organizationId: "org_globex" });
  });

  it("end what was begun from a session together with the session", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_globex", SSO_ONLY);
    const { memberSession } = await signIn(world);
    const exchange = { sessionId: memberSession.id, organizationId: "org_globex" };
    const { token } = await demanded(world.authority.exchange(exchange));
    await world.authority.revoke({ sessionId: memberSession.id });
    const done = { userId: "user_ada", pendingAuthenticationToken: token, authenticationMethod: "SSO" };
    expect(await refusedWith(world.authority.authenticate(done))).toBe("invalid_pending_authentication");
  });

  it("hold for a refresh into another organization, and spend nothing", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_globex", SSO_ONLY);
    const { refreshToken } = await signIn(world);
    const refresh = (organizationId?: string): Promise<unknown> =>
      world.authority.authenticateWithRefreshToken({ refreshToken, organizationId });
    expect(await refusedWith(refresh("org_globex"))).toBe("reauthentication_required primary_required");
    expect(await refresh()).toMatchObject({ organizationId: "org_acme" });
  });

  it("hold for a session from before, and give it back once they are lifted", async () => {
    const world = makeRulesWorld();
    const { refreshToken, accessToken } = await signIn(world);
    world.setOrganization("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    const refresh = (): Promise<unknown> => world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(refresh())).toBe("reauthentication_required mfa_required");
    const check = world.authority.authenticateJwt({ sessionJwt: accessToken });
    expect(await refusedWith(check)).toBe("reauthentication_required mfa_required");
    world.setOrganization("org_acme", { mfaPolicy: "OPTIONAL" });
    expect(await refresh()).toMatchObject({ organizationId: "org_acme" });
  });

  it("hold for an organization selection, which stays possible", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_globex", SSO_ONLY);
    const choosing = await refusal(signIn(world, { organizationId: undefined }));
    const pendingAuthenticationToken = String(Reflect.get(choosing, "pendingAuthenticationToken"));
    const choose = (organizationId: string): Promise<AuthenticationResult> =>
      world.authority.authenticateWithOrganizationSelection({ pendingAuthenticationToken, organizationId });
    const { token } = await demanded(choose("org_globex"));
    // The step's own token chooses, too: it is no way around.
    const again = { pendingAuthenticationToken: String(token), organizationId: "org_globex" };
    const around = world.authority.authenticateWithOrganizationSelection(again);
    expect(await demanded(around)).toMatchObject({ reason: "primary_required" });
    expect(await choose("org_acme")).toMatchObject({ organizationId: "org_acme" });
  });

  it("are told to the middleware as a session to sign in for again", async () => {
    const world = makeRulesWorld();
    const { accessToken, refreshToken } = await signIn(world);
    world.setOrganization("org_acme", { mfaPolicy: "REQUIRED_FOR_ALL" });
    world.clock.now += 306;
    const { claims } = await import("../set-up.ts").then(({ claimsOf }) => ({
      claims: claimsOf(accessToken),
    }));
    const stale = { reason: "expired", accessToken, claims, sealed: { accessToken, refreshToken } } as never;
    expect(await world.authority.renew(stale, context())).toEqual({
      status: "reauthenticate",
      reason: "mfa_required",
      organizationId: "org_acme",
    });
  });
});

describe("the lifetime of sessions in an organization", () => {
  it("is the organization's own, and no extension passes it", async () => {
    const world = makeRulesWorld({ sessionLifetime: 100_000 });
    world.setOrganization("org_acme", { sessionLifetime: 3600 });
    const { memberSession, accessToken } = await signIn(world);
    expect(memberSession.expiresAt).toBe("2027-01-15T09:00:00.000Z");
    const extended = await world.authority.authenticateJwt({
      sessionJwt: accessToken,
      maxTokenAgeSeconds: 0,
      sessionDurationMinutes: 600,
    });
    expect(extended.memberSession.expiresAt).toBe("2027-01-15T09:00:00.000Z");
    expect((await signIn(world, { organizationId: "org_globex" })).memberSession.expiresAt).toBe(
      "2027-01-16T11:46:40.000Z",
    );
  });

  it("holds for sessions from before", async () => {
    const world = makeRulesWorld();
    const { refreshToken } = await signIn(world);
    world.clock.now += 7200;
    world.setOrganization("org_acme", { sessionLifetime: 3600 });
    const renewal = world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(renewal)).toBe("session_revoked expired");
  });

  it("holds for a switch: an older session must begin anew", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_globex", { sessionLifetime: 3600 });
    const { memberSession } = await signIn(world);
    world.clock.now += 7200;
    const exchange = { sessionId: memberSession.id, organizationId: "org_globex" };
    const demand = await demanded(world.authority.exchange(exchange));
    expect([demand.reason, demand.token]).toEqual(["primary_required", undefined]);
    expect(await signIn(world, { organizationId: "org_globex" })).toBeDefined();
  });
});
