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

/** Why a credential could not be renewed, confirmed or used: the reason, and whether the store refused this credential. */
export interface CredentialFailure {
  /** A short label, safe in events. */
  readonly reason: string;
  /** Whether the store refused it: ten minutes of the same refusal ask for a new sign-in. Never set for trouble of ours. */
  readonly isRefusal: boolean;
  /** Seconds that the store asked for, if it did; at most 30 count. */
  readonly retryAfter?: number | undefined;
  /** The error behind it. */
  readonly cause?: unknown;
}

/** A failure that is not tried again yet. */
export interface BackedOff {
  /** Seconds until the next attempt. */
  readonly retryAfter: number;
  /** The failure that is waited for. */
  readonly failure: CredentialFailure;
  /** Whether the store has given the same refusal for ten minutes. */
  readonly isLasting: boolean;
}

/** Waits between attempts with one credential: 1 s, doubling to 30 s. Other credentials do not wait. */
export interface CredentialBackOff {
  /** What a credential waits for; `undefined` if it may be used now. */
  waitFor(key: string): BackedOff | undefined;
  /** Notes a failed attempt, and returns how long to wait. */
  failed(key: string, failure: CredentialFailure): BackedOff;
  /** Notes an answer: the next failure begins at one second. */
  succeeded(key: string): void;
}

const MAX_CREDENTIALS_BACKED_OFF = 20_000;
/** Seconds after which the same refusal counts as lasting. */
const LASTING_REFUSAL_SECONDS = 600;

interface BackOffEntry extends BackedOff {
  readonly failedAt: number;
  readonly attempts: number;
  /** The refusal given last, and since when; an outage in between does not make it another one. */
  readonly refusal?: { readonly reason: string; readonly since: number } | undefined;
}

/** Makes a back-off. Keys are cache keys of credentials. */
export function createCredentialBackOff(clock: Clock): CredentialBackOff {
  const entries = createBoundedMap<string, BackOffEntry>(MAX_CREDENTIALS_BACKED_OFF);
  return {
    waitFor(key) {
      const entry = entries.get(key);
      if (entry === undefined) return undefined;
      const wait = entry.failedAt + entry.retryAfter - clock();
      // A clock that was set back must not lengthen the wait.
      if (wait <= 0 || wait > MAX_PAUSE) return undefined;
      return { ...entry, retryAfter: toPause(wait) };
    },
    failed(key, failure) {
      const now = clock();
      const before = entries.get(key);
      const attempts = (before?.attempts ?? 0) + 1;
      const pause = Math.min(2 ** (attempts - 1), MAX_PAUSE);
      const { reason, isRefusal } = failure;
      const isRepeated = before?.refusal?.reason === reason;
      const refusal = isRefusal && !isRepeated ? { reason, since: now } : before?.refusal;
      const isLasting = isRefusal && refusal !== undefined && now - refusal.since >= LASTING_REFUSAL_SECONDS;
      const retryAfter = toPause(Math.max(pause, failure.retryAfter ?? 0));
      const entry = { retryAfter, failure, isLasting, failedAt: now, attempts, refusal };
      entries.set(key, entry);
      return entry;
    },
    succeeded(key) {
      entries.delete(key);
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
