import { describe, expect, it } from "@jest/globals";
import type { Repository } from "../../../src/authority/index.ts";
import { makeWorld, refusedWith, signInAda } from "./set-up.ts";

describe("a session that other processes write all the time", () => {
  it("is unavailable, and not lost", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    const repository = { ...world.repository, compareAndSet: async () => false };
    const contended = makeWorld({ repository }, world.clock);
    const refreshing = contended.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(refreshing)).toBe("store_unavailable contention");
    expect((await world.authority.authenticateWithRefreshToken({ refreshToken })).organizationId).toBe(
      "org_acme",
    );
  });

  it("is unavailable when its id is taken", async () => {
    const world = makeWorld();
    const taken = makeWorld({ repository: { ...world.repository, insert: async () => false } });
    expect(await refusedWith(signInAda(taken))).toBe("store_unavailable session_id_taken");
  });
});

describe("a stored session", () => {
  it("is listed by its user and its member, which are what it is looked for by", async () => {
    const world = makeWorld();
    const written: (readonly string[] | undefined)[] = [];
    const repository: Repository = {
      ...world.repository,
      insert(collection, id, value, options) {
        if (collection === "sessions") written.push(options.indexes);
        return world.repository.insert(collection, id, value, options);
      },
    };
    await signInAda(makeWorld({ repository }));
    expect(written).toEqual([["user:user_ada", expect.stringMatching(/^member:/)]]);
  });
});
