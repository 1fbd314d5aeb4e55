import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Collects garbage, now. Waits a turn first: a weak reference holds on until the job that made it is over. */
export async function collectGarbage(): Promise<void> {
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  setFlagsFromString("--expose-gc");
  runInNewContext("gc")();
}
