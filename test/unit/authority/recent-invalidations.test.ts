import { describe, expect, it } from "@jest/globals";
import type { Invalidation } from "../../../src/fleet/coordinator.ts";
import { createRecentInvalidations } from "../../../src/authority/revoke.ts";
import type { Interpretation } from "../../../src/store.ts";

const SESSION: Interpretation = {
  memberSession: {
    id: "s",
    memberId: "m",
    organizationId: "o",
    authenticationFactors: [],
    roles: [],
    customClaims: null,
  },
  member: { id: "m", userId: "u", roles: [] },
};

describe("recent invalidations", () => {
  it.each<[Invalidation]>([
    [{ sessionId: "s" }],
    [{ memberId: "m" }],
    [{ userId: "u" }],
    [{ organizationId: "o" }],
  ])("concern the tokens issued before or with %j", (target) => {
    const clock = { now: 100.5 };
    const invalidations = createRecentInvalidations(() => clock.now, 300);
    expect(invalidations.concern(SESSION, 100)).toBe(false);
    invalidations.announce(target);
    expect([99, 100, 101].map((iat) => invalidations.concern(SESSION, iat))).toEqual([true, true, false]);
  });

  it("do not concern others, whatever their names have in common", () => {
    const invalidations = createRecentInvalidations(() => 100, 300);
    for (const id of ["m", "u", "o", "__proto__"]) invalidations.announce({ sessionId: id });
    expect(invalidations.concern(SESSION, 0)).toBe(false);
  });

  it("are kept for as long as a token lives, and when they are too many hold for everybody", () => {
    const clock = { now: 0 };
    const invalidations = createRecentInvalidations(() => clock.now, 300);
    invalidations.announce({ sessionId: "s" });
    clock.now = 300;
    invalidations.announce({ sessionId: "other" });
    expect(invalidations.concern(SESSION, 0)).toBe(true);
    for (let index = 0; index < 50_000; index += 1) invalidations.announce({ sessionId: `${index}` });
    expect(invalidations.concern(SESSION, 0)).toBe(true);
    expect(invalidations.concern(SESSION, 301)).toBe(false);
  });

  it("are told to every listener, one of whom may fail", () => {
    const invalidations = createRecentInvalidations(() => 0, 300);
    const told: Invalidation[] = [];
    invalidations.listen(() => {
      throw new Error("trouble");
    });
    const stop = invalidations.listen((target) => told.push(target));
    invalidations.announce({ userId: "u" });
    stop();
    invalidations.announce({ userId: "v" });
    expect(told).toEqual([{ userId: "u" }]);
  });
});
