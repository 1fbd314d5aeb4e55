import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";

const HERE = import.meta.dirname;
const ROOT = join(HERE, "../..");
const TIMEOUT = 60_000;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

describe("the type tests", () => {
  it(
    "compile, so that every expected error occurs",
    () => {
      const files = readdirSync(HERE).filter((file) => file.endsWith(".ts") && file !== "compile.test.ts");
      expect(files.length).toBeGreaterThan(0);
      expect(compile(files.map((file) => join(HERE, file)))).toEqual([]);
    },
    TIMEOUT,
  );

  it(
    "do not compile when an expected error does not occur",
    () => {
      const planted = "// @ts-expect-error -- there is none\nexport const fine: number = 1;\n";
      expect(compilePlanted(planted)).toEqual([expect.stringContaining("TS2578")]);
    },
    TIMEOUT,
  );
});

/** Type-checks the files under the project's own options; every line is a mistake. */
function compile(files: readonly string[]): string[] {
  const folder = makeFolder();
  const config = { extends: join(ROOT, "tsconfig.json"), files, include: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const { stdout } = spawnSync(process.execPath, [tsc, "--pretty", "false", "-p", folder], {
    encoding: "utf8",
  });
  return stdout.split("\n").filter((line) => line !== "");
}

function compilePlanted(text: string): string[] {
  const file = join(makeFolder(), "planted.ts");
  writeFileSync(file, text);
  return compile([file]);
}

/** Inside the project, so that the compiler finds its packages. */
function makeFolder(): string {
  const folder = mkdtempSync(join(ROOT, "node_modules/.types-"));
  folders.push(folder);
  return folder;
}
