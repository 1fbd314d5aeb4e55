import { definePolicy } from "orgate";
import { costOf, spreadOf, type Cost } from "./statistics.ts";
import type { Row } from "./table.ts";

const SIZES = [10, 1_000, 100_000];
const CHECKS = 100_000;
const ACTIONS = ["read", "write", "delete"] as const;
const ROLES = ["viewer", "editor"];

/**
 * Measures the look-up that every permission check makes, in policies of different sizes: another resource each time, in
 * random order, so that the processor's caches do not help.
 */
export async function measurePolicies(rounds: number): Promise<readonly Row[]> {
  const cases = SIZES.map((size) => ({ size, check: prepareChecks(size), taken: [] as number[] }));
  for (let round = -1; round < rounds; round += 1) {
    for (const { check, taken } of cases) {
      const { cpu } = await check();
      if (round >= 0) taken.push((1000 * cpu) / CHECKS);
    }
  }
  return cases.map(({ size, taken }) => ({
    what: `${size.toLocaleString("en")} resources, another each time`,
    measured: spreadOf(taken),
    unit: "ns",
    digits: 0,
    target: { atMost: 1_000 },
  }));
}

function prepareChecks(size: number): () => Promise<Cost> {
  const names = shuffle(Array.from({ length: size }, (_, index) => `resource_${index}`));
  const policy = definePolicy({
    resources: Object.fromEntries(names.map((name) => [name, ACTIONS])),
    roles: {
      viewer: Object.fromEntries(names.map((name) => [name, ["read"] as const])),
      editor: Object.fromEntries(names.map((name) => [name, ["read", "write"] as const])),
      admin: Object.fromEntries(names.map((name) => [name, "*"] as const)),
    },
  });
  return () =>
    costOf(() => {
      let granted = 0;
      for (let check = 0; check < CHECKS; check += 1) {
        const action = (check & 1) === 0 ? "write" : "delete";
        const granting = policy.grantingRoles(names[check % size] ?? "", action);
        if (ROLES.some((role) => granting.has(role))) granted += 1;
      }
      if (granted !== CHECKS / 2) throw new Error(`${granted} of ${CHECKS} checks were granted, not half`);
    });
}

/** Seeded (a linear congruential generator), so that two runs measure the same order. */
function shuffle(names: readonly string[]): readonly string[] {
  let state = 1;
  return names
    .map((name) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return { name, place: state };
    })
    .toSorted((one, other) => one.place - other.place)
    .map(({ name }) => name);
}
