import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { agree, type Observation } from "./difference.ts";
import { observe, type Side } from "./observe.ts";
import { openBench, type StytchBench } from "./stytch-bench.ts";
import { STYTCH_ROWS } from "./stytch-rows.ts";
import { STYTCH_SCENARIOS, type StytchScenario } from "./stytch-scenarios.ts";
import { openOperation, openOrgate, openSdk, type Question } from "./stytch-sides.ts";

/** Only `Date` is the test's own: sockets and timeouts are real. */
const ALL_BUT_DATE = [
  "hrtime",
  "nextTick",
  "performance",
  "queueMicrotask",
  "setImmediate",
  "clearImmediate",
  "setInterval",
  "clearInterval",
  "setTimeout",
  "clearTimeout",
] as const;

let bench: StytchBench;

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: [...ALL_BUT_DATE] });
  // The SDK warns of an address that is not Stytch's.
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
  bench = await openBench();
});
afterEach(() => {
  bench.close();
  jest.restoreAllMocks();
  jest.useRealTimers();
});

describe("stytch and orgate on one server", () => {
  it.each(STYTCH_ROWS)("$input", async ({ scenario, sdk, operation, orgate }) => {
    const { question = {}, spoil, run }: StytchScenario = STYTCH_SCENARIOS[scenario];
    spoil?.(bench);
    const runOn = (open: (bench: StytchBench, question: Question) => Side): Promise<Observation> =>
      observe(
        bench.calls,
        () => open(bench, question),
        (side) => run(side, bench),
      );

    expect({
      sdk: await runOn(openSdk),
      operation: await runOn(openOperation),
      orgate: await runOn(openOrgate),
    }).toEqual({ sdk, operation, orgate });
  });

  it("has a row for every scenario, and a reason for every difference", () => {
    expect(STYTCH_ROWS.map(({ scenario }) => scenario)).toEqual(Object.keys(STYTCH_SCENARIOS));
    for (const { scenario, sdk, operation, orgate, why } of STYTCH_ROWS) {
      expect([scenario, why === undefined]).toEqual([scenario, agree(sdk, operation) && agree(sdk, orgate)]);
    }
  });
});
