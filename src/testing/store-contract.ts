import process from "node:process";
import { ENDING_CASES } from "./contract/ending-cases.ts";
import { PROFILE_CASES } from "./contract/profile-cases.ts";
import { RENEWAL_CASES } from "./contract/renewal-cases.ts";
import { SELECTION_CASES } from "./contract/selection-cases.ts";
import { CaseSkipped, ContractSubject, type StoreHarness } from "./contract/subject.ts";
import { SWITCHING_CASES } from "./contract/switching-cases.ts";
import { TOKEN_CASES } from "./contract/token-cases.ts";

/** One case of the contract, for any test runner. */
export interface StoreContractTest {
  readonly name: string;
  /**
   * Makes a harness, puts the promise to the test and closes the harness.
   *
   * Rejects with an `AssertionError` where the store breaks its promise.
   *
   * @returns `skipped` where the store, or the harness, lacks what the case is about; `onSkipped` is told why.
   */
  readonly run: () => Promise<"passed" | "skipped">;
}

/** How the contract is run. */
export interface StoreContractOptions {
  /** Hears of every case that is skipped, and what it lacks. @defaultValue a process warning */
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
 * What orgate relies on in every `SessionStore`, as a list of tests for any runner.
 *
 * @example
 * ```ts
 * describe("my store keeps the contract", () => {
 *   for (const { name, run } of sessionStoreContract(makeHarness)) it(name, run);
 * });
 * ```
 * @param makeHarness - makes a fresh store, and what moves it, for each case.
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
        if (!(error instanceof CaseSkipped)) throw error;
        onSkipped(name, error.lacks);
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
