import { createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
import type { Renewal } from "../store.ts";

const FAILURES_TO_OPEN = 3;
const FAILURE_WINDOW_SECONDS = 10;
const MIN_PAUSE = 1;
const MAX_PAUSE = 30;
const DEFAULT_PAUSE = 5;

/** Seconds for which a store is left alone, from what it asked for: 1 to 30. */
export function toPause(seconds: number): number {
  return Math.min(MAX_PAUSE, Math.max(MIN_PAUSE, Math.ceil(seconds)));
}

/** Permission to call, or the seconds to leave the store alone. */
export type Admission =
  | { readonly status: "go"; succeeded(): void; failed(retryAfter?: number): void }
  | { readonly status: "stop"; readonly retryAfter: number };

/** Stops calls to a store that keeps failing, and probes it with one call at a time. */
export interface Breaker {
  admit(): Admission;
}

/**
 * Makes a breaker that opens after three failures within ten seconds, for as long as the store asked (`Retry-After`, 1 to 30 s,
 * else 5 s). Then it lets one probe through at a time, whose success closes it.
 */
export function createBreaker(clock: Clock): Breaker {
  let failures: number[] = [];
  let openUntil = 0;
  let isOpen = false;
  let isProbing = false;

  return {
    admit() {
      const wait = openUntil - clock();
      // A clock that was set back must not lengthen the pause.
      const isPaused = wait > 0 && wait <= MAX_PAUSE;
      if (isOpen && (isPaused || isProbing)) return { status: "stop", retryAfter: toPause(wait) };
      const isProbe = isOpen;
      isProbing = isProbe;
      return {
        status: "go",
        succeeded() {
          failures = [];
          isOpen = false;
          isProbing = false;
        },
        failed(retryAfter = DEFAULT_PAUSE) {
          const now = clock();
          failures = [...failures.filter((at) => now - at < FAILURE_WINDOW_SECONDS), now].slice(
            -FAILURES_TO_OPEN,
          );
          isOpen ||= isProbe || failures.length >= FAILURES_TO_OPEN;
          if (isProbe) isProbing = false;
          openUntil = now + toPause(retryAfter);
        },
      };
    },
  };
}

/** What a store says of a credential that is not, or no longer, one of its own. */
export type StoreRefusal = Extract<Renewal, { status: "ended" | "rejected" }>;

/** What a limited call came to. */
export type LimitedCall<Answer> =
  | { readonly status: "called"; readonly answer: Answer }
  | { readonly status: "refused_before"; readonly refusal: StoreRefusal }
  /** Too many calls or refusals; `retryAfter` in seconds. */
  | { readonly status: "limited"; readonly retryAfter: number };

/**
 * Rate-limits store calls for credentials that cannot be verified locally: opaque tokens, and tokens of an unknown key.
 *
 * Anybody can make those up. What the store refused is remembered, so that each is asked about once.
 */
export interface UnverifiedCredentialLimiter {
  /** Calls the store unless it refused the credential before or the limits are reached. Rejects as the call does. */
  run<Answer>(
    key: string,
    call: () => Promise<Answer>,
    refusalIn: (answer: Answer) => StoreRefusal | undefined,
  ): Promise<LimitedCall<Answer>>;
  /** Refuses a credential from now on, as it was refused before if it was. */
  refuse(key: string, refusal: StoreRefusal): void;
}

const MAX_REFUSALS_KEPT = 10_000;
const MAX_CALLS_AT_ONCE = 50;
/** Refusals within {@link REFUSAL_WINDOW_SECONDS}. */
const MAX_REFUSALS = 100;
const REFUSAL_WINDOW_SECONDS = 60;

/** Makes a limiter: 50 calls at once, and 100 refusals a minute. */
export function createUnverifiedCredentialLimiter(clock: Clock): UnverifiedCredentialLimiter {
  const refusals = createBoundedMap<string, StoreRefusal>(MAX_REFUSALS_KEPT);
  let refusedAt: number[] = [];
  let underWay = 0;

  const secondsToWait = (): number => {
    const now = clock();
    // A clock that was set back must not lengthen the wait.
    refusedAt = refusedAt.filter((at) => now - at >= 0 && now - at < REFUSAL_WINDOW_SECONDS);
    if (underWay >= MAX_CALLS_AT_ONCE) return 1;
    const [oldest = now] = refusedAt;
    return refusedAt.length >= MAX_REFUSALS ? Math.ceil(oldest + REFUSAL_WINDOW_SECONDS - now) : 0;
  };

  return {
    async run(key, call, refusalIn) {
      const known = refusals.get(key);
      if (known !== undefined) return { status: "refused_before", refusal: known };
      const retryAfter = secondsToWait();
      if (retryAfter > 0) return { status: "limited", retryAfter };
      underWay += 1;
      try {
        const answer = await call();
        const refusal = refusalIn(answer);
        if (refusal !== undefined) {
          refusals.set(key, refusal);
          refusedAt.push(clock());
        }
        return { status: "called", answer };
      } finally {
        underWay -= 1;
      }
    },
    refuse(key, refusal) {
      if (refusals.get(key) === undefined) refusals.set(key, refusal);
    },
  };
}
