import assert from "node:assert/strict";
import type { Coordinator, Lease } from "../../fleet/coordinator.ts";
import { abortAfter } from "../../lib/concurrency.ts";
import {
  type CoordinatorCases,
  type CoordinatorHarness,
  needsCoordinatorMethod,
} from "./coordinator-harness.ts";
import { skipUnless } from "./case-skipped.ts";

const CONCURRENT_PROCESSES = 20;
/** Seconds that a message may take to arrive. */
export const MAX_MESSAGE_DELAY = 5;

/** Keys that a careless implementation confuses, or takes for patterns, paths or prefixes. */
export const ODD_KEYS = [
  "a",
  "A",
  "a:b",
  "a:b:c",
  "a b",
  "{a}",
  "*",
  "a%3Ab",
  "\u00E4",
  "__proto__",
  "'; --",
  "",
];

/** What a coordinator promises of leases. */
export const LEASE_CASES: CoordinatorCases = {
  async "grants the lease on a key to one process at a time"(harness) {
    const coordinators = await Promise.all(
      Array.from({ length: CONCURRENT_PROCESSES }, async () => harness.join()),
    );
    const leases = await Promise.all(coordinators.map((one) => one.acquire("key", 30)));
    assert.equal(leases.filter((lease) => lease !== undefined).length, 1, "one process alone has the lease");
  },

  async "grants leases on other keys meanwhile, whatever the keys look like"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    for (const key of ODD_KEYS) {
      assert.ok(await one.acquire(key, 30), `nobody has the lease on ${JSON.stringify(key)}`);
    }
    for (const key of ODD_KEYS) {
      assert.equal(await other.acquire(key, 30), undefined, `${JSON.stringify(key)} is taken`);
    }
  },

  async "grants the lease again once it is released"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    const lease = await acquire(harness, "key", 30);
    assert.equal(await one.acquire("key", 30), undefined);
    await lease.release();
    assert.ok(await other.acquire("key", 30), "the lease is free");
  },

  async "grants the lease again once it has expired, after a fraction of a second too"(harness) {
    const other = await harness.join();
    await acquire(harness, "key", 0.5);
    assert.equal(await other.acquire("key", 0.5), undefined, "the lease has not expired yet");
    await harness.advance(0.7);
    assert.ok(await other.acquire("key", 0.5), "the lease has expired");
  },

  async "does not take the next holder's lease away when an expired one is released"(harness) {
    const [one, other] = [await harness.join(), await harness.join()];
    const expired = await acquire(harness, "key", 0.3);
    await harness.advance(0.5);
    assert.ok(await one.acquire("key", 30));
    await expired.release();
    assert.equal(await other.acquire("key", 30), undefined, "the second holder still has it");
  },

  async "keeps the holder's result for the other processes"(harness) {
    const other = await harness.join();
    const { lease, remember } = await acquireFenced(harness, "key", 30);
    assert.equal(await remember("the result", 30), true);
    assert.equal(await other.recall("key"), "the result");
    await lease.release();
    assert.equal(await other.recall("key"), "the result", "releasing the lease keeps the result");
    assert.ok(await other.acquire("key", 30), "the lease is free");
  },

  async "tells with the lease what is kept, where it tells"(harness) {
    const first = await acquire(harness, "key", 30);
    skipUnless(first.kept, "Lease.kept");
    assert.equal(first.kept.sealed, undefined, "nothing has been kept");
    await first.release();
    await (await harness.join()).remember("key", "the result", 0.5);
    const second = await acquire(harness, "key", 30);
    assert.equal(second.kept?.sealed, "the result");
    await second.release();
    await harness.advance(0.7);
    const third = await acquire(harness, "key", 30);
    assert.equal(third.kept?.sealed, undefined, "the result has expired");
  },

  async "refuses the result of a holder that slept past its lease, once another holder has kept one"(
    harness,
  ) {
    const reader = await harness.join();
    const sleeper = await acquireFenced(harness, "key", 0.3);
    await harness.advance(0.5);
    const next = await acquireFenced(harness, "key", 30);
    assert.equal(await next.remember("newer", 30), true);
    await next.lease.release();
    assert.equal(await sleeper.remember("older", 30), false, "the sleeper is told");
    assert.equal(await reader.recall("key"), "newer", "nothing is overwritten");
  },

  async "keeps the result of a holder that slept past its lease where nobody else has kept one"(harness) {
    const reader = await harness.join();
    const sleeper = await acquireFenced(harness, "key", 0.3);
    await harness.advance(0.5);
    assert.equal(await sleeper.remember("late", 30), true);
    assert.equal(await reader.recall("key"), "late");
  },

  async "wakes the processes that wait when the lease is released"(harness) {
    const waiter: Coordinator = await harness.join();
    needsCoordinatorMethod(waiter, "settled");
    const lease = await acquire(harness, "key", 30);
    const woken = waiter.settled("key", abortAfter(MAX_MESSAGE_DELAY));
    await letListen(harness);
    await lease.release();
    await woken;
    assert.ok(await waiter.acquire("key", 30), "the lease is free");
  },

  async "wakes the processes that wait when a result is kept"(harness) {
    const waiter: Coordinator = await harness.join();
    needsCoordinatorMethod(waiter, "settled");
    const { remember } = await acquireFenced(harness, "key", 30);
    const aborting = new AbortController();
    const woken = waiter.settled("key", aborting.signal).then(() => aborting.signal.aborted);
    await letListen(harness);
    await remember("the result", 30);
    const overdue = abortAfter(MAX_MESSAGE_DELAY);
    overdue.addEventListener("abort", () => aborting.abort());
    assert.equal(await woken, false, "it was woken, and did not give up");
    assert.equal(await waiter.recall("key"), "the result");
  },

  async "ends the wait when its signal aborts"(harness) {
    const waiter: Coordinator = await harness.join();
    needsCoordinatorMethod(waiter, "settled");
    await acquire(harness, "key", 30);
    const aborting = new AbortController();
    const ended = waiter.settled("key", aborting.signal);
    aborting.abort();
    await ended;
    await waiter.settled("key", AbortSignal.abort());
  },
};

async function acquire(harness: CoordinatorHarness, key: string, seconds: number): Promise<Lease> {
  const lease = await (await harness.join()).acquire(key, seconds);
  assert.ok(lease, "the lease is free");
  return lease;
}

interface FencedLease {
  readonly lease: Lease;
  readonly remember: (sealed: string, seconds: number) => Promise<boolean>;
}

async function acquireFenced(
  harness: CoordinatorHarness,
  key: string,
  seconds: number,
): Promise<FencedLease> {
  const lease = await acquire(harness, key, seconds);
  const remember = lease.remember?.bind(lease);
  skipUnless(remember, "Lease.remember");
  return { lease, remember };
}

/** Lets a process that has begun to wait get its ear to the channel. */
async function letListen(harness: CoordinatorHarness): Promise<void> {
  await harness.advance(0.3);
}
