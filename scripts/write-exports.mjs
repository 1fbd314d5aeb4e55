/** Writes the `exports` of package.json from the list in entries.mjs. */
import { readFileSync, writeFileSync } from "node:fs";
import { ENTRIES, exportsOf } from "./entries.mjs";

const manifest = new URL("../package.json", import.meta.url);
const before = readFileSync(manifest, "utf8");
const after = `${JSON.stringify({ ...JSON.parse(before), exports: exportsOf(ENTRIES) }, undefined, 2)}\n`;
if (after !== before) writeFileSync(manifest, after);
