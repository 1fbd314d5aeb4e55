import { describe, expect, it } from "@jest/globals";
import { agree } from "./difference.ts";
import { observe } from "./observe.ts";
import { WORKOS_ROWS } from "./workos-rows.ts";
import { WORKOS_SCENARIOS, type WorkosScenario } from "./workos-scenarios.ts";
import { openBench, openOrgate, openSdk } from "./workos-sides.ts";

describe("@workos-inc/node and orgate on one server", () => {
  it.each(WORKOS_ROWS)("$input", async ({ scenario, sdk, orgate }) => {
    const { run, spoil, password }: WorkosScenario = WORKOS_SCENARIOS[scenario];
    const bench = await openBench();
    spoil?.(bench);
    const { fake } = bench;
    try {
      expect({
        sdk: await observe(
          fake.calls,
          () => openSdk(fake, password),
          (side) => run(side, bench),
        ),
        orgate: await observe(
          fake.calls,
          () => openOrgate(fake, password),
          (side) => run(side, bench),
        ),
      }).toEqual({ sdk, orgate });
    } finally {
      fake.close();
    }
  });

  it("has a row for every scenario, and a reason for every difference", () => {
    expect(WORKOS_ROWS.map(({ scenario }) => scenario)).toEqual(Object.keys(WORKOS_SCENARIOS));
    for (const { scenario, sdk, orgate, why } of WORKOS_ROWS) {
      expect([scenario, why === undefined]).toEqual([scenario, agree(sdk, orgate)]);
    }
  });
});
