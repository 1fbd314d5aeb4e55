import { describe, expect, it } from "@jest/globals";
import { readMember, readOrganization } from "../../../src/stores/stytch/profile.ts";

const MEMBER = {
  organization_id: "organization-test-1",
  member_id: "member-test-1",
  email_address: "ada@acme.co",
  status: "active",
  name: "Ada",
  member_password_id: "",
  totp_registration_id: "member-totp-1",
  mfa_phone_number: "+15551234567",
  default_mfa_method: "totp",
  is_breakglass: false,
  email_address_verified: true,
  mfa_phone_number_verified: true,
  is_admin: true,
  is_locked: false,
  mfa_enrolled: true,
  sso_registrations: [
    { connection_id: "c", external_id: "e", registration_id: "r", sso_attributes: { first_name: "Ada" } },
  ],
  oauth_registrations: [
    {
      provider_type: "Google",
      provider_subject: "s",
      member_oauth_registration_id: "o",
      profile_picture_url: "https://example.com/p.png",
      locale: "en",
    },
  ],
  retired_email_addresses: [{ email_id: "email-1", email_address: "old@acme.co" }],
  roles: [{ role_id: "editor", sources: [{ type: "sso_connection", details: { connection_id: "c" } }] }],
  trusted_metadata: { plan_tier: "gold", roles: ["admin"] },
  untrusted_metadata: { theme_name: "dark" },
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-02T00:00:00Z",
  external_id: "ext",
  lock_created_at: "2026-01-03T00:00:00Z",
  lock_expires_at: "2026-01-04T00:00:00Z",
  scim_registration: {
    connection_id: "c",
    registration_id: "r",
    external_id: "x",
    scim_attributes: { user_name: "ada" },
  },
} as const;

describe("a Stytch member", () => {
  it("is read with every field; data of the application stays as it is", () => {
    expect(readMember(MEMBER, ["stytch_member"])).toEqual({
      id: "member-test-1",
      organizationId: "organization-test-1",
      roles: ["stytch_member"],
      emailAddress: "ada@acme.co",
      name: "Ada",
      status: "active",
      roleAssignments: [
        { roleId: "editor", sources: [{ type: "sso_connection", details: { connection_id: "c" } }] },
      ],
      emailAddressVerified: true,
      retiredEmailAddresses: [{ emailId: "email-1", emailAddress: "old@acme.co" }],
      isBreakglass: false,
      isAdmin: true,
      isLocked: false,
      lockCreatedAt: "2026-01-03T00:00:00Z",
      lockExpiresAt: "2026-01-04T00:00:00Z",
      memberPasswordId: "",
      mfaEnrolled: true,
      mfaPhoneNumber: "+15551234567",
      mfaPhoneNumberVerified: true,
      defaultMfaMethod: "totp",
      totpRegistrationId: "member-totp-1",
      ssoRegistrations: [
        { connectionId: "c", externalId: "e", registrationId: "r", ssoAttributes: { first_name: "Ada" } },
      ],
      oauthRegistrations: [
        {
          providerType: "Google",
          providerSubject: "s",
          memberOauthRegistrationId: "o",
          profilePictureUrl: "https://example.com/p.png",
          locale: "en",
        },
      ],
      scimRegistration: {
        connectionId: "c",
        registrationId: "r",
        externalId: "x",
        scimAttributes: { user_name: "ada" },
      },
      externalId: "ext",
      trustedMetadata: { plan_tier: "gold", roles: ["admin"] },
      untrustedMetadata: { theme_name: "dark" },
      createdAt: "2026-01-01T00:00:00Z",
      updatedAt: "2026-01-02T00:00:00Z",
    });
  });

  it("is read with SSO registrations under either of their two names", () => {
    const { sso_registrations: registrations, ...member } = MEMBER;
    const { ssoRegistrations } = readMember(MEMBER, []) ?? {};
    const named = { ...member, sso_registration: registrations };
    expect(readMember(named, [])).toMatchObject({ ssoRegistrations });
    expect(readMember({ ...named, sso_registrations: [] }, [])).toMatchObject({ ssoRegistrations: [] });
    expect(readMember(member, [])).not.toHaveProperty("ssoRegistrations");
  });

  const NAMING = ["member_id", "organization_id"];

  it.each(NAMING)("is undefined where %s is not a text", (field) => {
    expect(readMember({ ...MEMBER, [field]: 42 }, [])).toBeUndefined();
  });

  it.each(Object.keys(MEMBER).filter((field) => !NAMING.includes(field)))(
    "is read without %s where it has another type",
    (field) => {
      expect(JSON.stringify(readMember({ ...MEMBER, [field]: 42 }, []))).not.toContain("42");
    },
  );
});

const ORGANIZATION = {
  organization_id: "organization-test-1",
  organization_name: "Acme",
  organization_logo_url: "https://acme.co/l.png",
  organization_slug: "acme",
  sso_jit_provisioning: "RESTRICTED",
  sso_jit_provisioning_allowed_connections: ["c"],
  sso_active_connections: [{ connection_id: "c", display_name: "Okta", identity_provider: "okta" }],
  email_allowed_domains: ["acme.co"],
  email_jit_provisioning: "RESTRICTED",
  email_invites: "ALL_ALLOWED",
  auth_methods: "RESTRICTED",
  allowed_auth_methods: ["sso"],
  mfa_policy: "OPTIONAL",
  mfa_methods: "RESTRICTED",
  allowed_mfa_methods: ["totp"],
  rbac_email_implicit_role_assignments: [{ domain: "acme.co", role_id: "editor" }],
  oauth_tenant_jit_provisioning: "NOT_ALLOWED",
  allowed_oauth_tenants: { slack: ["t"] },
  claimed_email_domains: ["acme.co"],
  first_party_connected_apps_allowed_type: "ALL_ALLOWED",
  allowed_first_party_connected_apps: ["a"],
  third_party_connected_apps_allowed_type: "RESTRICTED",
  allowed_third_party_connected_apps: ["b"],
  custom_roles: [
    { role_id: "x", description: "d", permissions: [{ resource_id: "documents", actions: ["read"] }] },
  ],
  trusted_metadata: { billing_id: 7 },
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-02T00:00:00Z",
  organization_external_id: "ext",
  sso_default_connection_id: "c",
  scim_active_connection: {
    connection_id: "s",
    display_name: "SCIM",
    bearer_token_last_four: "abcd",
    bearer_token_expires_at: "2027-01-01T00:00:00Z",
  },
} as const;

describe("a Stytch organization", () => {
  it("is read with every setting", () => {
    const organization = readOrganization(ORGANIZATION);
    expect(organization).toEqual({
      id: "organization-test-1",
      name: "Acme",
      slug: "acme",
      logoUrl: "https://acme.co/l.png",
      externalId: "ext",
      ssoJitProvisioning: "RESTRICTED",
      ssoJitProvisioningAllowedConnections: ["c"],
      ssoActiveConnections: [{ connectionId: "c", displayName: "Okta", identityProvider: "okta" }],
      ssoDefaultConnectionId: "c",
      scimActiveConnection: {
        connectionId: "s",
        displayName: "SCIM",
        bearerTokenLastFour: "abcd",
        bearerTokenExpiresAt: "2027-01-01T00:00:00Z",
      },
      emailAllowedDomains: ["acme.co"],
      emailJitProvisioning: "RESTRICTED",
      emailInvites: "ALL_ALLOWED",
      claimedEmailDomains: ["acme.co"],
      authMethods: "RESTRICTED",
      allowedAuthMethods: ["sso"],
      mfaPolicy: "OPTIONAL",
      mfaMethods: "RESTRICTED",
      allowedMfaMethods: ["totp"],
      rbacEmailImplicitRoleAssignments: [{ domain: "acme.co", roleId: "editor" }],
      oauthTenantJitProvisioning: "NOT_ALLOWED",
      allowedOauthTenants: { slack: ["t"] },
      firstPartyConnectedAppsAllowedType: "ALL_ALLOWED",
      allowedFirstPartyConnectedApps: ["a"],
      thirdPartyConnectedAppsAllowedType: "RESTRICTED",
      allowedThirdPartyConnectedApps: ["b"],
      customRoles: [
        { roleId: "x", description: "d", permissions: [{ resourceId: "documents", actions: ["read"] }] },
      ],
      trustedMetadata: { billing_id: 7 },
      createdAt: "2026-01-01T00:00:00Z",
      updatedAt: "2026-01-02T00:00:00Z",
    });
    expect(Object.keys(organization ?? {})).toHaveLength(Object.keys(ORGANIZATION).length);
  });

  it("is undefined without an id", () => {
    expect(readOrganization({ ...ORGANIZATION, organization_id: "" })).toBeUndefined();
  });
});
