import { afterEach, describe, expect, it, jest } from "@jest/globals";
import * as fc from "fast-check";
import { formatTime, normalizeTime, systemClock } from "../../src/lib/clock.ts";

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

describe("normalizeTime", () => {
  it.each([
    ["2026-11-28T10:00:00Z", "2026-11-28T10:00:00.000Z"],
    ["2026-11-28T10:00:00.155155Z", "2026-11-28T10:00:00.155Z"],
    ["2026-11-28T10:00:00+02:00", "2026-11-28T08:00:00.000Z"],
    ["2026-11-28 10:00:00.5+02", "2026-11-28T08:00:00.500Z"],
    ["2026-11-28 10:00:00-0530", "2026-11-28T15:30:00.000Z"],
    ["2026-11-28 10:00:00 UTC", "2026-11-28T10:00:00.000Z"],
    ["2026-11-28 10:00:00", "2026-11-28T10:00:00.000Z"],
    ["2026-11-28T10:00", "2026-11-28T10:00:00.000Z"],
    ["2026-11-28", "2026-11-28T00:00:00.000Z"],
  ])("writes %j as %j", (given, expected) => {
    expect(normalizeTime(given)).toBe(expected);
  });

  it.each(["", "soon", "1700000000", 1_700_000_000, null, "2026-13-28", "2026-11-28T25:00:00Z", "10:00:00Z"])(
    "takes %j as no time",
    (given) => {
      expect(normalizeTime(given)).toBeUndefined();
    },
  );
});
