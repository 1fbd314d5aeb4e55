import type { InvalidationMessage } from "../coordination/coordinator.ts";
import type { Engine } from "./engine.ts";

/** Tells the other processes. Trouble with that is no reason to fail: their bound is the age of a token. */
export async function tellOthers({ options, events }: Engine, message: InvalidationMessage): Promise<void> {
  try {
    await options.coordinator.publish(message);
  } catch {
    events.emit({ type: "misconfigured", reason: "coordinator_failed" });
  }
}
