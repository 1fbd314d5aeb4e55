import type { Coordinator, InvalidationMessage } from "../../src/fleet/coordinator.ts";

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
