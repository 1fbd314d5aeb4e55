import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ENTRIES, exportsOf } from "../../scripts/entries.mjs";
import { listFiles, PROJECT_ROOT } from "../architecture/scan-source.ts";
import { readManifest, UNPACKED } from "./consumer.ts";

const DOCUMENTS = ["CHANGELOG.md", "LICENSE", "README.md", "SECURITY.md", "ARCHITECTURE.md", "package.json"];
const VENDORED = ["iron-webcrypto", "jose"].flatMap((name) => [`${name}.cjs`, `${name}.LICENSE.txt`]);
const BUILT = [".js", ".js.map", ".d.ts", ".d.ts.map"];

const packed = readdirSync(UNPACKED, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(UNPACKED, join(entry.parentPath, entry.name)))
  .toSorted();
const read = (path: string): string => readFileSync(join(UNPACKED, path), "utf8");

describe("the tarball", () => {
  it("contains the documents, the sources and their build output, and nothing else", () => {
    const sources = listFiles("src");
    const built = ["esm", "cjs"].flatMap((format) =>
      sources.flatMap((path) => BUILT.map((suffix) => `dist/${format}/${path.replace(/\.ts$/, suffix)}`)),
    );
    const expected = [
      ...DOCUMENTS,
      ...sources.map((path) => `src/${path}`),
      ...built,
      "dist/cjs/package.json",
      ...VENDORED.map((name) => `dist/cjs/vendor/${name}`),
    ];
    expect(packed).toEqual(expected.toSorted());
  });

  it("has source maps that point to files in it", () => {
    const maps = packed.filter((path) => path.endsWith(".map"));
    const lost = maps.flatMap((path) => {
      const { sources } = JSON.parse(read(path)) as { readonly sources: readonly string[] };
      return sources.filter((source) => !existsSync(join(UNPACKED, dirname(path), source)));
    });
    expect(maps.length).toBeGreaterThan(20);
    expect(lost).toEqual([]);
  });

  it("maps every export to a file, for every entry", () => {
    const manifest = readManifest();
    expect(manifest.exports).toEqual(exportsOf(ENTRIES));
    const targets = JSON.stringify(manifest.exports).match(/\.\/dist\/[^"]+/g) ?? [];
    expect(targets.length).toBe(Object.keys(ENTRIES).length * 6);
    expect(targets.filter((path) => !existsSync(join(UNPACKED, path)))).toEqual([]);
  });

  it("depends on four packages at run time, and imports no other", () => {
    const { dependencies, peerDependencies } = readManifest();
    expect(Object.keys(dependencies)).toEqual(["cookie", "iron-webcrypto", "jose", "lru-cache"]);
    const declared = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)]);
    const undeclared = packed
      .filter((path) => path.startsWith("dist/esm/") && path.endsWith(".js"))
      .flatMap((path) => specifiersOf(path).filter((specifier) => !declared.has(specifier)));
    expect(undeclared).toEqual([]);
  });
});

describe("the declarations", () => {
  const declarations = packed.filter((path) => path.endsWith(".d.ts"));

  it("import nothing that CommonJS cannot, and Express's types only in orgate/express", () => {
    const foreign = declarations.flatMap((path) =>
      specifiersOf(path).map((specifier) => `${path}: ${specifier}`),
    );
    expect(foreign).toEqual(["cjs", "esm"].map((format) => `dist/${format}/express.d.ts: express`));
  });

  it("refer to built files, never to TypeScript sources", () => {
    const unbuilt = packed
      .filter((path) => path.startsWith("dist/") && /\.(?:js|cjs|d\.ts)$/.test(path))
      .filter((path) => /["']\.{1,2}\/[^"'\n]*(?<!\.d)\.ts["']/.test(read(path)));
    expect(unbuilt).toEqual([]);
  });

  it("contain no any", () => {
    const vague = declarations.filter((path) => /[:<|&,=]\s*any\b/.test(withoutComments(read(path))));
    expect(vague).toEqual([]);
  });
});

/** Packages that a built file imports; Node's own modules aside. */
function specifiersOf(path: string): string[] {
  const text = withoutComments(read(path));
  const found = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|(?<!\.)\brequire\()\s*["']([^"'\n]+)["']/g)];
  return found.map((match) => match[1] ?? "").filter((specifier) => !/^(?:\.|node:)/.test(specifier));
}

// Built files carry documentation with examples, which import the package by its name.
function withoutComments(text: string): string {
  return text.replaceAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm, "");
}

it("the package is packed from this project", () => {
  expect(read("package.json")).toBe(readFileSync(join(PROJECT_ROOT, "package.json"), "utf8"));
});
