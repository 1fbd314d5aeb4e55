import assert from "node:assert/strict";
import type { Coordinator, InvalidationMessage } from "../../fleet/coordinator.ts";
import { TIMED_OUT, limitTime } from "../../lib/concurrency.ts";
import { type CoordinatorCases, type CoordinatorHarness, needsControl } from "./coordinator-harness.ts";
import { MAX_MESSAGE_DELAY } from "./lease-cases.ts";

/** Each kind of message, with the times and names that a careless implementation would round or cut. */
const MESSAGES: readonly InvalidationMessage[] = [
  { target: { sessionId: "session_1" }, at: 1_800_000_000.25, effect: "refuse", until: 1_800_000_300.75 },
  { target: { sessionId: "session_2" }, at: 1_800_000_000.5, effect: "supersede" },
  { target: { memberId: "member:1 \u00E4 \u{1F511}" }, at: 1_800_000_001, effect: "ask" },
  { target: { userId: "__proto__" }, at: 0.001, effect: "ask" },
  { target: { organizationId: "x".repeat(500) }, at: 1_800_000_002.125, effect: "ask" },
];

/** What a coordinator promises of messages. */
export const CHANNEL_CASES: CoordinatorCases = {
  async "delivers messages whole and in their order to every other process"(harness) {
    const sender = await harness.join();
    const ears = [await listen(harness), await listen(harness)];
    await untilHeard(sender, ears);
    for (const message of MESSAGES) await sender.publish(message);
    for (const ear of ears) {
      await ear.until((heard) => heard.length === MESSAGES.length);
      assert.deepEqual(ear.heard(), MESSAGES);
    }
  },

  async "stops delivering to a listener that unsubscribed"(harness) {
    const sender = await harness.join();
    const [stopped, other] = [await listen(harness), await listen(harness)];
    await untilHeard(sender, [stopped, other]);
    stopped.stop();
    for (const message of MESSAGES) await sender.publish(message);
    await other.until((heard) => heard.length === MESSAGES.length);
    assert.deepEqual(stopped.heard(), []);
  },

  async "tells of a lost channel and of its return, and delivers again"(harness) {
    needsControl(harness, "cutChannel");
    const sender = await harness.join();
    const ear = await listen(harness);
    await untilHeard(sender, [ear]);
    await harness.cutChannel();
    await ear.until((_heard, gaps) => gaps.join(" ").startsWith("lost restored"));
    await untilHeard(sender, [ear]);
    const [message] = MESSAGES;
    assert.ok(message);
    await sender.publish(message);
    await ear.until((heard) => heard.length > 0);
    assert.deepEqual(ear.heard(), [message]);
  },

  async "closes more than once"(harness) {
    const coordinator = await harness.join();
    coordinator.subscribe(() => undefined);
    await coordinator.close();
    await coordinator.close();
  },
};

interface Ear {
  /** What was heard, without the messages that find out whether the channel works. */
  heard(): readonly InvalidationMessage[];
  hasHeardTry(): boolean;
  /** Resolves when the condition holds. */
  until(
    condition: (heard: readonly InvalidationMessage[], gaps: readonly string[]) => boolean,
  ): Promise<void>;
  forget(): void;
  stop(): void;
}

const TRIED = "is anybody there";
const TRY: InvalidationMessage = { target: { userId: TRIED }, at: 1, effect: "ask" };

function isTry({ target }: InvalidationMessage): boolean {
  return "userId" in target && target.userId === TRIED;
}

async function listen(harness: CoordinatorHarness): Promise<Ear> {
  const coordinator = await harness.join();
  const heard: InvalidationMessage[] = [];
  const gaps: string[] = [];
  const changed = new Set<() => void>();
  const note = (act: () => void): void => {
    act();
    for (const tell of changed) tell();
  };
  const stop = coordinator.subscribe((message) => note(() => heard.push(message)), {
    lost: () => note(() => gaps.push("lost")),
    restored: () => note(() => gaps.push("restored")),
  });
  const without = (): readonly InvalidationMessage[] => heard.filter((message) => !isTry(message));
  return {
    heard: without,
    hasHeardTry: () => heard.some(isTry),
    async until(condition) {
      const waited = await limitTime(
        MAX_MESSAGE_DELAY,
        () =>
          new Promise<void>((resolve) => {
            const look = (): void => {
              if (!condition(without(), gaps)) return;
              changed.delete(look);
              resolve();
            };
            changed.add(look);
            look();
          }),
      );
      assert.notEqual(waited, TIMED_OUT, `heard within ${MAX_MESSAGE_DELAY} s: ${heard.length} messages`);
    },
    forget: () => void heard.splice(0),
    stop,
  };
}

/** Sends until everybody hears: a subscription takes a moment to begin. */
async function untilHeard(sender: Coordinator, ears: readonly Ear[]): Promise<void> {
  for (const ear of ears) ear.forget();
  const heard = await limitTime(MAX_MESSAGE_DELAY, async ({ signal }) => {
    while (!signal.aborted && !ears.every((ear) => ear.hasHeardTry())) {
      await sender.publish(TRY);
      await limitTime(
        0.05,
        ({ signal: over }) => new Promise((resolve) => over.addEventListener("abort", resolve)),
      );
    }
  });
  assert.notEqual(heard, TIMED_OUT, "every process hears messages");
}
