import { rmSync } from "node:fs";
import { dirname } from "node:path";

/** Removes what pack.mjs left. */
export default function cleanUp() {
  const unpacked = process.env.ORGATE_UNPACKED;
  if (unpacked !== undefined) rmSync(dirname(unpacked), { recursive: true, force: true });
}
