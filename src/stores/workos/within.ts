import { trouble } from "./trouble.ts";

/**
 * Waits for work as long as the seconds and the signal allow; the work itself goes on.
 *
 * @throws StoreUnavailableError once the time is over; else whatever the work throws.
 */
export async function within<Value>(
  seconds: number,
  signal: AbortSignal | undefined,
  work: () => Promise<Value>,
): Promise<Value> {
  const done = new AbortController();
  const over = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => reject(trouble("timeout"));
    const timer = setTimeout(giveUp, seconds * 1000);
    signal?.addEventListener("abort", giveUp, { once: true, signal: done.signal });
    done.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
  try {
    return await Promise.race([work(), over]);
  } finally {
    done.abort();
  }
}

/** Lets so many seconds pass. */
export function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}
