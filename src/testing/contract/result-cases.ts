import assert from "node:assert/strict";
import type { Coordinator } from "../../fleet/coordinator.ts";
import {
  type CoordinatorCases,
  type CoordinatorHarness,
  needsControl,
  needsCoordinatorMethod,
} from "./coordinator-harness.ts";
import { ODD_KEYS } from "./lease-cases.ts";

/** As long as the longest seal. */
const MAX_RESULT_LENGTH = 12_288;

/** What a coordinator promises of results. */
export const RESULT_CASES: CoordinatorCases = {
  async "recalls nothing where nothing was kept"(harness) {
    assert.equal(await (await harness.join()).recall("key"), undefined);
  },

  async "recalls a result in every process, as it was kept"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    const results = [
      "Fe26.2**a*b",
      "",
      "\u00E4 \u{1F511} \n\t",
      "null",
      '{"a":1}',
      "x".repeat(MAX_RESULT_LENGTH),
    ];
    for (const [index, sealed] of results.entries()) {
      await one.remember(`key ${index}`, sealed, 30);
      assert.equal(await other.recall(`key ${index}`), sealed);
      assert.equal(await one.recall(`key ${index}`), sealed);
    }
  },

  async "confuses no two keys"(harness) {
    const coordinator = await harness.join();
    for (const key of ODD_KEYS) await coordinator.remember(key, `result of ${key}`, 30);
    for (const key of ODD_KEYS) assert.equal(await coordinator.recall(key), `result of ${key}`);
  },

  async "confuses no result with a lease"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    await one.remember("key", "the result", 30);
    assert.ok(await other.acquire("key", 30), "a result is no lease");
    assert.equal(await one.recall("key"), "the result", "a lease is no result");
  },

  async "replaces a result by a later one"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    await one.remember("key", "first", 30);
    await other.remember("key", "second", 30);
    assert.equal(await one.recall("key"), "second");
  },

  async "forgets a result when its time is over, after a fraction of a second too"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    await one.remember("key", "the result", 0.6);
    await one.remember("kept", "the result", 30);
    assert.equal(await other.recall("key"), "the result", "it has not expired yet");
    await harness.advance(0.9);
    assert.equal(await other.recall("key"), undefined);
    assert.equal(await other.recall("kept"), "the result");
  },

  async "shortens the time of a result that is kept again"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    await one.remember("key", "the result", 30);
    await other.remember("key", "the result", 0.3);
    await harness.advance(0.5);
    assert.equal(await one.recall("key"), undefined);
  },

  async "fails loudly while its engine is down, and works again afterwards"(harness) {
    const coordinator = await harness.join();
    await coordinator.remember("key", "the result", 30);
    await whileBroken(harness, async () => {
      await assert.rejects(coordinator.acquire("other", 30), "acquire must not grant or refuse");
      await assert.rejects(coordinator.recall("key"), "recall must not say that there is nothing");
      await assert.rejects(coordinator.remember("key", "newer", 30), "remember must not seem to work");
      await assert.rejects(
        coordinator.publish({ target: { userId: "user_1" }, at: 1, effect: "ask" }),
        "publish must not seem to work",
      );
    });
    assert.ok(await coordinator.acquire("another", 30));
  },

  async "answers a ping, and fails it while its engine is down"(harness) {
    const coordinator: Coordinator = await harness.join();
    needsCoordinatorMethod(coordinator, "ping");
    await coordinator.ping();
    await whileBroken(harness, async () => {
      await assert.rejects(coordinator.ping());
    });
    await coordinator.ping();
  },
};

async function whileBroken(harness: CoordinatorHarness, act: () => Promise<void>): Promise<void> {
  needsControl(harness, "breakCoordinator");
  needsControl(harness, "mendCoordinator");
  await harness.breakCoordinator();
  try {
    await act();
  } finally {
    await harness.mendCoordinator();
  }
}
