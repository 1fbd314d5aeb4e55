import process from "node:process";
import { CaseSkipped } from "./case-skipped.ts";

/** One case of a contract, for any test runner. */
export interface ContractTest {
  readonly name: string;
  /**
   * Makes a harness, tests the promise and closes the harness. Rejects with an `AssertionError` if the promise is broken.
   *
   * @returns `skipped` if the subject or the harness lacks what the case is about; `onSkipped` is called with the reason.
   */
  readonly run: () => Promise<"passed" | "skipped">;
}

/** Options of a contract. */
export interface ContractOptions {
  /** Called for every skipped case, with what is missing. @defaultValue a process warning */
  readonly onSkipped?: (name: string, lacks: string) => void;
}

/**
 * Makes tests of the cases of a contract.
 *
 * @param open - makes a new subject for each case
 * @param kind - names the process warning of a skipped case
 */
export function toTests<Subject extends { close(): void | Promise<void> }>(
  cases: Readonly<Record<string, (subject: Subject) => Promise<void>>>,
  open: () => Promise<Subject>,
  { onSkipped, kind }: ContractOptions & { readonly kind: string },
): readonly ContractTest[] {
  const skip =
    onSkipped ?? ((name, lacks) => process.emitWarning(`skipped "${name}": there is no ${lacks}`, kind));
  return Object.entries(cases).map(([name, check]) => ({
    name,
    async run() {
      const subject = await open();
      try {
        await check(subject);
        return "passed";
      } catch (error) {
        const lacks = CaseSkipped.lackOf(error);
        if (lacks === undefined) throw error;
        skip(name, lacks);
        return "skipped";
      } finally {
        await subject.close();
      }
    },
  }));
}
