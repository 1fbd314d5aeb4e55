import { describe, expect, it } from "@jest/globals";
import type { Authority, AuthenticateJwtInput } from "../../../src/authority/index.ts";
import { claimsOf, makeWorld, refusedWith, signInAda, START } from "./set-up.ts";
import type { World } from "./set-up.ts";

const READ = { organizationId: "org_acme", resource: "documents", action: "read" };

function countStoreCalls(world: World): { readonly count: number; authority: Authority } {
  const calls = { count: 0 };
  const repository = {
    ...world.repository,
    read: async (...question: Parameters<typeof world.repository.read>) => {
      if (question[0] === "sessions") calls.count += 1;
      return world.repository.read(...question);
    },
  };
  const { authority } = makeWorld({ repository }, world.clock);
  return Object.assign(calls, { authority });
}

describe("authenticateJwt, answered locally", () => {
  it("returns only the session and the token presented", async () => {
    const counted = countStoreCalls(makeWorld());
    const { accessToken, memberSession } = await counted.authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "Password",
    });
    const result = await counted.authority.authenticateJwt({ sessionJwt: accessToken });
    expect(result).toEqual({ memberSession, sessionJwt: accessToken });
    expect(result.memberSession.customClaims).toBeNull();
    expect(counted.count).toBe(0);
  });

  it("answers the authorization check with all granting roles", async () => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    const { verdict } = await world.authority.authenticateJwt({
      sessionJwt: accessToken,
      authorizationCheck: READ,
    });
    expect(verdict).toEqual({
      authorized: true,
      grantingRoles: ["admin", "viewer"],
      resource: "documents",
      action: "read",
      organizationId: "org_acme",
      via: "role",
      source: "local",
    });
  });

  it("does not extend the session when it answers locally", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    const { accessToken } = await signInAda(world);
    const result = await world.authority.authenticateJwt({
      sessionJwt: accessToken,
      sessionDurationMinutes: 60,
    });
    expect(result.memberSession.expiresAt).toBe("2027-01-15T08:16:40.000Z");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toMatchObject([
      { expiresAt: "2027-01-15T08:16:40.000Z" },
    ]);
  });
});

describe("authenticateJwt, answered by the store", () => {
  it.each<[string, number, Partial<AuthenticateJwtInput>, "local" | "store"]>([
    ["fresh", 0, {}, "local"],
    ["just before exp", 299.999, {}, "local"],
    ["at exp", 300, {}, "store"],
    ["just below the maximum age", 59.999, { maxTokenAgeSeconds: 60 }, "local"],
    ["at the maximum age", 60, { maxTokenAgeSeconds: 60 }, "store"],
    ["of no age at all", 0, { maxTokenAgeSeconds: 0 }, "store"],
    ["a maximum age beyond exp", 299, { maxTokenAgeSeconds: 10_000 }, "local"],
  ])("%s", async (_case, age, options, expected) => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    world.clock.now += age;
    const result = await world.authority.authenticateJwt({ sessionJwt: accessToken, ...options });
    const asked = ["sessionToken", "member", "organization"].filter((name) => name in result);
    expect(asked).toEqual(expected === "store" ? ["sessionToken", "member", "organization"] : []);
    expect(result.sessionJwt === accessToken).toBe(expected === "local");
  });

  it("returns the session, the member and the organization as they are now", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.directory.setRoles("user_ada", "org_acme", ["viewer"]);
    world.clock.now += 300;
    const result = await world.authority.authenticateJwt({
      sessionJwt: first.accessToken,
      authorizationCheck: READ,
    });
    expect(result).toEqual({
      memberSession: {
        ...first.memberSession,
        roles: ["viewer"],
        lastAccessedAt: "2027-01-15T08:05:00.000Z",
      },
      sessionJwt: expect.any(String),
      sessionToken: expect.stringMatching(/^[\w-]{64}$/),
      member: {
        ...first.member,
        roles: ["viewer"],
        roleAssignments: [{ role: "viewer", sources: [{ type: "direct_assignment" }] }],
      },
      organization: first.organization,
      verdict: expect.objectContaining({ authorized: true, grantingRoles: ["viewer"], source: "store" }),
    });
    expect(claimsOf(result.sessionJwt)).toMatchObject({
      iat: START + 300,
      exp: START + 600,
      auth_time: START,
    });
  });

  it("does not spend the refresh token", async () => {
    const world = makeWorld();
    const { accessToken, refreshToken } = await signInAda(world);
    await world.authority.authenticateJwt({ sessionJwt: accessToken, maxTokenAgeSeconds: 0 });
    const next = await world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(Buffer.from(next.refreshToken, "base64url").readUInt32BE(18)).toBe(1);
  });

  it("extends the session only when it is told by how much", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    const { accessToken } = await signInAda(world);
    const ask = async (sessionDurationMinutes?: number): Promise<string | undefined> => {
      const input = { sessionJwt: accessToken, maxTokenAgeSeconds: 0, sessionDurationMinutes };
      return (await world.authority.authenticateJwt(input)).memberSession.expiresAt;
    };
    expect(await ask()).toBe("2027-01-15T08:16:40.000Z");
    expect(await ask(60)).toBe("2027-01-15T09:00:00.000Z");
    world.clock.now += 60;
    expect(await ask()).toBe("2027-01-15T09:00:00.000Z");
    expect(await ask(5)).toBe("2027-01-15T09:00:00.000Z");
  });

  it("renews an expired token within expiredTokenRenewal, and not beyond", async () => {
    const world = makeWorld({ expiredTokenRenewal: 100 });
    const { accessToken } = await signInAda(world);
    world.clock.now += 399;
    expect((await world.authority.authenticateJwt({ sessionJwt: accessToken })).sessionToken).toBeDefined();
    world.clock.now += 1;
    expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: accessToken }))).toBe(
      "token_expired",
    );
  });

  it("refuses a session that has ended", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    const { accessToken } = await signInAda(world);
    world.clock.now += 1000;
    expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: accessToken }))).toBe(
      "session_revoked expired",
    );
  });

  it("R-28: refuses a revoked session at once, although its token is fresh", async () => {
    const world = makeWorld();
    const { accessToken, memberSession } = await signInAda(world);
    const other = await world.authority.authenticate({ userId: "user_bob", authenticationMethod: "SSO" });
    await world.authority.revoke({ sessionId: memberSession.id });
    expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: accessToken }))).toBe(
      "session_revoked revoked",
    );
    const still = await world.authority.authenticateJwt({ sessionJwt: other.accessToken });
    expect(still).not.toHaveProperty("sessionToken");
  });

  it("R-28: asks the store about a fresh token when the directory announced a change of its member", async () => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    world.clock.now += 1;
    world.directory.setRoles("user_ada", "org_acme", []);
    const asked = await world.authority.authenticateJwt({ sessionJwt: accessToken });
    expect(asked.memberSession.roles).toEqual([]);
    world.directory.removeUser("user_ada");
    expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: accessToken }))).toBe(
      "session_revoked user_removed",
    );
  });
});

describe("the authorization check", () => {
  const ages = [
    ["locally", 0],
    ["by the store", 300],
  ] as const;

  it.each(ages)("is denied %s", async (_path, age) => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world, "org_globex");
    world.clock.now += age;
    const ask = (check: Partial<typeof READ>): Promise<string> =>
      refusedWith(
        world.authority.authenticateJwt({
          sessionJwt: accessToken,
          authorizationCheck: { ...READ, organizationId: "org_globex", ...check },
        }),
      );
    expect(await ask({ action: "write" })).toBe("permission_denied");
    expect(await ask({ resource: "__proto__" })).toBe("permission_denied");
    expect(await ask({ organizationId: "org_acme" })).toBe("organization_mismatch");
    expect(await ask({ organizationId: "globex" })).toBe("organization_mismatch");
    expect(await ask({ action: "" })).toBe("invalid_request");
  });

  it.each(ages)("is for a member of no organization refused %s", async (_path, age) => {
    const world = makeWorld();
    const { accessToken } = await world.authority.authenticate({
      userId: "user_nora",
      authenticationMethod: "SSO",
    });
    world.clock.now += age;
    const asking = world.authority.authenticateJwt({ sessionJwt: accessToken, authorizationCheck: READ });
    expect(await refusedWith(asking)).toBe("organization_mismatch");
  });

  it.each(ages)("is unknown, and not denied, without a policy (%s)", async (_path, age) => {
    const world = makeWorld({ policy: undefined });
    const { accessToken } = await signInAda(world);
    world.clock.now += age;
    const asking = world.authority.authenticateJwt({ sessionJwt: accessToken, authorizationCheck: READ });
    expect(await refusedWith(asking)).toBe("store_unavailable policy_missing");
    expect(world.authority).not.toHaveProperty("policy");
  });

  it("changes nothing when it is denied", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    const { accessToken } = await signInAda(world);
    world.clock.now += 300;
    const denied = world.authority.authenticateJwt({
      sessionJwt: accessToken,
      sessionDurationMinutes: 600,
      authorizationCheck: { ...READ, organizationId: "org_globex" },
    });
    expect(await refusedWith(denied)).toBe("organization_mismatch");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toMatchObject([
      { expiresAt: "2027-01-15T08:16:40.000Z", lastAccessedAt: "2027-01-15T08:00:00.000Z" },
    ]);
  });
});

describe("a token that is no session JWT", () => {
  it.each([
    ["nothing", () => ""],
    ["garbage", () => "a.b.c"],
    ["a changed payload", (token: string) => `${token.slice(0, 250)}A${token.slice(251)}`],
    ["a signature too short", (token: string) => token.slice(0, -2)],
    ["a refresh token", () => "A".repeat(96)],
  ])("is refused without asking the store: %s", async (_case, spoil) => {
    const world = makeWorld();
    const counted = countStoreCalls(world);
    const { accessToken } = await counted.authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "SSO",
    });
    const input = { sessionJwt: spoil(accessToken), maxTokenAgeSeconds: 0 };
    expect(await refusedWith(counted.authority.authenticateJwt(input))).toMatch(/^invalid_token/);
    expect(counted.count).toBe(0);
  });

  it("is refused when another authority made it", async () => {
    const { accessToken } = await signInAda(makeWorld());
    const { authority } = makeWorld();
    expect(await refusedWith(authority.authenticateJwt({ sessionJwt: accessToken }))).toBe(
      "invalid_token unknown_key",
    );
  });

  it("is refused before its time", async () => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    world.clock.now -= 10;
    expect(await refusedWith(world.authority.authenticateJwt({ sessionJwt: accessToken }))).toBe(
      "clock_skew",
    );
  });

  it.each([
    { maxTokenAgeSeconds: NaN },
    { maxTokenAgeSeconds: -1 },
    { maxTokenAgeSeconds: "60" },
    { maxTokenAgeSeconds: Infinity },
    { sessionDurationMinutes: 4 },
    { sessionDurationMinutes: 527_041 },
    { sessionDurationMinutes: NaN },
    { authorizationCheck: { organizationId: "org_acme" } },
    { authorizationCheck: null },
    { sessionJwt: undefined },
  ])("is refused with %j", async (mistake) => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    const asking = world.authority.authenticateJwt({ sessionJwt: accessToken, ...mistake } as never);
    expect(await refusedWith(asking)).toBe("invalid_request");
  });
});

describe("authenticateSession", () => {
  it("answers for a session token while the session lives", async () => {
    const world = makeWorld();
    const { accessToken, memberSession } = await signInAda(world);
    const { sessionToken = "" } = await world.authority.authenticateJwt({
      sessionJwt: accessToken,
      maxTokenAgeSeconds: 0,
    });
    await world.authority.rotateKeys();
    world.clock.now += 100_000;
    const result = await world.authority.authenticateSession({ sessionToken, authorizationCheck: READ });
    expect(result).toMatchObject({
      memberSession: { id: memberSession.id },
      verdict: { source: "store" },
      organization: { id: "org_acme" },
    });
    expect(await world.authority.authenticateSession({ sessionToken: result.sessionToken })).toMatchObject({
      memberSession: { id: memberSession.id },
    });
    await world.authority.revoke({ sessionId: memberSession.id });
    expect(await refusedWith(world.authority.authenticateSession({ sessionToken }))).toBe(
      "session_revoked revoked",
    );
  });

  it("R-13: does not adopt a session token that it did not make", async () => {
    const world = makeWorld();
    const { accessToken } = await signInAda(world);
    const { sessionToken = "" } = await world.authority.authenticateJwt({
      sessionJwt: accessToken,
      maxTokenAgeSeconds: 0,
    });
    const forged = Buffer.from(sessionToken, "base64url");
    forged.writeUInt8(forged.readUInt8(47) ^ 1, 47);
    for (const token of [forged.toString("base64url"), "", "A".repeat(64), `${sessionToken}=`]) {
      expect(await refusedWith(world.authority.authenticateSession({ sessionToken: token }))).toBe(
        "invalid_token",
      );
    }
  });
});
