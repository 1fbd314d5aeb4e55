import { type BoundedMap, createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
import type { RenewalResult } from "./renew.ts";

/**
 * Stands before the store for credentials that nothing vouches for: opaque tokens, and tokens of an unknown key. Anybody can
 * make those up, so what the store refused is remembered, and too much of it closes the way for a while.
 */
export interface UnverifiedCredentialLimiter {
  /** Asks, or repeats what the store said of this very credential. */
  ask(key: string, ask: () => Promise<RenewalResult>): Promise<RenewalResult>;
  /** Ends the session of one, under the same limits. Whatever that comes to, it is refused here from now on. */
  end<Answer>(
    key: string,
    end: () => Promise<Answer>,
    isNobodys: (answer: Answer) => boolean,
  ): Promise<UnvouchedCall<Answer>>;
}

/** What came of a call under the limits. */
export type UnvouchedCall<Answer> =
  | { readonly status: "called"; readonly answer: Answer }
  /** The store has refused it before. */
  | { readonly status: "known"; readonly refusal: Refusal }
  | { readonly status: "closed"; readonly retryAfter: number };

type Refusal = Extract<RenewalResult, { status: "ended" | "rejected" }>;

const MOST_REMEMBERED = 10_000;
/** Calls under way. */
const MOST_AT_ONCE = 50;
/** Refusals within {@link WINDOW} seconds. */
const MOST_REFUSALS = 100;
const WINDOW = 60;

/** Opens a desk. */
export function createUnverifiedCredentialLimiter(clock: Clock): UnverifiedCredentialLimiter {
  const remembered = createBoundedMap<string, Refusal>(MOST_REMEMBERED);
  const limit = createLimit(clock, remembered);
  return {
    async ask(key, ask) {
      const call = await limit(key, ask, (answer) => (isRefusal(answer) ? answer : undefined));
      if (call.status === "called") return call.answer;
      if (call.status === "known") return call.refusal;
      return { status: "unavailable", reason: "unvouched_flood", retryAfter: call.retryAfter };
    },
    async end(key, end, isNobodys) {
      const call = await limit(key, end, (answer) => (isNobodys(answer) ? NOBODYS : undefined));
      if (remembered.get(key) === undefined) remembered.set(key, SIGNED_OUT);
      return call;
    },
  };
}

type Limit = <Answer>(
  key: string,
  call: () => Promise<Answer>,
  refusalIn: (answer: Answer) => Refusal | undefined,
) => Promise<UnvouchedCall<Answer>>;

function createLimit(clock: Clock, remembered: BoundedMap<string, Refusal>): Limit {
  let refusedAt: number[] = [];
  let underWay = 0;

  const secondsClosed = (): number => {
    const now = clock();
    // A clock that was set back closes nothing for longer.
    refusedAt = refusedAt.filter((at) => now - at >= 0 && now - at < WINDOW);
    if (underWay >= MOST_AT_ONCE) return 1;
    const [oldest = now] = refusedAt;
    return refusedAt.length >= MOST_REFUSALS ? Math.ceil(oldest + WINDOW - now) : 0;
  };

  return async (key, call, refusalIn) => {
    const known = remembered.get(key);
    if (known !== undefined) return { status: "known", refusal: known };
    const retryAfter = secondsClosed();
    if (retryAfter > 0) return { status: "closed", retryAfter };
    underWay += 1;
    try {
      const answer = await call();
      const refusal = refusalIn(answer);
      if (refusal !== undefined) {
        remembered.set(key, refusal);
        refusedAt.push(clock());
      }
      return { status: "called", answer };
    } finally {
      underWay -= 1;
    }
  };
}

const NOBODYS: Refusal = { status: "ended", reason: "session_not_found" };
const SIGNED_OUT: Refusal = { status: "ended", reason: "signed_out" };

function isRefusal(answer: RenewalResult): answer is Refusal {
  return answer.status === "ended" || answer.status === "rejected";
}
