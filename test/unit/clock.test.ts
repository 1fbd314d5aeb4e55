import { afterEach, describe, expect, it, jest } from "@jest/globals";
import { systemClock } from "../../src/clock.ts";

afterEach(() => {
  jest.useRealTimers();
});

describe("systemClock", () => {
  it("tells seconds with fractions, and obeys fake timers that were set later", () => {
    jest.useFakeTimers({ now: 1_800_000_000_250 });
    expect(systemClock()).toBe(1_800_000_000.25);
    jest.advanceTimersByTime(1_500);
    expect(systemClock()).toBe(1_800_000_001.75);
  });
});
