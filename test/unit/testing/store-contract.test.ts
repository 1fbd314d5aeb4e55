import process from "node:process";
import { describe, expect, it, jest } from "@jest/globals";
import { sessionStoreContract } from "../../../src/testing/store-contract.ts";
import type { StoreHarness } from "../../../src/testing/contract/subject.ts";
import { makeHarness } from "./authority-harness.ts";
import { BROKEN_STORES } from "./broken-stores.ts";

function runNamed(name: string, make: () => StoreHarness): Promise<"passed" | "skipped"> {
  const test = sessionStoreContract(make, { onSkipped: () => undefined }).find((one) => one.name === name);
  if (test === undefined) throw new Error(`the contract has no case "${name}"`);
  return test.run();
}

describe("the embedded authority keeps the store contract", () => {
  it.each(sessionStoreContract(makeHarness))("$name", async ({ run }) => {
    await expect(run()).resolves.toBe("passed");
  });
});

const UNHEARD = [
  "revoking a session ends it and no other session of the member",
  "revoking a session ends it for the credentials from before its renewal too",
  "a session that has ended cannot be switched",
];

const TIMELESS = ["the choice expires after ten minutes"];

const BROKEN_PROMISE = { code: "ERR_ASSERTION" };

describe("the store contract notices a store that", () => {
  it.each(BROKEN_STORES)("$what ($promise)", async ({ promise, sabotage }) => {
    const run = runNamed(promise, () => {
      const harness = makeHarness();
      return { ...harness, store: { ...harness.store, ...sabotage(harness.authority, harness.clock) } };
    });

    await expect(run).rejects.toMatchObject(BROKEN_PROMISE);
  });

  it.each(UNHEARD)("does not hear of a revocation (%s)", async (promise) => {
    const run = runNamed(promise, () => ({ ...makeHarness(), revoke: () => Promise.resolve() }));

    await expect(run).rejects.toMatchObject(BROKEN_PROMISE);
  });

  it.each(TIMELESS)("does not hear of time passing (%s)", async (promise) => {
    const run = runNamed(promise, () => ({ ...makeHarness(), advance: () => undefined }));

    await expect(run).rejects.toMatchObject(BROKEN_PROMISE);
  });

  it("breaks any of its promises", () => {
    const noticed = new Set([...BROKEN_STORES.map(({ promise }) => promise), ...UNHEARD, ...TIMELESS]);

    expect(noticed).toEqual(new Set(sessionStoreContract(makeHarness).map(({ name }) => name)));
  });
});

/** A store that does what it must and nothing else, and a harness of the same kind. */
function makeBareHarness(): StoreHarness {
  const harness = makeHarness();
  const { store } = harness;
  return {
    store: {
      tokens: store.tokens,
      capabilities: store.capabilities,
      interpret: (claims, sealed) => store.interpret(claims, sealed),
      renew: (stale, context) => store.renew(stale, context),
    },
    clock: () => harness.clock(),
    signIn: (request) => harness.signIn(request),
    advance: (seconds) => harness.advance(seconds),
    close: () => harness.close(),
  };
}

describe("a store or a harness that lacks something", () => {
  it("skips the cases about it and reports what is missing", async () => {
    const skipped = new Map<string, string>();
    const tests = sessionStoreContract(makeBareHarness, {
      onSkipped: (name, lacks) => skipped.set(name, lacks),
    });
    const answers = await Promise.all(tests.map(({ run }) => run()));

    expect(answers.filter((answer) => answer === "skipped")).toHaveLength(skipped.size);
    expect(answers.length - skipped.size).toBe(15);
    expect([...new Set(skipped.values())].toSorted()).toEqual([
      "SessionStore.endSession",
      "SessionStore.onInvalidated",
      "SessionStore.policy",
      "SessionStore.profile",
      "SessionStore.selectOrganization",
      "breakStore",
      "revoke",
    ]);
  });

  it("reports it by a process warning if there is no onSkipped", async () => {
    const name = "revoking a session ends it and no other session of the member";
    const warn = jest.spyOn(process, "emitWarning").mockImplementation(() => undefined);
    const test = sessionStoreContract(makeBareHarness).find((one) => one.name === name);

    await expect(test?.run()).resolves.toBe("skipped");
    expect(warn.mock.calls).toEqual([[`skipped "${name}": there is no revoke`, "OrgateStoreContract"]]);
    warn.mockRestore();
  });

  it("closes the harness when a case fails", async () => {
    let isClosed = false;
    const [test] = sessionStoreContract(() => ({
      ...makeHarness(),
      signIn: () => Promise.reject(new Error("no sign-in")),
      close() {
        isClosed = true;
      },
    }));

    await expect(test?.run()).rejects.toThrow("no sign-in");
    expect(isClosed).toBe(true);
  });
});
