import { fileURLToPath } from "node:url";
import { definePolicy } from "../src/policy/policy.ts";
import type { Policy } from "../src/policy/policy.ts";
import { decideVerdict } from "../src/policy/verdict.ts";

/** One size of policy: the cost of compiling it and of checks against it. */
export interface PolicyRow {
  readonly resources: number;
  readonly compileMilliseconds: number;
  readonly heapMegabytes: number;
  /** A check of a different resource each time, in random order, so that the processor's caches do not help. */
  readonly scattered: Spread;
  /** Repeated checks of one resource, like a guard on a route. */
  readonly repeated: Spread;
}

/** CPU nanoseconds for one check. */
export interface Spread {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

const SIZES = [10, 1_000, 100_000];
const ROUNDS = 15;
const CHECKS = 200_000;
const ACTIONS = ["read", "write", "delete"] as const;

/** Measures the sizes interleaved, so that load of other processes affects all of them. */
export function measurePolicies(): readonly PolicyRow[] {
  const cases = SIZES.map((size) => prepare(size));
  for (let round = 0; round <= ROUNDS; round += 1) {
    for (const { policy, names, scattered, repeated } of cases) {
      const one = names[names.length >> 1] ?? "";
      const far = timeChecks(policy, names);
      const near = timeChecks(policy, [one]);
      // The first round warms up.
      if (round === 0) continue;
      scattered.push(far);
      repeated.push(near);
    }
  }
  return cases.map(({ names, compileMilliseconds, heapMegabytes, scattered, repeated }) => ({
    resources: names.length,
    compileMilliseconds,
    heapMegabytes,
    scattered: spreadOf(scattered),
    repeated: spreadOf(repeated),
  }));
}

function prepare(size: number) {
  const names = Array.from({ length: size }, (_, index) => `resource_${index}`);
  const definition = {
    resources: Object.fromEntries(names.map((name) => [name, ACTIONS])),
    roles: {
      viewer: Object.fromEntries(names.map((name) => [name, ["read"] as const])),
      editor: Object.fromEntries(names.map((name) => [name, ["read", "write"] as const])),
      admin: Object.fromEntries(names.map((name) => [name, "*"] as const)),
    },
  };
  globalThis.gc?.();
  globalThis.gc?.();
  const heapBefore = process.memoryUsage().heapUsed;
  const start = process.cpuUsage();
  const policy: Policy = definePolicy(definition);
  const compileMilliseconds = cpuNanoseconds(start) / 1e6;
  globalThis.gc?.();
  globalThis.gc?.();
  const heapMegabytes = (process.memoryUsage().heapUsed - heapBefore) / 1e6;
  const empty = { scattered: [] as number[], repeated: [] as number[] };
  // Take the strings from the keys of an object: flat and interned, like strings in source code.
  const asked = shuffle(Object.keys(definition.resources));
  return { policy, names: asked, compileMilliseconds, heapMegabytes, ...empty };
}

/** The whole check: it asks the policy and makes the frozen verdict. Asserts its own results. */
function timeChecks(policy: Policy, names: readonly string[]): number {
  const roles = Object.freeze(["viewer"]);
  let granted = 0;
  let next = 0;
  const start = process.cpuUsage();
  for (let check = 0; check < CHECKS; check += 1) {
    const resource = names[next] ?? "";
    next = next + 1 === names.length ? 0 : next + 1;
    const action = (check & 1) === 0 ? "read" : "write";
    const question = {
      policy,
      roles,
      organizationId: "org_acme",
      resource,
      action,
      source: "local",
    } as const;
    if (decideVerdict(question).authorized) granted += 1;
  }
  const spent = cpuNanoseconds(start);
  if (granted !== CHECKS / 2) throw new Error(`${granted} of ${CHECKS} checks were granted, not half`);
  return spent / CHECKS;
}

function cpuNanoseconds(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) * 1000;
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

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  return {
    median: sorted[sorted.length >> 1] ?? NaN,
    lowest: sorted[0] ?? NaN,
    highest: sorted.at(-1) ?? NaN,
  };
}

/** Writes the rows as a table, with the growth from the smallest policy to the largest. */
export function printPolicies(rows: readonly PolicyRow[]): void {
  console.table(
    rows.map((row) => ({
      resources: row.resources,
      "compile, ms": Math.round(row.compileMilliseconds),
      "heap, MB": Number(row.heapMegabytes.toFixed(1)),
      "check, ns: one resource": writeSpread(row.repeated),
      "check, ns: another each time": writeSpread(row.scattered),
    })),
  );
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return;
  const growth = (kind: "repeated" | "scattered") => (last[kind].median / first[kind].median).toFixed(1);
  console.log(
    `${last.resources} resources against ${first.resources}: ${growth("repeated")} x for one resource, ` +
      `${growth("scattered")} x for another each time (limit: 5 x, and 1000 ns)`,
  );
}

function writeSpread({ median, lowest, highest }: Spread): string {
  return `${median.toFixed(0)} (${lowest.toFixed(0)}..${highest.toFixed(0)})`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) printPolicies(measurePolicies());
