import type { WireAnswer } from "./router.ts";

const BRAND = Symbol.for("orgate.wire-refusal");

/** A refusal in a protocol's own words, thrown to end the operation. */
export class WireRefusal extends Error {
  override readonly name: string = "WireRefusal";
  readonly answer: WireAnswer;

  constructor(answer: WireAnswer) {
    super(`Refused with status ${answer.status}`);
    this.answer = answer;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Whether a thrown value is a refusal of a protocol. */
export function isWireRefusal(value: unknown): value is WireRefusal {
  return typeof value === "object" && value !== null && Reflect.get(value, BRAND) === true;
}
