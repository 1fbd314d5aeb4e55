/** Rows of a directory for the wire routers: bare ones, full ones, and rows as careless tables hold them. */
import type { AuthenticationFactor } from "../../src/model.ts";
import type {
  Directory,
  DirectoryMembership,
  DirectoryOrganization,
  DirectoryUser,
} from "../../src/authority/index.ts";
import { PASSWORD } from "./wire-world.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Every field of a member, as both protocols describe them. */
const FULL_MEMBER: Fields = {
  externalId: "employee-1",
  isBreakglass: true,
  mfaEnrolled: true,
  mfaPhoneNumber: "+15555550100",
  mfaPhoneNumberVerified: true,
  defaultMfaMethod: "totp",
  totpRegistrationId: "totp-1",
  memberPasswordId: "password-1",
  isLocked: false,
  lockCreatedAt: "2026-01-02T03:04:05Z",
  lockExpiresAt: "2026-01-02T04:04:05.678+01:00",
  trustedMetadata: { level: 3 },
  untrustedMetadata: { theme: "dark" },
  ssoRegistrations: [
    { connectionId: "conn-1", externalId: "e-1", registrationId: "r-1", ssoAttributes: { groups: ["a"] } },
  ],
  oauthRegistrations: [
    {
      providerType: "Google",
      providerSubject: "s-1",
      memberOauthRegistrationId: "o-1",
      profilePictureUrl: "https://pictures.example.com/1",
      locale: "en",
    },
  ],
  scimRegistration: {
    connectionId: "scim-1",
    registrationId: "sr-1",
    externalId: "se-1",
    scimAttributes: { userName: "full", emails: [{ value: "full@example.com", primary: true }] },
  },
  retiredEmailAddresses: [{ emailId: "email-0", emailAddress: "old@example.com" }],
  createdAt: "2025-06-25T19:07:33.155Z",
  updatedAt: "2026-06-25T19:07:33Z",
};

const FULL_USER: Fields = {
  name: "Full Name",
  firstName: "Full",
  lastName: "Name",
  emailVerified: true,
  profilePictureUrl: "https://pictures.example.com/1",
  lastSignInAt: "2026-06-25T19:07:33.155Z",
  locale: "en-US",
  externalId: "ext-user",
  metadata: { timezone: "Europe/London" },
  createdAt: "2024-06-25T19:07:33.155Z",
  updatedAt: "2025-06-25T19:07:33.155Z",
};

const FULL_ORGANIZATION: Fields = {
  logoUrl: "https://pictures.example.com/logo",
  externalId: "ext-org",
  ssoJitProvisioning: "RESTRICTED",
  ssoJitProvisioningAllowedConnections: ["conn-1"],
  ssoActiveConnections: [{ connectionId: "conn-1", displayName: "Okta", identityProvider: "okta" }],
  emailAllowedDomains: ["example.org"],
  emailJitProvisioning: "RESTRICTED",
  emailInvites: "RESTRICTED",
  authMethods: "ALL_ALLOWED",
  mfaPolicy: "OPTIONAL",
  mfaMethods: "ALL_ALLOWED",
  allowedMfaMethods: ["totp"],
  rbacEmailImplicitRoleAssignments: [{ domain: "example.org", roleId: "viewer" }],
  oauthTenantJitProvisioning: "NOT_ALLOWED",
  allowedOauthTenants: { slack: ["T1"] },
  claimedEmailDomains: ["example.org"],
  customRoles: [
    { roleId: "own", description: "Own", permissions: [{ resourceId: "documents", actions: ["read"] }] },
  ],
  trustedMetadata: { plan: "pro" },
  ssoDefaultConnectionId: "conn-1",
  scimActiveConnection: {
    connectionId: "scim-1",
    displayName: "SCIM",
    bearerTokenLastFour: "1234",
    bearerTokenExpiresAt: "2027-01-01T00:00:00Z",
  },
  domains: [{ id: "domain-1", domain: "example.org", state: "verified", verificationStrategy: "dns" }],
  metadata: { tier: "gold" },
  entitlements: ["audit-logs"],
  featureFlags: ["beta"],
  createdAt: "2024-01-02T03:04:05.678Z",
  updatedAt: "2024-01-02T03:04:05.678Z",
};

/** What tables hold that nobody cleaned: other types, dates as SQL writes them, objects that lack fields. */
const ODD: Fields = {
  name: 42,
  firstName: false,
  lastName: { first: 1 },
  emailVerified: "yes",
  isBreakglass: 1,
  isLocked: null,
  mfaEnrolled: null,
  mfaPhoneNumber: 15_555_550_100,
  externalId: 7,
  locale: ["en"],
  profilePictureUrl: null,
  lastSignInAt: "2026-06-25",
  createdAt: "2025-06-25 19:07:33",
  updatedAt: 1_700_000_000,
  lockCreatedAt: "yesterday",
  lockExpiresAt: "2026-06-25 19:07:33.155155+02",
  metadata: { number: 1, flag: true, list: ["a"], object: { deep: 1 }, nothing: null, text: "t" },
  trustedMetadata: ["a"],
  untrustedMetadata: "text",
  ssoRegistrations: [{ connectionId: 5 }, null, "text"],
  oauthRegistrations: { providerType: "Google" },
  retiredEmailAddresses: [{ emailAddress: "old@example.com" }],
  scimRegistration: { scimAttributes: { emails: [{ value: 5 }], active: "true" } },
};

const ODD_ORGANIZATION: Fields = {
  ...ODD,
  logoUrl: 5,
  emailAllowedDomains: ["example.org", 5, null],
  ssoActiveConnections: [{ connectionId: "conn-1" }, 5],
  customRoles: [{ roleId: "own", permissions: [{ resourceId: "documents" }] }],
  rbacEmailImplicitRoleAssignments: [{ domain: "example.org" }],
  scimActiveConnection: { connectionId: "scim-1", bearerTokenExpiresAt: "soon" },
  allowedOauthTenants: ["slack"],
  domains: ["example.org", { domain: "example.net", state: "unknown", createdAt: "2025-01-01" }, 5],
  allowProfilesOutsideOrganization: "no",
};

/** The kinds of rows, by the names that ids are made of. */
export const KINDS = ["bare", "full", "odd"] as const;

const USER_FIELDS = { bare: {}, full: { ...FULL_MEMBER, ...FULL_USER }, odd: { ...ODD, name: undefined } };
const MEMBERSHIP_FIELDS: Readonly<Record<(typeof KINDS)[number], Fields>> = {
  bare: {},
  full: { ...FULL_MEMBER, directoryManaged: true, customAttributes: { team: "a" } },
  odd: { ...ODD, directoryManaged: "yes", customAttributes: 5 },
};
const ORGANIZATION_FIELDS = {
  bare: {},
  full: FULL_ORGANIZATION,
  odd: { ...ODD_ORGANIZATION, name: undefined },
};

/** Every kind of user in every kind of organization, one of each in all three, and one user in none. */
export function makeWireDirectory(): Directory {
  const organizations = new Map<string, DirectoryOrganization>();
  for (const kind of KINDS) {
    const id = `org_${kind}`;
    organizations.set(id, {
      ...(JSON.parse(JSON.stringify(ORGANIZATION_FIELDS[kind])) as DirectoryOrganization),
      id,
      slug: kind,
      name: `The ${kind} one`,
    });
  }
  const users = new Map<string, DirectoryUser>();
  const memberships: DirectoryMembership[] = [];
  const addUser = (id: string, fields: Fields): void => {
    users.set(id, {
      ...(JSON.parse(JSON.stringify(fields)) as DirectoryUser),
      id,
      emailAddress: `${id}@example.com`,
    });
  };
  const addMembership = (userId: string, kind: (typeof KINDS)[number], roles: readonly string[]): void => {
    const fields = JSON.parse(JSON.stringify(MEMBERSHIP_FIELDS[kind])) as DirectoryMembership;
    memberships.push({ ...fields, userId, organizationId: `org_${kind}`, roles });
  };
  for (const kind of KINDS) {
    addUser(`${kind}_in_all`, USER_FIELDS[kind]);
    addUser(`${kind}_alone`, USER_FIELDS[kind]);
    addMembership(`${kind}_alone`, kind, ["editor"]);
    for (const other of KINDS)
      addMembership(`${kind}_in_all`, other, other === "bare" ? [] : ["viewer", "admin"]);
  }
  addUser("in_none", {});
  return {
    user: async (id) => users.get(id),
    userByEmailAddress: async (address) => users.get(address.split("@")[0] ?? ""),
    organization: async (id) => organizations.get(id),
    organizationByName: async (name) => [...organizations.values()].find(({ slug }) => slug === name),
    membership: async (userId, organizationId) =>
      memberships.find((row) => row.userId === userId && row.organizationId === organizationId),
    memberships: async (userId) => memberships.filter((row) => row.userId === userId),
    verifyPassword: async (_userId, password) => password === PASSWORD,
  };
}

/** Methods of WorkOS's list and of Stytch's. */
export const METHODS = [
  "SSO",
  "Password",
  "Passkey",
  "MagicAuth",
  "AppleOAuth",
  "BitbucketOAuth",
  "DiscordOAuth",
  "GitHubOAuth",
  "GitLabOAuth",
  "GoogleOAuth",
  "IntuitOAuth",
  "LinkedInOAuth",
  "MicrosoftOAuth",
  "SalesforceOAuth",
  "SlackOAuth",
  "VercelOAuth",
  "VercelMarketplaceOAuth",
  "XeroOAuth",
  "CrossAppAuth",
  "ExternalAuth",
  "Impersonation",
  "MigratedSession",
] as const;

/** Factors as an application gives them: complete, without a delivery method, and with details that lack fields. */
export const FACTORS: readonly AuthenticationFactor[] = [
  {
    type: "magic_link",
    deliveryMethod: "email",
    emailFactor: { emailId: "e1", emailAddress: "a@example.com" },
  },
  { type: "magic_link", embeddableMagicLinkFactor: {} },
  { type: "email_otp", emailFactor: { emailAddress: "a@example.com" } },
  { type: "otp", phoneNumberFactor: { phoneNumber: 15_555_550_100 } },
  { type: "otp", deliveryMethod: "whatsapp" },
  { type: "totp", authenticatorAppFactor: {} },
  { type: "recovery_codes", recoveryCodeFactor: {} },
  { type: "sso", samlSsoFactor: { id: "s1", providerId: "conn-1", externalId: "x1" } },
  { type: "sso", oidcSsoFactor: { providerId: "conn-1" } },
  { type: "sso", deliveryMethod: "saml" },
  { type: "oauth", googleOauthFactor: { id: "g1", providerSubject: "s1" } },
  { type: "oauth", gitLabOauthFactor: {} },
  { type: "oauth", slackOauthExchangeFactor: {} },
  { type: "oauth", deliveryMethod: "oauth_intuit" },
  { type: "webauthn", webauthnFactor: { domain: "example.com" } },
  { type: "crypto", cryptoWalletFactor: {} },
  { type: "signature_challenge", biometricFactor: {} },
  { type: "impersonated", impersonatedFactor: {} },
  { type: "imported" },
  { type: "trusted_auth_token", trustedAuthTokenFactor: {} },
  { type: "password", emailFactor: "text" },
];
