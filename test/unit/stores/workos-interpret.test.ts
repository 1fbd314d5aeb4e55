import { describe, expect, it } from "@jest/globals";
import { workos } from "../../../src/stores/workos/index.ts";
import type { VerifiedClaims } from "../../../src/store.ts";

const store = workos({ clientId: "client_test", apiKey: "sk_test" });

const CLAIMS: VerifiedClaims = {
  iss: "https://api.workos.com",
  sub: "user_ada",
  sid: "session_1",
  jti: "01H",
  iat: 1,
  exp: 2,
  org_id: "org_acme",
  role: "admin",
  roles: ["admin", "viewer"],
  permissions: ["documents:read"],
  entitlements: ["audit-logs"],
  feature_flags: ["new-editor"],
  client_id: "client_test",
  auth_time: 1_700_000_000,
};

const SEALED = {
  accessToken: "a.b.c",
  user: { id: "user_ada", email: "ada@example.com", firstName: "Ada", lastName: "Lovelace" },
  authenticationMethod: "SSO",
};

describe("the claims of AuthKit", () => {
  it("are read as orgate's model", () => {
    expect(store.interpret(CLAIMS, SEALED)).toEqual({
      member: {
        id: "user_ada",
        userId: "user_ada",
        organizationId: "org_acme",
        roles: ["admin", "viewer"],
        emailAddress: "ada@example.com",
        name: "Ada Lovelace",
      },
      organization: { id: "org_acme" },
      memberSession: {
        id: "session_1",
        memberId: "user_ada",
        organizationId: "org_acme",
        authenticationFactors: [],
        roles: ["admin", "viewer"],
        customClaims: null,
        entitlements: ["audit-logs"],
        featureFlags: ["new-editor"],
        authenticationMethod: "SSO",
      },
      permissions: ["documents:read"],
      authenticatedAt: 1_700_000_000,
    });
  });

  it("are custom claims if a JWT template adds them, whatever their names", () => {
    const template = JSON.parse(
      '{"urn:app:tenant":"t1","__proto__":{"admin":true},"constructor":1}',
    ) as object;
    const custom = store.interpret({ ...CLAIMS, ...Object.fromEntries(Object.entries(template)) })
      ?.memberSession.customClaims;

    expect(Object.entries(custom ?? {})).toEqual([
      ["urn:app:tenant", "t1"],
      ["__proto__", { admin: true }],
      ["constructor", 1],
    ]);
    expect(Object.getPrototypeOf(custom)).toBe(Object.prototype);
  });

  it("list every role once", () => {
    const rolesOf = (claims: object): unknown => store.interpret({ ...CLAIMS, ...claims })?.member.roles;

    expect(rolesOf({ role: "viewer", roles: undefined })).toEqual(["viewer"]);
    expect(rolesOf({ role: undefined, roles: ["a", "b"] })).toEqual(["a", "b"]);
    expect(rolesOf({ role: "c", roles: ["a", "b"] })).toEqual(["c", "a", "b"]);
    expect(rolesOf({ role: undefined, roles: undefined })).toEqual([]);
  });

  it("R-40: grant no role and no permission without an organization", () => {
    const { org_id: _none, ...claims } = CLAIMS;
    const interpretation = store.interpret(claims);

    expect(interpretation).toMatchObject({
      member: { roles: [] },
      memberSession: { roles: [] },
      permissions: [],
    });
    expect(interpretation).not.toHaveProperty("organization");
    expect(store.interpret({ ...CLAIMS, org_id: null })).toMatchObject({ permissions: [] });
  });

  it.each<[string, unknown]>([
    ["sid", undefined],
    ["sid", ""],
    ["sid", 1],
    ["org_id", ""],
    ["org_id", ["org_acme"]],
    ["role", ["admin"]],
    ["roles", "admin"],
    ["roles", ["admin", 1]],
    ["permissions", "documents:read"],
    ["permissions", [["documents:read"]]],
    ["permissions", { 0: "documents:read", length: 1 }],
    ["entitlements", "x"],
    ["feature_flags", [null]],
    ["auth_time", "yesterday"],
    ["auth_time", -1],
    ["act", "admin@foocorp.com"],
    ["act", {}],
  ])("R-09: are not a session with %s %j", (name, value) => {
    expect(store.interpret({ ...CLAIMS, [name]: value })).toBeUndefined();
  });
});

describe("the impersonator", () => {
  it("is named by the token, and the reason by the seal", () => {
    const impersonator = { email: "admin@foocorp.com", reason: "Investigating" };
    const claims = { ...CLAIMS, act: { sub: "admin@foocorp.com" } };

    expect(store.interpret(claims)?.memberSession.impersonator).toEqual({ email: "admin@foocorp.com" });
    expect(store.interpret(claims, { ...SEALED, impersonator })?.memberSession.impersonator).toEqual(
      impersonator,
    );
  });

  it("is the token's where the two differ, and the seal's where the token names none", () => {
    const impersonator = { email: "other@foocorp.com", reason: "Why" };
    const claims = { ...CLAIMS, act: { sub: "admin@foocorp.com" } };

    expect(store.interpret(claims, { ...SEALED, impersonator })?.memberSession.impersonator).toEqual({
      email: "admin@foocorp.com",
    });
    expect(store.interpret(CLAIMS, { ...SEALED, impersonator })?.memberSession.impersonator).toEqual(
      impersonator,
    );
  });
});

describe("a field that is not known", () => {
  it("is absent", () => {
    const session = store.interpret(CLAIMS)?.memberSession;

    for (const name of [
      "startedAt",
      "lastAccessedAt",
      "expiresAt",
      "organizationSlug",
      "authenticationMethod",
    ]) {
      expect(session).not.toHaveProperty(name);
    }
    expect(store.interpret(CLAIMS)?.member).not.toHaveProperty("emailAddress");
    expect(store.interpret(CLAIMS)).not.toHaveProperty("sessionExpiresAt");
  });

  it("is absent where the user has no name", () => {
    const user = { id: "user_ada", email: null, name: null, firstName: null, lastName: null };

    expect(store.interpret(CLAIMS, { ...SEALED, user })?.member).not.toHaveProperty("name");
  });
});
