import { setImmediate } from "node:timers";

/** Calls back on the event loop's next turn. Imported at load time, so that an application's fake timers do not stop requests. */
export const onNextTurn = setImmediate;

let turn: Promise<void> | undefined;

/**
 * Resolves at the end of the event loop's turn, to batch signature checks.
 *
 * Cryptography runs on other threads, and waking one costs about as much as checking a signature. Callers that wait for the
 * end of the turn wake them once.
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
