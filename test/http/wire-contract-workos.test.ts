import { describe, expect, it } from "@jest/globals";
import { sessionStoreContract } from "../../src/testing/store-contract.ts";
import { makeWorkosWireHarness } from "../support/wire-world.ts";

const skipped = new Map<string, string>();
const tests = sessionStoreContract(() => makeWorkosWireHarness(), {
  onSkipped: (name, lacks) => void skipped.set(name, lacks),
});

describe("the store for WorkOS, over the authority's router, keeps the store contract", () => {
  it.each(tests)("$name", async ({ name, run }) => {
    const result = await run();

    expect(result).toBe(skipped.has(name) ? "skipped" : "passed");
  });

  it("the contract skips only what WorkOS's protocol cannot express", () => {
    expect([...new Set(skipped.values())].toSorted()).toEqual([
      "Interpretation.sessionExpiresAt",
      "SessionStore.onInvalidated",
      "SessionStore.policy",
    ]);
  });
});
