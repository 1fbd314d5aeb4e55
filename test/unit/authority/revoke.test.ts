import { describe, expect, it } from "@jest/globals";
import type { RevokeTarget } from "../../../src/authority/index.ts";
import { scheduleRepository } from "./scheduled-repository.ts";
import { context, makeRandom, makeWorld, refusedWith, signInAda } from "./set-up.ts";
import type { World } from "./set-up.ts";

async function idsOf({ authority }: World, userId = "user_ada"): Promise<readonly string[]> {
  return (await authority.listSessions({ userId })).map(({ id }) => id);
}

const ignore = (): undefined => undefined;

describe("revoke", () => {
  it("R-28: ends one session, announces it at once, and emits one event", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    const second = await signInAda(world);
    const sessionId = first.memberSession.id;
    await world.authority.revoke({ sessionId });
    expect(await idsOf(world)).toEqual([second.memberSession.id]);
    expect(world.invalidated).toEqual([{ sessionId }]);
    expect(world.events).toEqual([{ type: "revoked", by: "session", reason: "revoked" }]);
    await world.authority.revoke({ sessionId });
    expect(world.events).toHaveLength(1);
    const refreshing = world.authority.authenticateWithRefreshToken({ refreshToken: first.refreshToken });
    expect(await refusedWith(refreshing)).toBe("session_revoked revoked");
  });

  it("R-28: ends all sessions of a user, and no others", async () => {
    const world = makeWorld();
    await Promise.all([signInAda(world), signInAda(world, "org_globex"), signInAda(world)]);
    await world.authority.authenticate({ userId: "user_bob", authenticationMethod: "SSO" });
    await world.authority.revoke({ userId: "user_ada" });
    expect(await idsOf(world)).toEqual([]);
    expect(await idsOf(world, "user_bob")).toHaveLength(1);
    expect(world.events).toEqual([{ type: "revoked", by: "user", reason: "revoked" }]);
  });

  it("R-28: ends all sessions of a member, also those that continued in another organization", async () => {
    const world = makeWorld();
    const moved = await signInAda(world);
    await world.authority.authenticateWithRefreshToken({
      refreshToken: moved.refreshToken,
      organizationId: "org_globex",
    });
    const elsewhere = await signInAda(world, "org_globex");
    const memberId = "user_ada:org_acme";
    expect(await world.authority.listSessions({ memberId })).toEqual([]);
    expect(await world.authority.listSessions({ memberId: "user_ada:org_globex" })).toHaveLength(2);
    await world.authority.revoke({ memberId });
    expect(await idsOf(world)).toEqual([elsewhere.memberSession.id]);
  });

  it.each<[RevokeTarget]>([
    [{}],
    [{ sessionId: "a", userId: "b" }],
    [{ sessionId: "" }],
    [{ userId: 7 as unknown as string }],
    [undefined as unknown as RevokeTarget],
  ])("refuses %j", async (target) => {
    const { authority } = makeWorld();
    expect(await refusedWith(authority.revoke(target))).toBe("invalid_request");
  });

  const seed = 99;
  it(`R-24: leaves nothing of a user who is switching and refreshing meanwhile (seed ${seed})`, async () => {
    const random = makeRandom(seed);
    for (let round = 0; round < 40; round += 1) {
      const world = makeWorld();
      const scheduled = scheduleRepository(world.repository);
      const busy = makeWorld({ repository: scheduled.repository }, world.clock);
      const { memberSession, refreshToken } = await signInAda(world);
      const sessionId = memberSession.id;
      await scheduled.run(random, [
        busy.authority.revoke({ userId: "user_ada" }),
        busy.authority.exchange({ sessionId, organizationId: "org_globex" }).catch(ignore),
        busy.authority.stepUp({ sessionId, factor: { type: "totp" } }).catch(ignore),
        busy.authority.authenticateWithRefreshToken({ refreshToken }).catch(ignore),
      ]);
      expect(await world.repository.find("sessions", "user:user_ada")).toEqual([]);
      const refreshing = world.authority.authenticateWithRefreshToken({ refreshToken });
      expect(await refusedWith(refreshing)).toBe("session_revoked revoked");
    }
  });
});

describe("endSession", () => {
  it("ends a session, or all sessions of a member", async () => {
    const world = makeWorld();
    const first = await signInAda(world);
    await signInAda(world);
    await signInAda(world, "org_globex");
    expect(await world.authority.endSession({ sessionId: first.memberSession.id }, context())).toEqual({});
    expect(await idsOf(world)).toHaveLength(2);
    await world.authority.endSession({ memberId: "user_ada:org_acme" }, context());
    expect(await idsOf(world)).toHaveLength(1);
    const late = world.authority.endSession({ memberId: "x" }, { signal: AbortSignal.abort() });
    expect(await refusedWith(late)).toBe("store_unavailable aborted");
  });
});

describe("listSessions", () => {
  it("omits sessions that have ended, and users that the directory no longer has", async () => {
    const world = makeWorld({ sessionLifetime: 1000 });
    await signInAda(world);
    world.clock.now += 500;
    const later = await signInAda(world);
    await world.authority.authenticate({ userId: "user_bob", authenticationMethod: "SSO" });
    world.clock.now += 500;
    expect(await idsOf(world)).toEqual([later.memberSession.id]);
    world.directory.removeUser("user_bob");
    expect(await idsOf(world, "user_bob")).toEqual([]);
  });

  it("requires exactly one target", async () => {
    const { authority } = makeWorld();
    expect(await refusedWith(authority.listSessions({}))).toBe("invalid_request");
    expect(await refusedWith(authority.listSessions({ userId: "a", memberId: "b" }))).toBe("invalid_request");
  });
});
