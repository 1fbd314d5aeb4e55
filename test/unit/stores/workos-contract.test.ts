import { describe, expect, it } from "@jest/globals";
import { sessionStoreContract } from "../../../src/testing/store-contract.ts";
import { makeWorkosHarness } from "../../support/workos-harness.ts";

const skipped = new Map<string, string>();
const tests = sessionStoreContract(() => makeWorkosHarness(), {
  onSkipped: (name, lacks) => void skipped.set(name, lacks),
});

describe("WorkOS keeps the store contract", () => {
  it.each(tests)("$name", async ({ name, run }) => {
    const result = await run();

    expect(result).toBe(skipped.has(name) ? "skipped" : "passed");
  });

  it("skips only what WorkOS's API does not have", () => {
    expect([...new Set(skipped.values())].toSorted()).toEqual([
      "Interpretation.sessionExpiresAt",
      "SessionStore.onInvalidated",
      "SessionStore.policy",
    ]);
  });
});
