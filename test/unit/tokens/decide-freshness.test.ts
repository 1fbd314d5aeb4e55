import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { decideFreshness, type Freshness, type TokenTimes } from "../../../src/tokens/verify-token.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);
const NOW = 1_800_000_000;
const HOUR = 3_600;

interface Boundary {
  readonly what: string;
  /** Seconds from now; what is not said is an hour away on the good side. */
  readonly times: Partial<TokenTimes>;
  readonly tolerance: number;
  readonly maxAge?: number;
  readonly expected: Freshness;
}

/** Distances from a limit, in seconds: inside, on it, and outside of it. */
const STEPS = [-1, -0.001, 0, 0.001, 1] as const;

/** `exp` and the session's end: over once now has reached them, tolerance included. */
function endBoundaries(tolerance: number): Boundary[] {
  return STEPS.flatMap((step) => {
    const at = NOW - tolerance + step;
    const expected: Freshness = step <= 0 ? "expired" : "fresh";
    const signed = `${step >= 0 ? "+" : ""}${step}`;
    return [
      { what: `exp = now - ${tolerance} ${signed}`, times: { exp: at }, tolerance, expected },
      {
        what: `session's end = now - ${tolerance} ${signed}`,
        times: { sessionExpiresAt: at },
        tolerance,
        expected,
      },
      {
        what: `exp = now - ${tolerance} ${signed}, the session's end later`,
        times: { exp: at, sessionExpiresAt: NOW + HOUR },
        tolerance,
        expected,
      },
    ];
  });
}

/** `nbf` and `iat`: valid from the very second on, tolerance included. */
function startBoundaries(tolerance: number): Boundary[] {
  return STEPS.flatMap((step) => {
    const at = NOW + tolerance + step;
    const expected: Freshness = step <= 0 ? "fresh" : "not_yet_valid";
    const signed = `${step >= 0 ? "+" : ""}${step}`;
    return [
      { what: `nbf = now + ${tolerance} ${signed}`, times: { nbf: at }, tolerance, expected },
      { what: `iat = now + ${tolerance} ${signed}`, times: { iat: at }, tolerance, expected },
      {
        what: `iat = now + ${tolerance} ${signed}, nbf earlier`,
        times: { iat: at, nbf: NOW - HOUR },
        tolerance,
        expected,
      },
    ];
  });
}

/** The age of the token, or of the store's last word for it; tolerance plays no part. */
function ageBoundaries(tolerance: number): Boundary[] {
  const maxAge = 60;
  const steps = [...STEPS, -tolerance, tolerance, tolerance - 1, tolerance + 1];
  return steps.flatMap((step) => {
    const at = NOW - maxAge - step;
    const expected: Freshness = step >= 0 ? "too_old" : "fresh";
    return [
      { what: `iat ${maxAge} + ${step} ago`, times: { iat: at }, tolerance, maxAge, expected },
      {
        what: `verified ${maxAge} + ${step} ago, issued long before`,
        times: { iat: NOW - HOUR, verifiedAt: at },
        tolerance,
        maxAge,
        expected,
      },
      {
        what: `issued ${maxAge} + ${step} ago, verified long before`,
        times: { iat: at, verifiedAt: NOW - HOUR },
        tolerance,
        maxAge,
        expected,
      },
      { what: `age ${maxAge} + ${step}, but no limit`, times: { iat: at }, tolerance, expected: "fresh" },
    ];
  });
}

const BOUNDARIES: readonly Boundary[] = [0, 5].flatMap((tolerance) => [
  ...endBoundaries(tolerance),
  ...startBoundaries(tolerance),
  ...ageBoundaries(tolerance),
]);

function decide({ times, tolerance, maxAge }: Boundary): Freshness {
  const all: TokenTimes = { exp: NOW + HOUR, iat: NOW - HOUR, ...times };
  return decideFreshness(all, { now: NOW, clockTolerance: tolerance, maxAge });
}

describe("decideFreshness", () => {
  it.each(BOUNDARIES)("at tolerance $tolerance, $what: $expected", (boundary) => {
    expect(decide(boundary)).toBe(boundary.expected);
  });

  it.each([0, 5, 60])(
    "asks always at age 0, also for a token from the future within tolerance %i",
    (tolerance) => {
      for (const ahead of [0, tolerance / 2, tolerance]) {
        const ofToken = { what: "", times: { iat: NOW + ahead }, tolerance, maxAge: 0 };
        const ofStore = { what: "", times: { iat: NOW, verifiedAt: NOW + ahead }, tolerance, maxAge: 0 };
        expect(decide({ ...ofToken, expected: "too_old" })).toBe("too_old");
        expect(decide({ ...ofStore, expected: "too_old" })).toBe("too_old");
      }
    },
  );

  it.each([
    ["no limit of age", undefined, HOUR, HOUR - 1],
    ["a smaller limit of age", 60, 60, 59],
    ["a larger limit of age", 2 * HOUR, HOUR, HOUR - 1],
  ])(
    "asks about a token that lives too long once it is as old as it may get: %s",
    (_, maxAge, old, young) => {
      const decideAt = (age: number, exp: number): Freshness =>
        decideFreshness(
          { exp: NOW - age + exp, iat: NOW - age },
          { now: NOW, clockTolerance: 5, maxAge, maxLifetime: HOUR },
        );
      expect([decideAt(old, HOUR + 3), decideAt(young, HOUR + 3)]).toEqual(["too_old", "fresh"]);
      // One that does not say so is judged by its own end.
      expect(decideAt(59, HOUR)).toBe("fresh");
    },
  );

  it("puts the end before everything else: expired is not renewed as merely old, nor excused as not yet valid", () => {
    const over = { exp: NOW - HOUR, iat: NOW - 2 * HOUR };
    expect(decide({ what: "", times: over, tolerance: 5, maxAge: 60, expected: "expired" })).toBe("expired");
    const upsideDown = { exp: NOW - HOUR, nbf: NOW + HOUR };
    expect(decide({ what: "", times: upsideDown, tolerance: 5, expected: "expired" })).toBe("expired");
  });

  it("serves nothing on the strength of a time that is no number", () => {
    expect(decide({ what: "", times: { exp: NaN }, tolerance: 5, expected: "expired" })).toBe("expired");
    expect(decide({ what: "", times: { sessionExpiresAt: NaN }, tolerance: 5, expected: "expired" })).toBe(
      "expired",
    );
    const unknownAge = { what: "", times: { verifiedAt: NaN }, tolerance: 5, maxAge: 60 };
    expect(decide({ ...unknownAge, expected: "too_old" })).toBe("too_old");
  });

  it(`is fresh only when every bound holds, and looks at nothing else (seed ${SEED})`, () => {
    const near = fc.integer({ min: -20, max: 20 }).map((offset) => NOW + offset);
    const limits = fc.record({
      exp: near,
      iat: near,
      nbf: fc.option(near, { nil: undefined }),
      sessionExpiresAt: fc.option(near, { nil: undefined }),
      verifiedAt: fc.option(near, { nil: undefined }),
      tolerance: fc.integer({ min: 0, max: 10 }),
      maxAge: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(limits, ({ tolerance, maxAge, ...times }) => {
        const decided = decideFreshness(times, { now: NOW, clockTolerance: tolerance, maxAge });
        const isOver = [times.exp, times.sessionExpiresAt ?? Infinity].some((end) => NOW - tolerance >= end);
        const isEarly = [times.iat, times.nbf ?? 0].some((start) => NOW + tolerance < start);
        const age = Math.min(NOW - times.iat, NOW - (times.verifiedAt ?? times.iat));
        const isOld = maxAge === 0 || (maxAge !== undefined && age >= maxAge);
        expect(decided).toBe(isOver ? "expired" : isEarly ? "not_yet_valid" : isOld ? "too_old" : "fresh");
      }),
      { seed: SEED, numRuns: 20_000 },
    );
  });
});
