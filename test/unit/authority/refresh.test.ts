import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../../../src/authority/index.ts";
import type { AuthenticationResult } from "../../../src/authority/index.ts";
import { claimsOf, makeDirectory, makeWorld, refusedWith, signInAda, START } from "./set-up.ts";
import type { World } from "./set-up.ts";

function refresh(
  { authority }: Pick<World, "authority">,
  refreshToken: string,
  organizationId?: string,
): Promise<AuthenticationResult> {
  return authority.authenticateWithRefreshToken({ refreshToken, organizationId });
}

function countReuse({ events }: World): number {
  return events.filter(({ type }) => type === "reuse_detected").length;
}

describe("authenticateWithRefreshToken", () => {
  it("returns a new pair for the same session", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    world.clock.now += 1000;
    const second = await refresh(world, first.refreshToken);
    expect(second.refreshToken).not.toBe(first.refreshToken);
    expect(second.memberSession).toEqual({
      ...first.memberSession,
      lastAccessedAt: "2027-01-15T08:16:40.000Z",
    });
    expect(claimsOf(second.accessToken)).toMatchObject({
      auth_time: START,
      iat: START + 1000,
      exp: START + 1300,
    });
  });

  it("reads roles, names and memberships as they are now", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    world.directory.setRoles("user_ada", "org_acme", ["viewer"]);
    expect((await refresh(world, refreshToken)).member.roles).toEqual(["viewer"]);
  });

  it("continues in another organization, and stays in it", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await refresh(world, first.refreshToken, "org_globex");
    expect(second.memberSession).toMatchObject({
      id: first.memberSession.id,
      organizationId: "org_globex",
      memberId: "user_ada:org_globex",
      roles: ["viewer"],
    });
    expect((await refresh(world, second.refreshToken)).organizationId).toBe("org_globex");
  });

  it("refuses an organization of which the user is no member, and spends nothing", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    expect(await refusedWith(refresh(world, refreshToken, "org_closed"))).toBe("organization_not_available");
    expect((await refresh(world, refreshToken)).organizationId).toBe("org_acme");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(1);
  });

  it("seals the new pair when asked to", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    const session = { sealSession: true, cookiePassword: "a password of more than thirty-two characters" };
    const result = await world.authority.authenticateWithRefreshToken({ refreshToken, session });
    expect(result.sealedSession).toMatch(/^Fe26\.2\*/);
  });

  it("keeps the record small when it rotates often", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    let { refreshToken } = first;
    for (let time = 0; time < 50; time += 1) {
      world.clock.now += 10;
      ({ refreshToken } = await refresh(world, refreshToken));
    }
    const stored = await world.repository.read("sessions", first.memberSession.id);
    expect(JSON.stringify(stored).length).toBeLessThan(3000);
  });
});

describe("a lost reply", () => {
  it("R-23: is repeated with the same pair, inside the grace window and long after it", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    const lost = await refresh(world, refreshToken);
    for (const seconds of [0, 29, 1, 100_000]) {
      world.clock.now += seconds;
      const again = await refresh(world, refreshToken);
      expect(again.refreshToken).toBe(lost.refreshToken);
      expect(claimsOf(again.accessToken)["iat"]).toBe(world.clock.now);
    }
    expect(countReuse(world)).toBe(0);
  });

  it("R-24: is repeated inside the grace window also when the successor is in use", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await refresh(world, first.refreshToken);
    await refresh(world, second.refreshToken);
    world.clock.now += 29.999;
    expect((await refresh(world, first.refreshToken)).refreshToken).toBe(second.refreshToken);
  });

  it("continues from the successor when another organization is wanted", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await refresh(world, first.refreshToken);
    const elsewhere = await refresh(world, first.refreshToken, "org_globex");
    expect(elsewhere.organizationId).toBe("org_globex");
    expect([first.refreshToken, second.refreshToken]).not.toContain(elsewhere.refreshToken);
    // Whoever asks for the same again is given the same again, and the one in between leads there too.
    expect((await refresh(world, first.refreshToken, "org_globex")).refreshToken).toBe(
      elsewhere.refreshToken,
    );
    expect((await refresh(world, second.refreshToken)).refreshToken).toBe(elsewhere.refreshToken);
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(1);
  });
});

async function steal(world: World): Promise<{ stolen: string; current: string }> {
  const first = await signInAda(world);
  const second = await refresh(world, first.refreshToken);
  const third = await refresh(world, second.refreshToken);
  world.clock.now += 30;
  return { stolen: first.refreshToken, current: third.refreshToken };
}

describe("R-24: a retired refresh token", () => {
  it("ends the whole family, with one event", async () => {
    const world = makeWorld();
    const { stolen, current } = await steal(world);
    expect(await refusedWith(refresh(world, stolen))).toBe("session_revoked reuse_detected");
    expect(await refusedWith(refresh(world, current))).toBe("session_revoked revoked");
    expect(await refusedWith(refresh(world, stolen))).toBe("session_revoked revoked");
    expect(countReuse(world)).toBe(1);
    expect(await world.authority.listSessions({ userId: "user_ada" })).toEqual([]);
    expect(world.invalidated).toContainEqual({ sessionId: expect.any(String) });
  });

  it("ends the session with one event when many clients present it at once", async () => {
    const world = makeWorld();
    const { stolen, current } = await steal(world);
    const attempts = [stolen, stolen, current, stolen, stolen].map((token) =>
      refusedWith(refresh(world, token)).catch(() => "passed"),
    );
    await Promise.all(attempts);
    expect(countReuse(world)).toBe(1);
    expect(await refusedWith(refresh(world, current))).toBe("session_revoked revoked");
  });

  it("is detected also while the directory is down", async () => {
    const directory = makeDirectory();
    let isDown = false;
    const world = makeWorld({
      directory: {
        ...directory,
        user: async (id) => (isDown ? Promise.reject(new Error("down")) : directory.user(id)),
      },
    });
    const { stolen } = await steal(world);
    isDown = true;
    expect(await refusedWith(refresh(world, stolen))).toBe("session_revoked reuse_detected");
  });

  it("is detected when it is presented for another organization", async () => {
    const world = makeWorld();
    const { stolen } = await steal(world);
    expect(await refusedWith(refresh(world, stolen, "org_globex"))).toBe("session_revoked reuse_detected");
  });
});

describe("R-24: a refresh token that was never issued", () => {
  it("ends no session, whichever session it names", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    let { refreshToken: current } = await refresh(world, refreshToken);
    for (let time = 0; time < 3; time += 1) {
      world.clock.now += 1000;
      ({ refreshToken: current } = await refresh(world, current));
    }
    const bytes = Buffer.from(current, "base64url");
    const forgeries = [0, 1, 2, 3, 4, 5, 99].map((generation) => {
      const forged = Buffer.from(bytes);
      forged.writeUInt32BE(generation, 18);
      forged.fill(7, 22);
      return forged.toString("base64url");
    });
    for (const forged of [...forgeries, "", "x", "A".repeat(96)]) {
      expect(await refusedWith(refresh(world, forged))).toMatch(/^(invalid_token|session_revoked revoked)$/);
    }
    expect(await refusedWith(refresh(world, 7 as unknown as string))).toBe("invalid_request");
    expect(countReuse(world)).toBe(0);
    expect((await refresh(world, current)).organizationId).toBe("org_acme");
  });
});

describe("the end of a session", () => {
  it("R-22: comes at its expiry, to the second", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    const { refreshToken } = await signInAda(world);
    world.clock.now += 999;
    const { refreshToken: next, accessToken } = await refresh(world, refreshToken);
    expect(claimsOf(accessToken)["exp"]).toBe(START + 1000);
    world.clock.now += 1;
    expect(await refusedWith(refresh(world, next))).toBe("session_revoked expired");
  });

  it("is the idle timeout after the last use", async () => {
    const world = makeWorld({ idleTimeout: 600 });
    let { refreshToken } = await signInAda(world);
    for (let time = 0; time < 3; time += 1) {
      world.clock.now += 599;
      ({ refreshToken } = await refresh(world, refreshToken));
    }
    world.clock.now += 600;
    expect(await refusedWith(refresh(world, refreshToken))).toBe("session_revoked idle");
    expect(await refusedWith(refresh(world, refreshToken))).toBe("session_revoked revoked");
  });

  it("R-28: comes when the membership is gone", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    world.directory.removeMembership("user_ada", "org_acme");
    expect(await refusedWith(refresh(world, refreshToken))).toBe("session_revoked membership_removed");
    await world.directory.addMembership({ userId: "user_ada", organizationId: "org_acme", roles: [] });
    expect(await refusedWith(refresh(world, refreshToken))).toBe("session_revoked revoked");
  });

  it("R-28: comes when the user is gone", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    world.directory.removeUser("user_ada");
    expect(await refusedWith(refresh(world, refreshToken))).toBe("session_revoked user_removed");
  });
});

describe("R-20: many concurrent renewals", () => {
  it("get one successor", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    const results = await Promise.all(Array.from({ length: 200 }, () => refresh(world, refreshToken)));
    expect(new Set(results.map((result) => result.refreshToken)).size).toBe(1);
    expect(countReuse(world)).toBe(0);
  });

  it("R-21: get one successor from several authorities over one repository", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    const others = Array.from({ length: 8 }, () =>
      createAuthority({
        issuer: "https://app.example.com",
        directory: world.directory,
        repository: world.repository,
        clock: () => world.clock.now,
      }),
    );
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, index) =>
        (others[index % 8] ?? world.authority).authenticateWithRefreshToken({ refreshToken }),
      ),
    );
    expect(new Set(results.map((result) => result.refreshToken)).size).toBe(1);
  });
});
