import { expect } from "@jest/globals";
import type { Coordinator, InvalidationMessage, Lease } from "../../src/fleet/coordinator.ts";

/** Two processes' ends of one coordinator. */
export interface CoordinatorUnderTest {
  readonly one: Coordinator;
  readonly other: Coordinator;
}

const NEVER = new AbortController().signal;

async function take(coordinator: Coordinator, key: string, seconds = 30): Promise<Lease> {
  const lease = await coordinator.acquire(key, seconds);
  if (lease === undefined) throw new Error(`The lease on ${key} is held.`);
  return lease;
}

/** Waits as a process does that did not get the lease. */
async function waitFor(coordinator: Coordinator, key: string, signal = NEVER): Promise<void> {
  if (coordinator.settled === undefined) throw new Error("The coordinator has no settled().");
  await coordinator.settled(key, signal);
}

/** A message for the broadcast. */
export function messageAbout(sessionId: string): InvalidationMessage {
  return { target: { sessionId }, at: 1000.25, effect: "refuse", until: 2000.5 };
}

/** Collects messages, and resolves when there are so many. */
export function collect(coordinator: Coordinator): {
  readonly messages: InvalidationMessage[];
  readonly stop: () => void;
  until(count: number): Promise<void>;
} {
  const messages: InvalidationMessage[] = [];
  const waiting: { count: number; resolve: () => void }[] = [];
  const stop = coordinator.subscribe((message) => {
    if (isProbe(message)) return;
    messages.push(message);
    for (const { count, resolve } of waiting) if (messages.length >= count) resolve();
  });
  return {
    messages,
    stop,
    until: (count) =>
      new Promise((resolve) => {
        if (messages.length >= count) resolve();
        else waiting.push({ count, resolve });
      }),
  };
}

const PROBE = "probe";

/** Whether a message is one of {@link untilConnected}: the last ones may arrive late. */
export function isProbe({ target }: InvalidationMessage): boolean {
  return "sessionId" in target && target.sessionId === PROBE;
}

/** Resolves when messages of one reach the other: subscribing takes a moment. */
export async function untilConnected(one: Coordinator, other: Coordinator): Promise<void> {
  const stop: (() => void)[] = [];
  const heard = new Promise<void>((resolve) => {
    stop.push(other.subscribe((message) => isProbe(message) && resolve()));
  });
  const probing = setInterval(() => void one.publish(messageAbout(PROBE)).catch(() => undefined), 20);
  await heard;
  clearInterval(probing);
  for (const each of stop) each();
}

/** What orgate relies on in every coordinator that several processes share. */
export const COORDINATOR_CASES: Readonly<Record<string, (subject: CoordinatorUnderTest) => Promise<void>>> = {
  "grants a lease to one process at a time": async ({ one, other }) => {
    const granted = await Promise.all(
      Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : other).acquire("a", 30)),
    );
    const [lease, ...others] = granted.filter((each) => each !== undefined);
    expect(others).toEqual([]);
    expect(await other.acquire("b", 30)).toBeDefined();
    await lease?.release();
    expect(await other.acquire("a", 30)).toBeDefined();
  },
  "does not let a process release what another one holds by now": async ({ one, other }) => {
    const late = await take(one, "a", 0.05);
    await waitFor(other, "a");
    await take(other, "a");
    await late.release();
    expect(await one.acquire("a", 30)).toBeUndefined();
  },
  "wakes who waits when the lease of a process that died expires, after a fraction of a second": async ({
    one,
    other,
  }) => {
    await take(one, "a", 0.25);
    expect(await other.acquire("a", 30)).toBeUndefined();
    await waitFor(other, "a");
    expect(await other.acquire("a", 30)).toBeDefined();
  },
  "returns a result that another process kept, for as long as it is kept": async ({ one, other }) => {
    expect(await other.recall("a")).toBeUndefined();
    const lease = await take(one, "a");
    expect(await lease.remember?.("sealed", 30)).toBe(true);
    await lease.release();
    expect(await other.recall("a")).toBe("sealed");
    expect(await other.recall("b")).toBeUndefined();
    await one.remember("short", "sealed", 0.05);
    await take(one, "clock", 0.06);
    await waitFor(one, "clock");
    expect(await other.recall("short")).toBeUndefined();
  },
  "tells who takes a lease what was kept before": async ({ one, other }) => {
    const first = await take(one, "a");
    if ("kept" in first) expect(first.kept?.sealed).toBeUndefined();
    await first.remember?.("sealed", 30);
    await first.release();
    const second = await take(other, "a");
    if ("kept" in second) expect(second.kept?.sealed).toBe("sealed");
    expect(await other.recall("a")).toBe("sealed");
  },
  "refuses the result of a process that slept past its lease, and whose successor has kept one": async ({
    one,
    other,
  }) => {
    const sleeper = await take(one, "a", 0.05);
    await waitFor(other, "a");
    const successor = await take(other, "a");
    expect(await successor.remember?.("new", 30)).toBe(true);
    expect(await sleeper.remember?.("stale", 30)).toBe(false);
    await sleeper.release();
    expect(await one.recall("a")).toBe("new");
  },
  "keeps the result of a process that slept past its lease while nobody else has one": async ({
    one,
    other,
  }) => {
    const sleeper = await take(one, "a", 0.05);
    await waitFor(other, "a");
    const successor = await take(other, "a");
    expect(await sleeper.remember?.("late", 30)).toBe(true);
    expect(await other.recall("a")).toBe("late");
    expect(await successor.remember?.("new", 30)).toBe(true);
    expect(await one.recall("a")).toBe("new");
  },
  "wakes who waits when a result is kept, and when the lease is released without one": async ({
    one,
    other,
  }) => {
    const lease = await take(one, "a");
    const both = [waitFor(other, "a"), waitFor(other, "a")];
    // The lease of "b" ends later, so that the waiting for "a" has begun.
    await take(one, "b", 0.3);
    await waitFor(other, "b");
    await lease.remember?.("sealed", 30);
    await Promise.all(both);
    expect(await other.recall("a")).toBe("sealed");

    const second = await take(one, "c");
    const waiting = waitFor(other, "c");
    await take(one, "d", 0.3);
    await waitFor(other, "d");
    await second.release();
    await waiting;
    expect(await other.acquire("c", 30)).toBeDefined();
  },
  "waits for nothing where nothing is held or a result is kept, and not after the signal": async ({
    one,
    other,
  }) => {
    await waitFor(one, "free");
    await one.remember("kept", "sealed", 30);
    await waitFor(other, "kept");
    await take(one, "held");
    const aborting = new AbortController();
    const waiting = waitFor(other, "held", aborting.signal);
    aborting.abort();
    await waiting;
    await waitFor(other, "held", aborting.signal);
    expect(await other.acquire("held", 30)).toBeUndefined();
  },
  "tells every other process, and not its own": async ({ one, other }) => {
    await Promise.all([untilConnected(one, other), untilConnected(other, one)]);
    const [own, heard] = [collect(one), collect(other)];
    await one.publish(messageAbout("ses_1"));
    await one.publish({ target: { userId: "u" }, at: 1000, effect: "ask" });
    await heard.until(2);
    expect(heard.messages).toEqual([
      messageAbout("ses_1"),
      { target: { userId: "u" }, at: 1000, effect: "ask" },
    ]);
    heard.stop();
    await other.publish(messageAbout("ses_2"));
    await own.until(1);
    expect(own.messages).toEqual([messageAbout("ses_2")]);
    expect(heard.messages).toHaveLength(2);
    own.stop();
  },
  "keeps odd keys apart": async ({ one, other }) => {
    const keys = ["a", "a:b", "a%3a;b", "{a}", "", " ", "\u00e9", "\ud800", "\udfff"];
    for (const key of keys) await one.remember(key, `of ${JSON.stringify(key)}`, 30);
    for (const key of keys) expect(await other.recall(key)).toBe(`of ${JSON.stringify(key)}`);
  },
  "answers a ping": async ({ one }) => {
    if (!("ping" in one)) throw new Error("There is no ping().");
    await one.ping?.();
  },
};
