import { afterEach, describe, expect, it, jest } from "@jest/globals";
import * as fc from "fast-check";
import { formatTime, systemClock } from "../../src/lib/clock.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_261_121);

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

describe("formatTime", () => {
  it(`writes any time as Date does (seed ${SEED})`, () => {
    const time = fc.oneof(
      fc.integer({ min: -8_640_000_000_000, max: 8_640_000_000_000 }),
      fc.integer({ min: 0, max: 4_102_444_800 }),
      fc.double({ min: -8_640_000_000_000, max: 8_640_000_000_000, noNaN: true }),
      fc.double({ min: -2, max: 2, noNaN: true }),
    );
    const isAlike = (seconds: number): void =>
      expect(formatTime(seconds)).toBe(new Date(seconds * 1000).toISOString());
    fc.assert(fc.property(time, isAlike), { seed: SEED, numRuns: 5_000 });
    for (const seconds of [0, 0.001, 0.9999, 59.999, 86_399.999, 86_400, 253_402_300_799, -0.001])
      isAlike(seconds);
  });

  it("goes on when it has written out more hours than it keeps", () => {
    for (let hour = 0; hour < 12_000; hour += 1) {
      const time = hour * 3600;
      if (formatTime(time) !== new Date(time * 1000).toISOString()) throw new Error(`hour ${hour}`);
    }
    expect(formatTime(0)).toBe("1970-01-01T00:00:00.000Z");
  });

  it.each([NaN, Infinity, -Infinity, 8_640_000_003_600])("has no form for %p, as Date has none", (time) => {
    expect(() => formatTime(time)).toThrow(RangeError);
  });
});
