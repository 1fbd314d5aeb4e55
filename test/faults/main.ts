import type { FaultContext, FaultTest } from "./context.ts";
import { crashPoints } from "./crash-points.ts";
import { outages } from "./outages.ts";
import { pendingTokens } from "./pending-tokens.ts";
import { revocationBound } from "./revocation.ts";
import { rollingDeploy } from "./rolling-deploy.ts";
import { sleepingHolder } from "./sleeping-holder.ts";
import { soak } from "./soak.ts";
import { refreshStorm } from "./storm.ts";
import { theft } from "./theft.ts";

const TESTS: Readonly<Record<string, FaultTest>> = {
  storm: refreshStorm,
  crash: crashPoints,
  sleep: sleepingHolder,
  theft,
  revocation: revocationBound,
  outages,
  deploy: rollingDeploy,
  pending: pendingTokens,
  soak,
};

interface FaultRun extends Omit<FaultContext, "random"> {
  readonly seed: number;
  /** Whether the first result that is not as it must be ends the run. */
  readonly stopsAtFailure: boolean;
}

/** Runs fault tests, and prints one line of JSON for each result. Returns whether everything is as it must be. */
export async function runFaults(
  names: readonly string[],
  { seed, stopsAtFailure, ...context }: FaultRun,
): Promise<boolean> {
  const chosen = names.length === 0 ? Object.keys(TESTS) : names;
  let isGood = true;
  for (const name of chosen) {
    const test = TESTS[name];
    if (test === undefined)
      throw new Error(`no fault test is called ${name}: ${Object.keys(TESTS).join(", ")}`);
    const startedAt = Date.now();
    for await (const { failures, ...result } of test({ ...context, random: randomFrom(seed) })) {
      const seconds = Math.round((Date.now() - startedAt) / 1000);
      const unique = [...new Set(failures)].slice(0, 10);
      console.log(JSON.stringify({ ...result, ok: unique.length === 0, failures: unique, seconds, seed }));
      isGood &&= unique.length === 0;
      if (stopsAtFailure && !isGood) return false;
    }
  }
  return isGood;
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
