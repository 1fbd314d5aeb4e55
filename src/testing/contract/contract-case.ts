import type { ContractSubject } from "./contract-subject.ts";

/** Says what a harness or a store lacks for a case: the case is skipped. */
export interface Lack {
  readonly lacks: string;
}

/** One promise that every session store makes. */
export interface ContractCase {
  readonly name: string;
  /** Rejects where the store breaks the promise. */
  readonly check: (subject: ContractSubject) => Promise<Lack | undefined>;
}
