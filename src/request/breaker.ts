import type { Clock } from "../lib/clock.ts";

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
