import { isObject } from "../../lib/values.ts";

/** Thrown to skip a case. */
export class CaseSkipped extends Error {
  override readonly name: string = "CaseSkipped";
  readonly #lacks: string;

  constructor(lacks: string) {
    super(`There is no ${lacks}`);
    this.#lacks = lacks;
  }

  /** Returns what the subject or the harness lacks; `undefined` for any other thrown value. */
  static lackOf(thrown: unknown): string | undefined {
    return isObject(thrown) && #lacks in thrown ? thrown.#lacks : undefined;
  }
}

/** Skips the case if a value that it is about is absent. */
export function skipUnless<Value>(value: Value | undefined, lacks: string): asserts value is Value {
  if (value === undefined) throw new CaseSkipped(lacks);
}
