/** A signal that aborts after so many seconds. It keeps no process alive. */
export function abortAfter(seconds: number): AbortSignal {
  return AbortSignal.timeout(seconds * 1000);
}

/** Resolves after so many seconds. */
export function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

/** Stands for work that did not finish in time. */
export const TIMED_OUT: unique symbol = Symbol("timed out");

/** What bounds work beside its seconds. */
export interface TimeLimitOptions {
  /** Ends the work early, as if its time were over. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Seconds that the work goes on after its limit or its signal: for calls that spend something, whose late reply is worth
   * having. @defaultValue 0
   */
  readonly grace?: number | undefined;
}

/**
 * Runs work for at most so many seconds.
 *
 * The signal that the work receives aborts when its time is over. Work that ignores the signal goes on, but is not waited for.
 *
 * @returns what the work returns, or {@link TIMED_OUT}; rejects as the work does.
 */
export async function limitTime<Value>(
  seconds: number,
  work: (signal: AbortSignal) => Promise<Value>,
  { signal: outer, grace = 0 }: TimeLimitOptions = {},
): Promise<Value | typeof TIMED_OUT> {
  if (outer?.aborted === true) return TIMED_OUT;
  const aborting = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const timedOut = new Promise<typeof TIMED_OUT>((resolve) => {
    aborting.signal.addEventListener("abort", () => resolve(TIMED_OUT), { once: true });
  });
  const startTimer = (wait: number): void => {
    timers.push(setTimeout(() => aborting.abort(), wait * 1000));
  };
  const onOuterAbort = (): void => (grace > 0 ? startTimer(grace) : aborting.abort());
  startTimer(seconds + grace);
  outer?.addEventListener("abort", onOuterAbort, { once: true });
  try {
    return await Promise.race([work(aborting.signal), timedOut]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    outer?.removeEventListener("abort", onOuterAbort);
  }
}
