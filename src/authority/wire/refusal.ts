import { type ErrorCode, type OrgateError, type StoreUnavailableError, isOrgateError } from "../../errors.ts";
import { isObject } from "../../lib/predicates.ts";

/** An answer to a wire request. */
export interface WireAnswer {
  readonly status: number;
  /** Sent as JSON; nothing is sent if it is `undefined`. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The error that an answer of status 500 or above stands for. It is not sent. */
  readonly cause?: unknown;
}

/** A refusal in the words of a protocol, thrown to end an operation. */
export class WireRefusal extends Error {
  override readonly name: string = "WireRefusal";
  readonly #answer: WireAnswer;

  constructor(answer: WireAnswer) {
    super(`Refused with status ${answer.status}`);
    this.#answer = answer;
  }

  get answer(): WireAnswer {
    return this.#answer;
  }

  /** Returns the answer of a refusal; `undefined` for any other thrown value. */
  static answerOf(thrown: unknown): WireAnswer | undefined {
    return isObject(thrown) && #answer in thrown ? thrown.#answer : undefined;
  }
}

/** How a protocol words the errors of the authority. */
export interface ErrorWording {
  /** Refusals by the code of the error. */
  readonly refusals: Readonly<Partial<Record<ErrorCode, (error: OrgateError) => WireRefusal>>>;
  /** Any other client error. */
  readonly refuse: (error: OrgateError) => WireRefusal;
  /** Contention of many renewals. @defaultValue worded like any other failure of the store */
  readonly contention?: WireAnswer;
  /** A defect (500), or a store that cannot answer now (503). */
  readonly fail: (status: 500 | 503) => WireAnswer;
}

/** Words any thrown value as an answer. An unavailable store is never a refusal: nobody is signed out by it. */
export function wordError(error: unknown, { refusals, refuse, contention, fail }: ErrorWording): WireAnswer {
  const answer = WireRefusal.answerOf(error);
  if (answer !== undefined) return answer;
  if (!isOrgateError(error)) return { ...fail(500), cause: error };
  if (error.code === "store_unavailable" || error.code === "clock_skew") {
    const { retryAfter = 1 }: Partial<StoreUnavailableError> = error;
    const headers = { "Retry-After": String(Math.max(1, Math.ceil(retryAfter))) };
    const isContention = error.reason === "contention" || error.reason === "rotating_too_fast";
    return { ...((isContention ? contention : undefined) ?? fail(503)), headers, cause: error };
  }
  const refusal = refusals[error.code]?.(error).answer;
  if (refusal !== undefined) return refusal;
  if (error.status >= 500) return { ...fail(500), cause: error };
  return { ...refuse(error).answer, headers: error.headers };
}
