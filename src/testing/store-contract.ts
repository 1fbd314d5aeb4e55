import process from "node:process";
import { ENDING_CASES } from "./contract/ending-cases.ts";
import { RENEWAL_CASES } from "./contract/renewal-cases.ts";
import { SELECTION_CASES, SWITCHING_CASES } from "./contract/sign-in-cases.ts";
import { CaseSkipped, ContractSubject, type StoreHarness } from "./contract/subject.ts";
import { PROFILE_CASES, TOKEN_CASES } from "./contract/token-cases.ts";

/** One case of the contract, for any test runner. */
export interface StoreContractTest {
  readonly name: string;
  /**
   * Makes a harness, tests the promise and closes the harness. Rejects with an `AssertionError` if the store breaks the promise.
   *
   * @returns `skipped` if the store or the harness lacks what the case is about; `onSkipped` is called with the reason.
   */
  readonly run: () => Promise<"passed" | "skipped">;
}

/** Options of `sessionStoreContract()`. */
export interface StoreContractOptions {
  /** Called for every skipped case, with what is missing. @defaultValue a process warning */
  readonly onSkipped?: (name: string, lacks: string) => void;
}

const CASES = {
  ...TOKEN_CASES,
  ...RENEWAL_CASES,
  ...SELECTION_CASES,
  ...SWITCHING_CASES,
  ...ENDING_CASES,
  ...PROFILE_CASES,
};

/**
 * Lists what orgate relies on in every `SessionStore`, as tests for any runner.
 *
 * @example
 * ```ts
 * describe("my store keeps the contract", () => {
 *   for (const { name, run } of sessionStoreContract(makeHarness)) it(name, run);
 * });
 * ```
 * @param makeHarness - makes a new store and its harness for each case.
 */
export function sessionStoreContract(
  makeHarness: () => StoreHarness | Promise<StoreHarness>,
  { onSkipped = warnOfSkipped }: StoreContractOptions = {},
): readonly StoreContractTest[] {
  return Object.entries(CASES).map(([name, check]) => ({
    name,
    async run() {
      const harness = await makeHarness();
      const subject = new ContractSubject(harness);
      try {
        await check(subject);
        return "passed";
      } catch (error) {
        const lacks = CaseSkipped.lackOf(error);
        if (lacks === undefined) throw error;
        onSkipped(name, lacks);
        return "skipped";
      } finally {
        subject.close();
        await harness.close();
      }
    },
  }));
}

function warnOfSkipped(name: string, lacks: string): void {
  process.emitWarning(`skipped "${name}": there is no ${lacks}`, "OrgateStoreContract");
}
