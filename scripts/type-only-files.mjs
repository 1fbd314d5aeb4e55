import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "@swc/core";

const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));

/** Sources that declare types alone: nothing of them runs, so coverage would count them as never reached. */
export function listTypeOnlyFiles() {
  return readdirSync(SOURCES, { recursive: true })
    .filter((path) => path.endsWith(".ts") && isEmptyOnceStripped(readFileSync(join(SOURCES, path), "utf8")))
    .map((path) => `src/${path.replaceAll("\\", "/")}`);
}

function isEmptyOnceStripped(text) {
  const { code } = transformSync(text, {
    jsc: { parser: { syntax: "typescript" }, target: "es2023", preserveAllComments: false },
    minify: true,
  });
  return /^(?:export ?\{ ?\};?)?\s*$/.test(code);
}
