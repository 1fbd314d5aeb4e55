import { describe, expect, it } from "@jest/globals";
import type { AuthenticateInput, AuthenticationResult } from "../../../../src/authority/index.ts";
import { domainOf, isCommonDomain, isOfDomains } from "../../../../src/authority/rules/email-domains.ts";
import { refusedWith } from "../set-up.ts";
import { demanded, makeRulesWorld, sso, type RulesWorld } from "./rules-world.ts";

const BY_DOMAIN = { emailJitProvisioning: "RESTRICTED", emailAllowedDomains: ["Example.com"] };

function signIn(
  { authority }: RulesWorld,
  more: Partial<AuthenticateInput> = {},
): Promise<AuthenticationResult> {
  return authority.authenticate({
    userId: "user_nora",
    organizationId: "org_acme",
    authenticationMethod: "magic_link",
    ...more,
  });
}

const provisioned = ({ events }: RulesWorld): unknown[] =>
  events.filter(({ type }) => type === "member_provisioned");

async function isMember({ directory }: RulesWorld, userId = "user_nora"): Promise<boolean> {
  return (await directory.membership(userId, "org_acme")) !== undefined;
}

describe("provisioning by e-mail domain", () => {
  it("makes nobody a member who was deactivated", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", BY_DOMAIN);
    world.setUser("user_nora", { status: "inactive" });
    expect(await refusedWith(signIn(world))).toBe("organization_not_available");
    expect(await isMember(world)).toBe(false);
  });

  it("makes a member without roles, once, and says so in an event", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", BY_DOMAIN);
    const results = await Promise.all([signIn(world), signIn(world), signIn(world)]);
    for (const result of results) {
      expect(result).toMatchObject({ organizationId: "org_acme", member: { roles: [] } });
    }
    await signIn(world);
    expect(await isMember(world)).toBe(true);
    expect(provisioned(world)).toEqual([
      {
        type: "member_provisioned",
        by: "email_domain",
        organizationId: "org_acme",
        userId: "user_nora",
        memberId: "user_nora:org_acme",
      },
    ]);
  });

  it.each<[string, object, object, Partial<AuthenticateInput>]>([
    ["switched off", { emailJitProvisioning: "NOT_ALLOWED" }, {}, {}],
    ["a value that the protocol does not have", { emailJitProvisioning: "ALL_ALLOWED" }, {}, {}],
    ["without domains", { emailAllowedDomains: undefined }, {}, {}],
    ["a subdomain", {}, { emailAddress: "nora@mail.example.com" }, {}],
    ["a longer domain", {}, { emailAddress: "nora@notexample.com" }, {}],
    ["a domain that goes on", {}, { emailAddress: "nora@example.com.evil.test" }, {}],
    ["a trailing dot", {}, { emailAddress: "nora@example.com." }, {}],
    ["a Cyrillic letter", {}, { emailAddress: "nora@ex\u0430mple.com" }, {}],
    ["full-width letters", {}, { emailAddress: "nora@\uff45xample.com" }, {}],
    ["a zero-width joiner", {}, { emailAddress: "nora@exam\u200dple.com" }, {}],
    ["a second @", {}, { emailAddress: "nora@evil.test@example.com" }, {}],
    ["a space", {}, { emailAddress: "nora@example.com " }, {}],
    ["an address that nobody verified", {}, {}, { authenticationMethod: "Password" }],
    [
      "a link to another address",
      {},
      {},
      {
        authenticationFactors: [
          { type: "magic_link", emailFactor: { emailId: "1", emailAddress: "nora@other.test" } },
        ],
      },
    ],
    ["an impersonator", {}, { emailVerified: true }, { impersonator: { email: "staff@orgate.example" } }],
  ])("does not happen with %s", async (_name, organization, user, input) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...BY_DOMAIN, ...organization });
    world.setUser("user_nora", { ...user });
    expect(await refusedWith(signIn(world, input))).toBe("organization_not_available");
    expect([await isMember(world), provisioned(world)]).toEqual([false, []]);
  });

  it.each([
    ["an upper-case address", { emailAddress: "Nora@EXAMPLE.COM" }, {}],
    [
      "an address that the directory calls verified",
      { emailVerified: true },
      { authenticationMethod: "Password" },
    ],
    ["Stytch's name of that", { emailAddressVerified: true }, { authenticationMethod: "Password" }],
  ])("happens with %s", async (_name, user, input) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", BY_DOMAIN);
    world.setUser("user_nora", user);
    expect(await signIn(world, input)).toMatchObject({ organizationId: "org_acme" });
  });

  it("never happens by a common mail domain", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...BY_DOMAIN, emailAllowedDomains: ["gmail.com"] });
    world.setUser("user_nora", { emailAddress: "nora@gmail.com" });
    expect(await refusedWith(signIn(world))).toBe("organization_not_available");
  });

  it("waits until the organization's rules are met", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { ...BY_DOMAIN, mfaPolicy: "REQUIRED_FOR_ALL" });
    const { token, reason } = await demanded(signIn(world));
    expect([reason, await isMember(world)]).toEqual(["mfa_required", false]);
    const more = { userId: "user_nora", pendingAuthenticationToken: token, authenticationMethod: "totp" };
    expect(await world.authority.authenticate(more)).toMatchObject({ organizationId: "org_acme" });
    expect(await isMember(world)).toBe(true);
  });

  it("does not happen by a switch, by a renewal or for a member who was removed", async () => {
    const world = makeRulesWorld();
    world.setOrganization("org_closed", { ...BY_DOMAIN });
    const ada = await signIn(world, { userId: "user_ada" });
    const exchange = { sessionId: ada.memberSession.id, organizationId: "org_closed" };
    expect(await refusedWith(world.authority.exchange(exchange))).toBe("organization_not_available");
    const refresh = { refreshToken: ada.refreshToken, organizationId: "org_closed" };
    const refreshing = world.authority.authenticateWithRefreshToken(refresh);
    expect(await refusedWith(refreshing)).toBe("organization_not_available");
    world.setOrganization("org_acme", BY_DOMAIN);
    world.setMember("user_ada", "org_acme", { status: "deleted" });
    expect(await refusedWith(signIn(world, { userId: "user_ada" }))).toBe("organization_not_available");
  });

  it("needs a directory that can add memberships, and passes on that it could not", async () => {
    const without = makeRulesWorld({}, { addMembership: undefined } as never);
    without.setOrganization("org_acme", BY_DOMAIN);
    expect(await refusedWith(signIn(without))).toBe("organization_not_available");
    const failing = makeRulesWorld({}, { addMembership: () => Promise.reject(new Error("read-only")) });
    failing.setOrganization("org_acme", BY_DOMAIN);
    expect(await refusedWith(signIn(failing))).toBe("store_unavailable dependency_failed");
  });
});

describe("provisioning by single sign-on and by OAuth tenant", () => {
  const by = (connection: string) => ({
    authenticationMethod: "SSO",
    authenticationFactors: [sso(connection)],
  });

  it.each<[string, object, string, boolean]>([
    ["an active connection", { ssoJitProvisioning: "ALL_ALLOWED" }, "conn_1", true],
    ["a connection of another organization", { ssoJitProvisioning: "ALL_ALLOWED" }, "conn_of_others", false],
    [
      "organizations that list no connections",
      { ssoJitProvisioning: "ALL_ALLOWED", ssoActiveConnections: undefined },
      "conn_1",
      false,
    ],
    [
      "an allowed connection",
      { ssoJitProvisioning: "RESTRICTED", ssoJitProvisioningAllowedConnections: ["conn_2"] },
      "conn_2",
      true,
    ],
    [
      "a connection that is not allowed",
      { ssoJitProvisioning: "RESTRICTED", ssoJitProvisioningAllowedConnections: ["conn_2"] },
      "conn_1",
      false,
    ],
    [
      "an allowed connection that is gone",
      { ssoJitProvisioning: "RESTRICTED", ssoJitProvisioningAllowedConnections: ["conn_9"] },
      "conn_9",
      false,
    ],
    ["any connection while it is switched off", { ssoJitProvisioning: "NOT_ALLOWED" }, "conn_1", false],
  ])("%s: %j", async (_name, fields, connection, isAdmitted) => {
    const world = makeRulesWorld();
    const ssoActiveConnections = [{ connectionId: "conn_1" }, { connectionId: "conn_2" }];
    world.setOrganization("org_acme", { ssoActiveConnections, ...fields });
    await signIn(world, by(connection)).catch(() => undefined);
    expect(await isMember(world)).toBe(isAdmitted);
    expect(provisioned(world)).toHaveLength(isAdmitted ? 1 : 0);
  });

  it.each<[string, object, object, boolean]>([
    ["the allowed tenant", { slack: ["T1"] }, { providerTenantIds: ["T0", "T1"] }, true],
    ["one tenant by itself", { slack: ["T1"] }, { providerTenantId: "T1" }, true],
    ["another tenant", { slack: ["T1"] }, { providerTenantIds: ["T2"] }, false],
    ["the tenant of another provider", { github: ["T1"] }, { providerTenantIds: ["T1"] }, false],
    ["a factor that names none", { slack: ["T1"] }, {}, false],
    ["a name of Object.prototype", { slack: ["T1"] }, { providerTenantIds: ["constructor"] }, false],
  ])("%s", async (_name, allowedOauthTenants, slackOauthFactor, isAdmitted) => {
    const world = makeRulesWorld();
    world.setOrganization("org_acme", { oauthTenantJitProvisioning: "RESTRICTED", allowedOauthTenants });
    const factor = { type: "oauth", deliveryMethod: "oauth_slack", slackOauthFactor };
    const input = { authenticationMethod: "SlackOAuth", authenticationFactors: [factor] };
    await signIn(world, input).catch(() => undefined);
    expect(await isMember(world)).toBe(isAdmitted);
    world.setOrganization("org_acme", { oauthTenantJitProvisioning: "NOT_ALLOWED" });
    world.directory.removeMembership("user_nora", "org_acme");
    expect(await refusedWith(signIn(world, input))).toBe("organization_not_available");
  });
});

describe("the domain of an address", () => {
  it.each([
    ["ada@Example.COM", "example.com"],
    ["ada@b\u00fccher.example", "b\u00fccher.example"],
    ["ada@bu\u0308cher.example", "b\u00fccher.example"],
    ["ada@\u212a.example", "\u212a.example"],
    ["ada@example.com.", undefined],
    ["ada@.example.com", undefined],
    ["ada@", undefined],
    ["@example.com", undefined],
    ["ada", undefined],
    ["a@b@example.com", undefined],
  ])("of %s is %s", (address, domain) => {
    expect(domainOf(address)).toBe(domain);
  });

  it("is no common one by a look-alike, and no k by the Kelvin sign", () => {
    expect([isCommonDomain("GMAIL.com"), isCommonDomain("gmail.com.evil.test")]).toEqual([true, false]);
    expect(isOfDomains("ada@\u212a.example", ["k.example"])).toBe(false);
  });
});
