import { describe, expect, it } from "@jest/globals";
import { sessionStoreContract } from "../../../src/testing/store-contract.ts";
import { makeStytchHarness } from "../../support/stytch-harness.ts";

const skipped = new Map<string, string>();
const tests = sessionStoreContract(() => makeStytchHarness(), {
  onSkipped: (name, lacks) => void skipped.set(name, lacks),
});

describe("Stytch keeps the store contract", () => {
  it.each(tests)("$name", async ({ name, run }) => {
    const result = await run();

    expect(result).toBe(skipped.has(name) ? "skipped" : "passed");
  });

  it("skips only what Stytch's API does not have", () => {
    expect([...new Set(skipped.values())].toSorted()).toEqual([
      "SessionStore.onInvalidated",
      "SessionStore.profile",
    ]);
  });
});
