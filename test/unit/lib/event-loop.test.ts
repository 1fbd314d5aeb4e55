import { afterEach, expect, it, jest } from "@jest/globals";
import { onNextTurn } from "../../../src/lib/clock.ts";

afterEach(() => {
  jest.useRealTimers();
});

it("calls back on the next turn also while an application's tests fake all timers", async () => {
  jest.useFakeTimers();
  await new Promise<void>((resolve) => void onNextTurn(resolve));
  expect(jest.getTimerCount()).toBe(0);
});
