/** Writes the fields of package.json that follow from the list in entries.mjs. */
import { readFileSync, writeFileSync } from "node:fs";
import { ENTRIES, manifestFieldsOf } from "./entries.mjs";

const path = new URL("../package.json", import.meta.url);
const before = readFileSync(path, "utf8");
const manifest = JSON.parse(before);
const after = `${JSON.stringify({ ...manifest, ...manifestFieldsOf(ENTRIES) }, undefined, 2)}\n`;
if (after !== before) writeFileSync(path, after);
