import { setImmediate } from "node:timers";

/** Calls back on the event loop's next turn. Held here, so that fake timers of an application's tests do not hold up requests. */
export const onNextTurn = setImmediate;
