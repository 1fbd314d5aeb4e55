import type { Clock } from "../lib/clock.ts";

const FAILURES_TO_OPEN = 3;
const WINDOW_SECONDS = 10;
const SHORTEST_PAUSE = 1;
const LONGEST_PAUSE = 30;
const DEFAULT_PAUSE = 5;

function stop(wait: number): Admission {
  return { status: "stop", retryAfter: Math.max(SHORTEST_PAUSE, Math.ceil(wait)) };
}

/** Permission to call, or how long to leave the store alone. */
export type Admission =
  | { readonly status: "go"; succeeded(): void; failed(retryAfter?: number): number }
  | { readonly status: "stop"; readonly retryAfter: number };

/** Stops calls to a store that keeps failing, and probes it with one call at a time. */
export interface Breaker {
  admit(): Admission;
}

/**
 * Opens after three failures within ten seconds, for as long as the store asked (`Retry-After`, 1 to 30 s, else 5 s);
 * then lets one probe through at a time, whose success closes it.
 */
export function createBreaker(clock: Clock): Breaker {
  let failures: number[] = [];
  let openUntil = 0;
  let isOpen = false;
  let probing = false;

  const fail = (retryAfter: number | undefined, wasProbe: boolean): number => {
    const now = clock();
    const pause = Math.min(LONGEST_PAUSE, Math.max(SHORTEST_PAUSE, Math.ceil(retryAfter ?? DEFAULT_PAUSE)));
    failures = [...failures.filter((at) => now - at < WINDOW_SECONDS), now].slice(-FAILURES_TO_OPEN);
    isOpen ||= wasProbe || failures.length >= FAILURES_TO_OPEN;
    openUntil = now + pause;
    return pause;
  };

  const close = (): void => {
    failures = [];
    isOpen = false;
    probing = false;
  };

  return {
    admit() {
      if (!isOpen) return { status: "go", succeeded: close, failed: (after) => fail(after, false) };
      const wait = openUntil - clock();
      // A clock that was set back must not lengthen the pause.
      const isPaused = wait > 0 && wait <= LONGEST_PAUSE;
      if (isPaused || probing) return stop(wait);
      probing = true;
      return {
        status: "go",
        succeeded: close,
        failed(after) {
          probing = false;
          return fail(after, true);
        },
      };
    },
  };
}
