import { describe, expect, it } from "@jest/globals";
import { findTokenStatus, recordPresented, rotateFamily } from "../../../src/authority/refresh-token.ts";
import type { RefreshFamily, TokenStatus } from "../../../src/authority/refresh-token.ts";
import { makeRandom } from "./set-up.ts";

const FIRST: RefreshFamily = { key: "key", generation: 0, current: "hash 0", predecessors: [] };
const GRACE = 30;

function rotateAt(family: RefreshFamily, now: number, grace = GRACE): RefreshFamily {
  const next = family.generation + 1;
  return rotateFamily(
    family,
    { hash: `hash ${next}`, sealedSuccessor: `sealed ${next}`, organizationId: null },
    { now, grace },
  );
}

function statusOf(
  family: RefreshFamily,
  generation: number,
  now: number,
  grace = GRACE,
): TokenStatus["status"] {
  return findTokenStatus(family, { generation, hash: `hash ${generation}` }, { now, grace }).status;
}

describe("findTokenStatus", () => {
  const rotated = rotateAt(FIRST, 100);
  const inUse = recordPresented(rotated, 1, 110);
  it.each([
    ["the current one", FIRST, 0, 100, "current"],
    ["the current one, however old", FIRST, 0, 1e9, "current"],
    ["a generation that does not exist yet", FIRST, 1, 100, "foreign"],
    ["rotated just now", rotated, 0, 100, "predecessor"],
    ["rotated, at the end of the grace window, the successor never seen", rotated, 0, 130, "predecessor"],
    ["rotated long ago, the successor never seen", rotated, 0, 1e9, "predecessor"],
    ["successor in use, inside the grace window", inUse, 0, 129.999, "predecessor"],
    ["successor in use, at the end of the grace window", inUse, 0, 130, "retired"],
    ["successor in use, the clock set back", inUse, 0, 0, "predecessor"],
    ["successor first seen after the grace window", recordPresented(rotated, 1, 500), 0, 500, "retired"],
    ["the successor itself", inUse, 1, 1e9, "current"],
  ] as const)("%s", (_case, family, generation, now, expected) => {
    expect(statusOf(family, generation, now)).toBe(expected);
  });

  it("returns the predecessor's own successor", () => {
    const found = findTokenStatus(rotated, { generation: 0, hash: "hash 0" }, { now: 101, grace: GRACE });
    expect(found).toEqual({
      status: "predecessor",
      predecessor: expect.objectContaining({ sealedSuccessor: "sealed 1" }),
    });
  });

  it("without a grace window retires a predecessor when its successor is first presented", () => {
    const family = rotateAt(FIRST, 100, 0);
    expect(statusOf(family, 0, 1e9, 0)).toBe("predecessor");
    expect(statusOf(recordPresented(family, 1, 100), 0, 100, 0)).toBe("retired");
  });

  it.each([0, 1])(
    "does not take a token of generation %i with other contents for the family's",
    (generation) => {
      expect(
        findTokenStatus(rotated, { generation, hash: "another" }, { now: 101, grace: GRACE }).status,
      ).toBe("foreign");
    },
  );

  it("recognises a retired token by its generation after it was forgotten", () => {
    let family = FIRST;
    for (let now = 100; now < 1000; now += 100) {
      family = rotateAt(recordPresented(family, family.generation, now), now);
    }
    expect(family.predecessors.map(({ generation }) => generation)).toEqual([8]);
    expect([0, 1, 5, 7].map((generation) => statusOf(family, generation, 1000))).toEqual(
      Array.from({ length: 4 }, () => "retired"),
    );
  });
});

describe("recordPresented", () => {
  it("returns the same family when nothing is new", () => {
    const rotated = rotateAt(FIRST, 100);
    expect(recordPresented(FIRST, 0, 100)).toBe(FIRST);
    expect(recordPresented(rotated, 0, 101)).toBe(rotated);
    const noted = recordPresented(rotated, 1, 101);
    expect(recordPresented(noted, 1, 102)).toBe(noted);
  });
});

describe("rotateFamily", () => {
  it("keeps every predecessor inside its grace window", () => {
    let family = FIRST;
    for (let now = 100; now < 110; now += 1) {
      family = rotateAt(recordPresented(family, family.generation, now), now);
    }
    expect(family.predecessors).toHaveLength(10);
    expect(family.generation).toBe(10);
  });
});

describe("a family under random use", () => {
  const seed = 20_260_101;
  it(`follows the rule, written down a second time (seed ${seed})`, () => {
    const random = makeRandom(seed);
    for (let round = 0; round < 300; round += 1) {
      let family = FIRST;
      let now = 1000;
      // The rule, without any bookkeeping of what may be forgotten.
      const rotatedAt: number[] = [];
      const firstPresentedAt: (number | undefined)[] = [];
      for (let step = 0; step < 60; step += 1) {
        now += random.pick([0, 0, 1, 5, 29, 30, 31, 100]);
        const generation = random.below(family.generation + 1);
        const successorSeen = firstPresentedAt[generation + 1];
        const since = rotatedAt[generation];
        const expected =
          generation === family.generation
            ? "current"
            : successorSeen !== undefined && since !== undefined && now >= since + GRACE
              ? "retired"
              : "predecessor";
        expect({ round, step, status: statusOf(family, generation, now) }).toEqual({
          round,
          step,
          status: expected,
        });
        if (expected === "retired") continue;
        firstPresentedAt[generation] ??= now;
        family = recordPresented(family, generation, now);
        if (expected === "current") {
          rotatedAt[generation] = now;
          family = rotateAt(family, now);
        }
      }
    }
  });
});
