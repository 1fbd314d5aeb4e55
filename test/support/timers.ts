import { jest } from "@jest/globals";

/** Time that passes only when a test says so, for timers; the sockets of the machine go on as ever. */
export interface ControlledTimers {
  /** Lets timers run as if so many seconds had passed. */
  pass(seconds: number): Promise<void>;
  restore(): void;
}

/** Takes `setTimeout` and `AbortSignal.timeout` into the test's hand. */
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

/** Lets everything run that is already due. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
