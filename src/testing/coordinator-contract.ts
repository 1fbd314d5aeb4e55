import { CHANNEL_CASES } from "./contract/channel-cases.ts";
import type { CoordinatorCases, CoordinatorHarness } from "./contract/coordinator-harness.ts";
import { LEASE_CASES } from "./contract/lease-cases.ts";
import { RESULT_CASES } from "./contract/result-cases.ts";
import { type ContractOptions, type ContractTest, toTests } from "./contract/run-cases.ts";

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
  options: ContractOptions = {},
): readonly ContractTest[] {
  const open = async (): Promise<CoordinatorHarness> => makeHarness();
  return toTests(COORDINATOR_CASES, open, { ...options, kind: "OrgateCoordinatorContract" });
}
