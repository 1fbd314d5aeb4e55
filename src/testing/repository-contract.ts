import { REPOSITORY_CASES, type RepositoryHarness, RepositorySubject } from "./contract/repository-cases.ts";
import { type ContractOptions, type ContractTest, toTests } from "./contract/run-cases.ts";

/**
 * Lists what the authority relies on in every `Repository`, as tests for any runner.
 *
 * @example
 * ```ts
 * describe("my repository keeps the contract", () => {
 *   for (const { name, run } of repositoryContract(makeHarness)) it(name, run);
 * });
 * ```
 * @param makeHarness - makes a repository without documents, and its harness, for each case
 */
export function repositoryContract(
  makeHarness: () => RepositoryHarness | Promise<RepositoryHarness>,
  options: ContractOptions = {},
): readonly ContractTest[] {
  const open = async (): Promise<RepositorySubject> => RepositorySubject.open(await makeHarness());
  return toTests(REPOSITORY_CASES, open, { ...options, kind: "OrgateRepositoryContract" });
}
