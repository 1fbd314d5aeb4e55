import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../../../src/authority/index.ts";
import type { Authority } from "../../../src/authority/index.ts";
import { scheduleRepository } from "./scheduled-repository.ts";
import { makeRandom, makeWorld, signInAda } from "./set-up.ts";
import type { World } from "./set-up.ts";

const GENERATION_AT = 18;

interface History {
  readonly tokens: string[];
  readonly refusals: string[];
  revokedBeforeWave: boolean;
  isRevoked: boolean;
  /** Successes that began after a revocation had ended. */
  undone: number;
}

async function act(
  authority: Authority,
  random: ReturnType<typeof makeRandom>,
  { history, sessionId }: { history: History; sessionId: string },
): Promise<void> {
  if (random.below(12) === 0) {
    await authority.revoke({ sessionId });
    history.isRevoked = true;
    return;
  }
  const organizationId = random.pick([undefined, undefined, "org_acme", "org_globex"]);
  const wasRevoked = history.revokedBeforeWave;
  try {
    const refreshToken = random.pick(history.tokens);
    const result = await authority.authenticateWithRefreshToken({ refreshToken, organizationId });
    history.tokens.push(result.refreshToken);
    if (wasRevoked) history.undone += 1;
  } catch (error) {
    history.refusals.push(String(Reflect.get(Object(error), "reason")));
  }
}

/** Waves of simultaneous refreshes and revocations by two processes over one repository, interleaved at every call. */
async function play(random: ReturnType<typeof makeRandom>): Promise<{ world: World; history: History }> {
  const world = makeWorld();
  const scheduled = scheduleRepository(world.repository);
  const processes = [0, 1].map(() =>
    createAuthority({
      issuer: "https://app.example.com",
      directory: world.directory,
      repository: scheduled.repository,
      clock: () => world.clock.now,
      events: (event) => world.events.push(event),
    }),
  );
  const { refreshToken, memberSession } = await signInAda(world);
  const history = {
    tokens: [refreshToken],
    refusals: [],
    revokedBeforeWave: false,
    isRevoked: false,
    undone: 0,
  };
  for (let wave = 0; wave < 4; wave += 1) {
    const operations = Array.from({ length: 1 + random.below(5) }, () =>
      act(random.pick(processes), random, { history, sessionId: memberSession.id }),
    );
    await scheduled.run(random, operations);
    history.revokedBeforeWave = history.isRevoked;
    world.clock.now += random.pick([0, 1, 31]);
  }
  return { world, history };
}

describe("R-24: random interleavings of two processes", () => {
  const seed = 4_242;

  it(`never fork a family, and never undo a revocation (seed ${seed})`, async () => {
    const random = makeRandom(seed);
    const seen = new Set<string>();
    for (let round = 0; round < 80; round += 1) {
      const { world, history } = await play(random);
      const byGeneration = new Map<number, string>();
      const forks = history.tokens.filter((token) => {
        const generation = Buffer.from(token, "base64url").readUInt32BE(GENERATION_AT);
        const known = byGeneration.get(generation) ?? token;
        byGeneration.set(generation, known);
        return known !== token;
      });
      const reuses = world.events.filter(({ type }) => type === "reuse_detected").length;
      const foundOut = history.refusals.includes("reuse_detected") && !history.isRevoked ? 1 : reuses;
      expect({ round, forks: forks.length, undone: history.undone, reuses }).toEqual({
        round,
        forks: 0,
        undone: 0,
        reuses: foundOut,
      });
      expect(reuses).toBeLessThanOrEqual(1);
      for (const reason of history.refusals) seen.add(reason);
      if (history.tokens.length > 3) seen.add("rotated");
    }
    // What was meant to happen did happen, and nothing else was refused.
    expect([...seen].toSorted()).toEqual(["reuse_detected", "revoked", "rotated"]);
  });
});
