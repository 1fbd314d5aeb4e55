import { describe, expect, it } from "@jest/globals";
import { memoryDirectory } from "../../../../src/authority/index.ts";
import type { MemoryDirectoryInput } from "../../../../src/authority/index.ts";
import { findFieldProblems, type ObjectKind } from "../../../../src/authority/members/field-checks.ts";
import { isOrgateError } from "../../../../src/errors.ts";

function problemsOf(input: unknown): readonly string[] {
  try {
    memoryDirectory(input as MemoryDirectoryInput);
    return [];
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.trim());
  }
}

const USER = { id: "u", emailAddress: "u@example.com" };
const ORGANIZATION = { id: "o", name: "O" };
const MEMBERSHIP = { userId: "u", organizationId: "o", roles: [] };

const directoryOf = (kind: ObjectKind, more: object): unknown => ({
  users: [{ ...USER, ...(kind === "user" && more) }],
  organizations: [{ ...ORGANIZATION, ...(kind === "organization" && more) }],
  memberships: [{ ...MEMBERSHIP, ...(kind === "membership" && more) }],
});

describe("a misspelt field", () => {
  it.each<[ObjectKind, string, string]>([
    ["user", "emialVerified", "emailVerified"],
    ["user", "email_verified", "emailVerified"],
    ["user", "firstname", "firstName"],
    ["user", "trustedMetaData", "trustedMetadata"],
    ["organization", "organizationLogoUrl", "logoUrl"],
    ["organization", "organization_slug", "slug"],
    ["organization", "mfaPolcy", "mfaPolicy"],
    ["organization", "allowedAuthMethod", "allowedAuthMethods"],
    ["membership", "memberStatus", "status"],
    ["membership", "isBreakGlass", "isBreakglass"],
    ["membership", "external_id", "externalId"],
  ])("of a %s is a configuration error with the name that was meant: %s", (kind, name, meant) => {
    const [problem, ...others] = problemsOf(directoryOf(kind, { [name]: "x" }));
    expect(others).toEqual([]);
    expect(problem).toContain(`${kind}s[0].${name}: is not a field of the ${kind}.`);
    expect(problem).toContain(`Did you mean "${meant}"?`);
  });

  it.each<[ObjectKind, string]>([
    ["user", "plan"],
    ["user", "userName"],
    ["user", "phoneNumber"],
    ["user", "avatar"],
    ["user", "lastSignInIp"],
    ["user", "createdBy"],
    ["organization", "domain"],
    ["organization", "region"],
    ["organization", "seats"],
    ["organization", "organizationId"],
    ["membership", "title"],
    ["membership", "department"],
    ["membership", "memberId"],
  ])("is not found in a field of the application's own: %s.%s", (kind, name) => {
    expect(problemsOf(directoryOf(kind, { [name]: "x" }))).toEqual([]);
  });
});

describe("an impossible value", () => {
  it.each<[ObjectKind, string, unknown]>([
    ["membership", "status", "activated"],
    ["membership", "isBreakglass", "yes"],
    ["membership", "mfaPhoneNumber", "0171 555"],
    ["membership", "defaultMfaMethod", "sms"],
    ["membership", "createdAt", "yesterday"],
    ["membership", "createdAt", "2026-13-31"],
    ["membership", "updatedAt", new Date(NaN)],
    ["membership", "trustedMetadata", "text"],
    ["membership", "ssoRegistrations", [{ externalId: "e1" }]],
    ["membership", "scimRegistration", {}],
    ["user", "lastSignInAt", 1_800_000_000],
    ["user", "emailVerified", 1],
    ["organization", "slug", "a"],
    ["organization", "slug", "a slug"],
    ["organization", "slug", "s".repeat(129)],
    ["organization", "name", "n".repeat(129)],
    ["organization", "authMethods", "RESTRICED"],
    ["organization", "allowedAuthMethods", ["passwords"]],
    ["organization", "mfaPolicy", "REQUIRED"],
    ["organization", "sessionLifetime", 0],
    ["organization", "sessionLifetime", Infinity],
    ["organization", "emailAllowedDomains", ["@example.com"]],
    ["organization", "emailAllowedDomains", ["ex\u0430mple.com"]],
    ["organization", "emailAllowedDomains", ["example.com."]],
    ["organization", "allowedOauthTenants", { slack: "T1" }],
    ["organization", "rbacEmailImplicitRoleAssignments", [{ domain: "example.com" }]],
    ["organization", "ssoActiveConnections", ["c1"]],
    ["organization", "scimActiveConnection", {}],
    ["organization", "customRoles", [{ roleId: "r" }]],
  ])("of a %s is a configuration error: %s", (kind, name, value) => {
    const [problem, ...others] = problemsOf(directoryOf(kind, { [name]: value }));
    expect(others).toEqual([]);
    expect(problem).toContain(`${kind}s[0].${name}: must be `);
  });

  it("is never quoted", () => {
    const told = problemsOf(directoryOf("membership", { mfaPhoneNumber: "canary-of-a-number" })).join();
    expect(told).toContain("must be a phone number");
    expect(told).not.toContain("canary");
  });

  it.each<[ObjectKind, Readonly<Record<string, unknown>>]>([
    [
      "user",
      {
        name: "Ada",
        emailVerified: true,
        lastSignInAt: new Date(0),
        metadata: { timezone: "UTC" },
        isAdmin: true,
        externalId: null,
      },
    ],
    [
      "membership",
      {
        status: "pending",
        mfaPhoneNumber: "+15555550100",
        defaultMfaMethod: "",
        createdAt: "2026-01-31T12:00:00Z",
        updatedAt: "2026-01-31 12:00:00.155155+02",
        lockCreatedAt: "2026-01-31",
        ssoRegistrations: [{ connectionId: "c1", externalId: "", registrationId: "r1", ssoAttributes: {} }],
        oauthRegistrations: [
          { providerType: "Google", providerSubject: "1", memberOauthRegistrationId: "r2", locale: "en" },
        ],
        scimRegistration: { connectionId: "s1", registrationId: "r3" },
        retiredEmailAddresses: [{ emailId: "e1", emailAddress: "old@example.com" }],
        directoryManaged: false,
      },
    ],
    [
      "organization",
      {
        slug: "a-slug.of_34~",
        authMethods: "RESTRICTED",
        allowedAuthMethods: ["sso", "password"],
        mfaPolicy: "REQUIRED_FOR_ALL",
        allowedMfaMethods: [],
        sessionLifetime: 3600,
        emailAllowedDomains: ["example.com", "EXAMPLE.co.uk"],
        allowedOauthTenants: { slack: ["T1"] },
        scimActiveConnection: null,
        ssoActiveConnections: [{ connectionId: "c1", displayName: "Okta", identityProvider: "okta" }],
        domains: [{ id: "d1", domain: "example.com", state: "verified" }, "example.org"],
        updatedAt: "2026-01-31T12:00:00.123+02:00",
      },
    ],
  ])("is not what the protocols allow: a %s", (kind, fields) => {
    expect(findFieldProblems(kind, fields)).toEqual([]);
    expect(problemsOf(directoryOf(kind, fields))).toEqual([]);
  });
});
