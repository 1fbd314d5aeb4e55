import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { listFiles, PROJECT_ROOT } from "./scan-source.ts";

const FOLDERS = ["src", "test", "examples", "bench", "scripts"];

/** Anything but tab, line feed and printable ASCII: no bidirectional tricks, no look-alikes, no carriage returns. */
const FOREIGN = /[^\t\n\x20-\x7e]/;

const texts = FOLDERS.flatMap((folder) =>
  listFiles(folder)
    .filter((path) => /\.(?:[cm]?[jt]s|json)$/.test(path) && !path.includes("node_modules/"))
    .map((path) => ({
      path: `${folder}/${path}`,
      text: readFileSync(join(PROJECT_ROOT, folder, path), "utf8"),
    })),
);

describe("the text of the sources", () => {
  it("is ASCII", () => {
    expect(texts.length).toBeGreaterThan(20);
    expect(texts.flatMap(({ path, text }) => foreignLines(path, text))).toEqual([]);
  });

  it("would not let a look-alike or a bidirectional override pass", () => {
    expect(foreignLines("a.ts", "ok\nif (\u0430dmin) {}\n")).toEqual(["a.ts:2"]);
    expect(foreignLines("a.ts", "/* \u202e */")).toEqual(["a.ts:1"]);
  });
});

function foreignLines(path: string, text: string): string[] {
  return text.split("\n").flatMap((line, index) => (FOREIGN.test(line) ? [`${path}:${index + 1}`] : []));
}
