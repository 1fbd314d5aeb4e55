import { ENDING_CASES } from "./contract/ending-cases.ts";
import { RENEWAL_CASES } from "./contract/renewal-cases.ts";
import { type ContractOptions, type ContractTest, toTests } from "./contract/run-cases.ts";
import { SELECTION_CASES, SWITCHING_CASES } from "./contract/sign-in-cases.ts";
import { ContractSubject, type StoreHarness } from "./contract/subject.ts";
import { PROFILE_CASES, TOKEN_CASES } from "./contract/token-cases.ts";

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
  options: ContractOptions = {},
): readonly ContractTest[] {
  const open = async (): Promise<ContractSubject> => new ContractSubject(await makeHarness());
  return toTests(CASES, open, { ...options, kind: "OrgateStoreContract" });
}
