import { setImmediate } from "node:timers";

/** Calls back on the event loop's next turn. Held here, so that fake timers of somebody's test do not hold up requests. */
export const onNextTurn = setImmediate;

let turn: Promise<void> | undefined;

/**
 * Resolves when the event loop has handed out everything that came in together.
 *
 * Cryptography runs on other threads, and waking one costs about as much as checking a signature: what waits for the end of
 * the turn wakes them once for all.
 */
export function endOfTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    onNextTurn(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}
