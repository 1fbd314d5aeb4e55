import { readdirSync, readFileSync } from "node:fs";

const SOURCES = new URL("../../src/", import.meta.url);

/** The text of every source file. */
export function readSources(): string[] {
  return readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => readFileSync(new URL(path, SOURCES), "utf8"));
}
