import { describe, expect, it } from "@jest/globals";
import type { Invalidation } from "../../../src/fleet/coordinator.ts";
import { RecentInvalidations } from "../../../src/authority/invalidations.ts";
import { createEventSink } from "../../../src/events.ts";
import type { OrgateEvent } from "../../../src/events.ts";
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

const reported: OrgateEvent[] = [];
const events = createEventSink((event) => reported.push(event));

describe("recent invalidations", () => {
  it.each<[Invalidation]>([
    [{ sessionId: "s" }],
    [{ memberId: "m" }],
    [{ userId: "u" }],
    [{ organizationId: "o" }],
  ])("concern the tokens issued before or with %j", (target) => {
    const clock = { now: 100.5 };
    const invalidations = new RecentInvalidations({ clock: () => clock.now, events }, 300);
    expect(invalidations.concern(SESSION, 100)).toBe(false);
    invalidations.announce(target);
    expect([99, 100, 101].map((iat) => invalidations.concern(SESSION, iat))).toEqual([true, true, false]);
  });

  it("do not concern other sessions with similar names", () => {
    const invalidations = new RecentInvalidations({ clock: () => 100, events }, 300);
    for (const id of ["m", "u", "o", "__proto__"]) invalidations.announce({ sessionId: id });
    expect(invalidations.concern(SESSION, 0)).toBe(false);
  });

  it("are kept for as long as a token lives, and concern every token when there are too many", () => {
    const clock = { now: 0 };
    const invalidations = new RecentInvalidations({ clock: () => clock.now, events }, 300);
    invalidations.announce({ sessionId: "s" });
    clock.now = 300;
    invalidations.announce({ sessionId: "other" });
    expect(invalidations.concern(SESSION, 0)).toBe(true);
    for (let index = 0; index < 50_000; index += 1) invalidations.announce({ sessionId: `${index}` });
    expect(invalidations.concern(SESSION, 0)).toBe(true);
    expect(invalidations.concern(SESSION, 301)).toBe(false);
  });

  it("reach every listener when one of them fails, and the failure is reported", () => {
    const invalidations = new RecentInvalidations({ clock: () => 0, events }, 300);
    const told: Invalidation[] = [];
    invalidations.listen(() => {
      throw new Error("trouble");
    });
    const stop = invalidations.listen((target) => told.push(target));
    invalidations.announce({ userId: "u" });
    stop();
    invalidations.announce({ userId: "v" });
    expect(told).toEqual([{ userId: "u" }]);
    expect(reported).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "invalidation_listener_failed" }),
    );
  });
});
