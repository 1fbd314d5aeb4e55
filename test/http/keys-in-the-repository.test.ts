import { describe, expect, it } from "@jest/globals";
import { memoryRepository } from "../../src/authority/index.ts";
import type { AuthorityOptions, Repository } from "../../src/authority/index.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { cookiesSet } from "../support/servers.ts";
import { COOKIE, makeWorld, START } from "../support/world.ts";

closeAfterEach();

const SECRET = "a secret that seals the signing keys";

/** Starts processes over one repository, without keys of the application's. */
function makeFleet(durability: "shared" | "memory"): {
  clock: { now: number };
  repository: Repository;
  join(options?: Partial<AuthorityOptions>): Promise<Harness>;
} {
  const clock = { now: START };
  const repository = { ...memoryRepository({ clock: () => clock.now }), durability };
  return {
    clock,
    repository,
    join(options = {}) {
      const time = (): number => clock.now;
      const sealing = durability === "shared" ? { keyEncryption: SECRET } : {};
      const world = makeWorld({ keys: undefined, repository, clock: time, ...sealing, ...options });
      return start({ world, options: { clock: time } });
    },
  };
}

describe.each(["shared", "memory"] as const)("processes over one %s repository", (durability) => {
  it("keep everybody signed in over a restart, and on the second process", async () => {
    const fleet = makeFleet(durability);
    const before = await fleet.join();
    const { seal, accessToken } = await before.world.signIn();
    expect((await before.send({ headers: withCookie(seal) })).status).toBe(200);
    const after = await fleet.join();
    expect((await after.send({ headers: withCookie(seal) })).status).toBe(200);
    expect((await after.send({ headers: withBearer(accessToken) })).status).toBe(200);
    fleet.clock.now += 306;
    const renewed = await after.send({ headers: withCookie(seal) });
    expect(renewed.status).toBe(200);
    const back = await before.send({ headers: withCookie(cookiesSet(renewed).get(COOKIE) ?? "") });
    expect(back.status).toBe(200);
    expect(cookiesSet(back).size).toBe(0);
    expect((await before.send({ headers: withBearer(accessToken) })).status).toBe(200);
  });

  it("sign nobody out while the keys rotate again and again", async () => {
    const fleet = makeFleet(durability);
    const [a, b] = [await fleet.join(), await fleet.join()];
    let { seal } = await a.world.signIn();
    for (let step = 0; step < 24; step += 1) {
      if (step % 5 === 0) await (step % 2 === 0 ? a : b).world.authority.rotateKeys();
      fleet.clock.now += 47;
      // oxlint-disable-next-line no-await-in-loop -- one page after the other
      const answer = await (step % 3 === 0 ? a : b).send({ headers: withCookie(seal) });
      expect([step, answer.status]).toEqual([step, 200]);
      seal = cookiesSet(answer).get(COOKIE) ?? seal;
    }
  });
});

describe("a process with the wrong keyEncryption", () => {
  it("answers 503 and keeps the cookie, and the others go on", async () => {
    const fleet = makeFleet("shared");
    const right = await fleet.join();
    const { seal, accessToken } = await right.world.signIn();
    const wrong = await fleet.join({ keyEncryption: "another secret, with which nothing opens" });
    for (const headers of [withCookie(seal), withBearer(accessToken)]) {
      // oxlint-disable-next-line no-await-in-loop -- one request after the other
      const answer = await wrong.send({ headers });
      expect(answer.status).toBe(503);
      expect(answer.headers["retry-after"]).toBeDefined();
      expect(answer.headers["set-cookie"]).toBeUndefined();
      expect(answer.body).not.toContain("keyEncryption");
    }
    expect(wrong.reached).toEqual([]);
    expect(wrong.world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "keys_not_opened" }),
    );
    expect(wrong.world.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", reason: "keys_not_opened" }),
    );
    expect((await right.send({ headers: withCookie(seal) })).status).toBe(200);
  });
});
