import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { listFiles, PROJECT_ROOT } from "./scan-source.ts";

const read = (path: string): string => readFileSync(join(PROJECT_ROOT, path), "utf8");

describe("the tree in ARCHITECTURE.md", () => {
  const [, tree = ""] = /## The tree\n+```\n([\s\S]*?)```/.exec(read("ARCHITECTURE.md")) ?? [];

  it("names every file of src, and no other", () => {
    expect(pathsOf(tree).toSorted()).toEqual(listFiles("src").toSorted());
  });
});

it.each(["ARCHITECTURE.md", "CONTRIBUTING.md"])("%s names only files and folders that exist", (document) => {
  const named = [...read(document).matchAll(/`((?:src|test|scripts|bench|examples|docs)\/[\w./-]*)`/g)];
  const paths = named.map((match) => match[1] ?? "");
  expect(paths.length).toBeGreaterThan(5);
  expect(paths.filter((path) => !existsSync(join(PROJECT_ROOT, path)))).toEqual([]);
});

/** Reads the paths of a tree whose lines start with names, two spaces of indentation for each folder. */
function pathsOf(text: string): string[] {
  const folders: string[] = [];
  return text.split("\n").flatMap((line) => {
    const depth = line.search(/\S/) / 2;
    if (depth < 0) return [];
    const names = line.trim().split(/ +/);
    const [first = ""] = names;
    folders.length = depth;
    if (first.endsWith("/")) {
      folders[depth] = first;
      return [];
    }
    const end = names.findIndex((name) => !/^[\w.-]+\.ts$/.test(name));
    const files = end === -1 ? names : names.slice(0, end);
    return files.map((name) => `${folders.slice(1).join("")}${name}`);
  });
}
