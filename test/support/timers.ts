import { jest } from "@jest/globals";

/** Timers that run only when a test says so. Sockets keep working. */
export interface ControlledTimers {
  /** Advances the timers by so many seconds. */
  pass(seconds: number): Promise<void>;
  restore(): void;
}

/** Replaces `setTimeout` and `AbortSignal.timeout` by timers that the test advances. */
export function controlTimers(): ControlledTimers {
  jest.useFakeTimers({
    doNotFake: [
      "Date",
      "clearImmediate",
      "clearInterval",
      "hrtime",
      "nextTick",
      "performance",
      "queueMicrotask",
      "setImmediate",
      "setInterval",
    ],
  });
  const spy = jest.spyOn(AbortSignal, "timeout").mockImplementation((milliseconds) => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("timed out", "TimeoutError")), milliseconds);
    return controller.signal;
  });
  return {
    pass: (seconds) => jest.advanceTimersByTimeAsync(seconds * 1000).then(() => undefined),
    restore() {
      spy.mockRestore();
      jest.useRealTimers();
    },
  };
}

/** Waits until everything that is due has run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
