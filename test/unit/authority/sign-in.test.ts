import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { createSealer } from "../../../src/lib/crypto.ts";
import { type Policy, definePolicy } from "../../../src/policy/policy.ts";
import { claimsOf, makeWorld, POLICY, refusal, refusedWith, signInAda, START } from "./set-up.ts";

const PASSWORD = "a password of more than thirty-two characters";

/** A policy that knows these roles and those of the world, and grants nothing. */
function policyWith(...names: readonly string[]): Policy {
  const roles = [...POLICY.roles, ...names].map((name) => [name, {}]);
  return definePolicy({ resources: {}, roles: Object.fromEntries(roles) as Record<string, object> });
}

describe("authenticate", () => {
  it("signs in a member of one organization at once", async () => {
    const { authority } = makeWorld();
    const result = await authority.authenticate({ userId: "user_bob", authenticationMethod: "Password" });
    expect(result).toEqual({
      user: { id: "user_bob", emailAddress: "Bob@example.com", name: "Bob" },
      organizationId: "org_acme",
      accessToken: expect.any(String),
      refreshToken: expect.any(String),
      authenticationMethod: "Password",
      memberSession: {
        id: expect.stringMatching(/^session_[\w-]{24}$/),
        memberId: "member_bob",
        organizationId: "org_acme",
        organizationSlug: "acme",
        startedAt: "2027-01-15T08:00:00.000Z",
        lastAccessedAt: "2027-01-15T08:00:00.000Z",
        expiresAt: "2027-02-14T08:00:00.000Z",
        authenticationFactors: [
          {
            type: "password",
            deliveryMethod: "knowledge",
            lastAuthenticatedAt: "2027-01-15T08:00:00.000Z",
            sequenceOrder: "PRIMARY",
          },
        ],
        roles: ["editor"],
        customClaims: null,
        authenticationMethod: "Password",
      },
      member: {
        id: "member_bob",
        userId: "user_bob",
        organizationId: "org_acme",
        roles: ["editor"],
        roleAssignments: [{ role: "editor", sources: [{ type: "direct_assignment" }] }],
        status: "active",
        isAdmin: false,
        emailAddress: "Bob@example.com",
        name: "Bob",
      },
      organization: { id: "org_acme", slug: "acme", name: "Acme", plan: "pro" },
    });
  });

  it("signs a user without memberships in without an organization", async () => {
    const { authority } = makeWorld();
    const result = await authority.authenticate({ userId: "user_nora", authenticationMethod: "MagicAuth" });
    expect(result).not.toHaveProperty("organizationId");
    expect(result).not.toHaveProperty("organization");
    expect(result.member).toEqual({
      id: "user_nora",
      userId: "user_nora",
      roles: [],
      emailAddress: "nora@example.com",
    });
    const claims = claimsOf(result.accessToken);
    expect(["org_id", "org", "roles", "role"].filter((name) => name in claims)).toEqual([]);
    const local = await authority.authenticateJwt({ sessionJwt: result.accessToken });
    expect(local.memberSession).toEqual(result.memberSession);
  });

  it("asks a user of several organizations to choose, and keeps the token out of logs", async () => {
    const { authority } = makeWorld();
    const error = await refusal(authority.authenticate({ userId: "user_ada", authenticationMethod: "SSO" }));
    expect(error).toMatchObject({
      code: "organization_selection_required",
      status: 403,
      organizations: [
        { id: "org_acme", name: "Acme" },
        { id: "org_globex", name: "Globex" },
      ],
    });
    const token = String(Reflect.get(error, "pendingAuthenticationToken"));
    expect(token).toMatch(/^[\w-]{43}$/);
    const everything = inspect(error, { showHidden: true });
    expect(inspect(error) + everything + JSON.stringify(error) + String(error.stack)).not.toContain(token);
  });

  it("signs in only to the organization that is named", async () => {
    const world = makeWorld();
    expect((await signInAda(world, "org_globex")).memberSession.roles).toEqual(["viewer"]);
    expect(await refusedWith(signInAda(world, "org_closed"))).toBe("organization_not_available");
    expect(await refusedWith(signInAda(world, "org_unheard_of"))).toBe("organization_not_available");
  });

  it("refuses a user that the directory does not have", async () => {
    const { authority } = makeWorld();
    const unknown = authority.authenticate({ userId: "__proto__", authenticationMethod: "Password" });
    expect(await refusedWith(unknown)).toBe("sign_in_failed user_not_found");
  });

  it("does not offer an organization that the directory no longer has", async () => {
    const { authority, directory } = makeWorld();
    directory.removeOrganization("org_globex");
    const result = await authority.authenticate({ userId: "user_ada", authenticationMethod: "Password" });
    expect(result.organizationId).toBe("org_acme");
  });

  it("puts the details of the sign-in into the token", async () => {
    const { authority } = makeWorld();
    const said = {
      authenticationFactors: [{ type: "totp", deliveryMethod: "authenticator_app" }],
      customClaims: { roles: ["admin"], sub: "user_ada", nested: { deep: [1, "two"] } },
      impersonator: { email: "support@example.com", reason: "ticket 7" },
    };
    const result = await authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "Impersonation",
      ...said,
      ipAddress: "192.0.2.7",
      userAgent: "browser\r\nSet-Cookie: x",
    });
    expect(result.memberSession).toMatchObject(said);
    expect(result.impersonator).toEqual(said.impersonator);
    expect(claimsOf(result.accessToken)).toMatchObject({
      sub: "user_bob",
      roles: ["editor"],
      act: { sub: "support@example.com", reason: "ticket 7" },
      custom_claims: said.customClaims,
      auth_time: START,
      iat: START,
      exp: START + 300,
    });
    const { memberSession } = await authority.authenticateJwt({ sessionJwt: result.accessToken });
    expect(memberSession).toEqual(result.memberSession);
    const [listed] = await authority.listSessions({ userId: "user_bob" });
    expect(listed).toEqual({
      ...result.memberSession,
      userId: "user_bob",
      ipAddress: "192.0.2.7",
      userAgent: "browserSet-Cookie: x",
    });
  });

  it("treats null as absent, as databases and JSON do", async () => {
    const { authority } = makeWorld();
    const nothing = {
      organizationId: null,
      invitationToken: null,
      impersonator: null,
      authenticationFactors: null,
      customClaims: null,
    } as object;
    const bob = { userId: "user_bob", authenticationMethod: "Password" };
    const { memberSession } = await authority.authenticate({ ...bob, ...nothing });
    const plain = await authority.authenticate(bob);
    expect(memberSession).toEqual({ ...plain.memberSession, id: memberSession.id });
  });

  it("never lets a token outlive its session", async () => {
    const { authority } = makeWorld({ sessionLifetime: 100, idleTimeout: undefined });
    const { accessToken } = await authority.authenticate({ userId: "user_bob", authenticationMethod: "SSO" });
    expect(claimsOf(accessToken)["exp"]).toBe(START + 100);
  });

  it("seals the session when asked to, for the cookie of the middleware and of WorkOS's SDKs", async () => {
    const { authority } = makeWorld();
    const result = await authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "Password",
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    expect(result.sealedSession).toMatch(/^Fe26\.2\*1\*.*~2$/);
    expect(createSealer({ 1: PASSWORD }).unseal(result.sealedSession ?? "")).toEqual({
      accessToken: result.accessToken,
      refreshToken: result.refreshToken,
      user: result.user,
      organizationId: "org_acme",
      authenticationMethod: "Password",
    });
  });

  it.each([undefined, "short", "x".repeat(31)])(
    "does nothing where it cannot seal (%j)",
    async (cookiePassword) => {
      const { authority } = makeWorld();
      const sealing = authority.authenticate({
        userId: "user_bob",
        authenticationMethod: "Password",
        session: { sealSession: true, cookiePassword },
      });
      expect(await refusedWith(sealing)).toBe("configuration_invalid");
      expect(await authority.listSessions({ userId: "user_bob" })).toEqual([]);
    },
  );

  it("R-13: makes a new unguessable id each time", async () => {
    const { authority } = makeWorld();
    const ids = new Set<string>();
    for (let time = 0; time < 20; time += 1) {
      const { memberSession } = await authority.authenticate({
        userId: "user_bob",
        authenticationMethod: "SSO",
      });
      ids.add(memberSession.id);
    }
    expect(ids.size).toBe(20);
    expect(await authority.listSessions({ userId: "user_bob" })).toHaveLength(20);
  });
});

describe("authenticate with invalid input", () => {
  const circular: Record<string, unknown> = {};
  circular["self"] = circular;
  const deep = JSON.parse('{"a":'.repeat(6) + "1" + "}".repeat(6)) as Record<string, unknown>;
  it.each([
    ["no user", { userId: "" }],
    ["a user that is not a string", { userId: 7 }],
    ["a user id that UTF-8 cannot say", { userId: "user_\ud800" }],
    ["a user id without end", { userId: "x".repeat(513) }],
    ["no method", { authenticationMethod: "" }],
    ["an organization that is not a string", { organizationId: ["org_acme"] }],
    ["an invitation that is not a string", { invitationToken: {} }],
    ["custom claims that are a list", { customClaims: [] }],
    ["custom claims that are a text", { customClaims: "x" }],
    ["custom claims that are no JSON", { customClaims: circular }],
    ["custom claims that are too much", { customClaims: { text: "x".repeat(4096) } }],
    ["custom claims that are too deep", { customClaims: deep }],
    ["R-39: custom claims named __proto__", { customClaims: JSON.parse('{"a":{"__proto__":1}}') }],
    ["factors that are no list", { authenticationFactors: {} }],
    ["factors without a type", { authenticationFactors: [{}] }],
    ["too many factors", { authenticationFactors: Array.from({ length: 17 }, () => ({ type: "totp" })) }],
    ["an impersonator without an address", { impersonator: { reason: "x" } }],
    ["an impersonator that is a text", { impersonator: "support@example.com" }],
  ])("refuses %s, and stores nothing", async (_case, mistake) => {
    const { authority } = makeWorld();
    const input = { userId: "user_bob", authenticationMethod: "Password", ...mistake };
    expect(await refusedWith(authority.authenticate(input as never))).toBe("invalid_request");
    expect(await authority.listSessions({ userId: "user_bob" })).toEqual([]);
  });

  it("R-39: treats names of Object.prototype like any other name", async () => {
    const { authority, directory } = makeWorld({ policy: policyWith("constructor", "hasOwnProperty") });
    directory.setRoles("user_bob", "org_acme", ["constructor", "hasOwnProperty"]);
    const customClaims = { constructor: "x", toString: 1 };
    const input = { userId: "user_bob", authenticationMethod: "constructor", customClaims };
    const { accessToken } = await authority.authenticate(input);
    const { memberSession } = await authority.authenticateJwt({ sessionJwt: accessToken });
    expect(memberSession.roles).toEqual(["constructor", "hasOwnProperty"]);
    expect(memberSession.customClaims).toEqual(customClaims);
    expect(memberSession.authenticationFactors).toMatchObject([{ type: "constructor" }]);
  });

  it("refuses a session whose token would be too large, before it stores anything", async () => {
    const roles = Array.from({ length: 600 }, (_, index) => `role-number-${index}`);
    const { authority, directory } = makeWorld({ policy: policyWith(...roles) });
    directory.setRoles("user_bob", "org_acme", roles);
    const signingIn = authority.authenticate({ userId: "user_bob", authenticationMethod: "Password" });
    expect(await refusedWith(signingIn)).toBe("session_too_large");
    expect(await authority.listSessions({ userId: "user_bob" })).toEqual([]);
  });

  it("verifies the largest token that it issues", async () => {
    const { authority } = makeWorld();
    const keys = Object.fromEntries(
      Array.from({ length: 95 }, (_, index) => [`key${index}`, "x".repeat(20)]),
    );
    const factors = Array.from({ length: 16 }, () => ({ type: "totp", deliveryMethod: "authenticator_app" }));
    const input = { userId: "user_bob", authenticationMethod: "Password", customClaims: keys };
    const { accessToken } = await authority.authenticate({ ...input, authenticationFactors: factors });
    expect((await authority.authenticateJwt({ sessionJwt: accessToken })).memberSession.customClaims).toEqual(
      keys,
    );
  });
});
