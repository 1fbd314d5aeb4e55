import process from "node:process";
import { CHANNEL_CASES } from "./contract/channel-cases.ts";
import type { CoordinatorCases, CoordinatorHarness } from "./contract/coordinator-harness.ts";
import { LEASE_CASES } from "./contract/lease-cases.ts";
import { RESULT_CASES } from "./contract/result-cases.ts";
import { CaseSkipped } from "./contract/subject.ts";

/** One case of the contract, for any test runner. */
export interface CoordinatorContractTest {
  readonly name: string;
  /**
   * Makes a harness, tests the promise and closes the harness. Rejects with an `AssertionError` if the coordinator breaks the
   * promise.
   *
   * @returns `skipped` if the coordinator or the harness lacks what the case is about; `onSkipped` is called with the reason.
   */
  readonly run: () => Promise<"passed" | "skipped">;
}

/** Options of `coordinatorContract()`. */
export interface CoordinatorContractOptions {
  /** Called for every skipped case, with what is missing. @defaultValue a process warning */
  readonly onSkipped?: (name: string, lacks: string) => void;
}

const COORDINATOR_CASES: CoordinatorCases = { ...LEASE_CASES, ...RESULT_CASES, ...CHANNEL_CASES };

/**
 * Lists what orgate relies on in every `Coordinator`, as tests for any runner.
 *
 * @example
 * ```ts
 * describe("my coordinator keeps the contract", () => {
 *   for (const { name, run } of coordinatorContract(makeHarness)) it(name, run);
 * });
 * ```
 * @param makeHarness - makes a new coordinator and its harness for each case.
 */
export function coordinatorContract(
  makeHarness: () => CoordinatorHarness | Promise<CoordinatorHarness>,
  { onSkipped = warnOfSkipped }: CoordinatorContractOptions = {},
): readonly CoordinatorContractTest[] {
  return Object.entries(COORDINATOR_CASES).map(([name, check]) => ({
    name,
    async run() {
      const harness = await makeHarness();
      try {
        await check(harness);
        return "passed";
      } catch (error) {
        const lacks = CaseSkipped.lackOf(error);
        if (lacks === undefined) throw error;
        onSkipped(name, lacks);
        return "skipped";
      } finally {
        await harness.close();
      }
    },
  }));
}

function warnOfSkipped(name: string, lacks: string): void {
  process.emitWarning(`skipped "${name}": there is no ${lacks}`, "OrgateCoordinatorContract");
}
