import { setImmediate } from "node:timers";

/** Calls back on the event loop's next turn. Imported at load time, so that an application's fake timers do not stop requests. */
export const onNextTurn = setImmediate;
