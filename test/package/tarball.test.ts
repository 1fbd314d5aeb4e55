import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join, posix, relative } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { ENTRIES, manifestFieldsOf, nameOf } from "../../scripts/entries.mjs";
import { PROJECT_ROOT } from "../architecture/scan-source.ts";
import { readManifest, UNPACKED } from "./consumer.ts";

/** Files of the package, and their bytes unpacked. */
const MAX_FILES = 80;
const MAX_BYTES = 1_500_000;

const packed = readdirSync(UNPACKED, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(UNPACKED, join(entry.parentPath, entry.name)))
  .toSorted();
const read = (path: string): string => readFileSync(join(UNPACKED, path), "utf8");

describe("the tarball", () => {
  it(`has at most ${MAX_FILES} files and ${MAX_BYTES} bytes`, () => {
    const bytes = packed.reduce((sum, path) => sum + statSync(join(UNPACKED, path)).size, 0);
    expect(packed.length).toBeLessThanOrEqual(MAX_FILES);
    expect(bytes).toBeLessThanOrEqual(MAX_BYTES);
  });

  it("holds what is built and the documents, and neither sources, maps, tests nor pictures", () => {
    const folders = new Set(packed.filter((path) => path.includes("/")).map((path) => path.split("/")[0]));
    expect([...folders]).toEqual(["dist", "docs"]);
    expect(packed.filter((path) => /\.(?:map|png|test\.\w+)$|(?<!\.d)\.ts$/.test(path))).toEqual([]);
    expect(packed).toEqual(expect.arrayContaining(["LICENSE", "README.md", "SECURITY.md", "CHANGELOG.md"]));
  });

  it("has what every relative link of its documents leads to", () => {
    const lost = packed
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) => linksOf(path).filter((target) => !existsSync(join(UNPACKED, target))));
    expect(lost).toEqual([]);
  });

  it("leads every entry to a file, also for TypeScript's resolution from before exports", () => {
    const manifest = readManifest();
    expect(manifest).toMatchObject(manifestFieldsOf(ENTRIES));
    const targets = JSON.stringify(manifest).match(/\.\/dist\/[^"]+/g) ?? [];
    expect(targets.length).toBeGreaterThan(Object.keys(ENTRIES).length * 5);
    expect(targets.filter((path) => !existsSync(join(UNPACKED, path)))).toEqual([]);
  });

  it("depends on four packages at run time, and requires no other", () => {
    const { dependencies, peerDependencies } = readManifest();
    expect(Object.keys(dependencies)).toEqual(["cookie", "iron-webcrypto", "jose", "lru-cache"]);
    const declared = new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)]);
    const undeclared = packed
      .filter((path) => /^dist\/(?!vendor\/).*\.c?js$/.test(path))
      .flatMap((path) =>
        specifiersOf(path).filter((specifier) => !declared.has(specifier.replace(/^#/, ""))),
      );
    expect(undeclared).toEqual([]);
  });
});

describe("the wire routers", () => {
  const ROUTES = { workos: "/user_management/users/:", stytch: "/v1/b2b/rbac/organizations/:" };

  it.each(["workos", "stytch"] as const)("are loaded by the entry of their own alone: %s", (service) => {
    const loading = Object.keys(ENTRIES).filter((subpath) =>
      loadedBy(`dist/${nameOf(subpath)}.cjs`).some((path) => read(path).includes(ROUTES[service])),
    );
    expect(loading).toEqual([`./authority/${service}`]);
  });
});

describe("the declarations", () => {
  const declarations = packed.filter((path) => /\.d\.c?ts$/.test(path));

  it("import nothing that CommonJS cannot, and Express's types only in orgate/express", () => {
    const foreign = declarations.flatMap((path) =>
      specifiersOf(path).map((specifier) => `${path}: ${specifier}`),
    );
    expect(foreign).toEqual(["dist/express.d.cts: express"]);
  });

  it("refer to built files, never to TypeScript sources", () => {
    const unbuilt = packed
      .filter((path) => path.startsWith("dist/") && /\.(?:js|cjs|d\.c?ts)$/.test(path))
      .filter((path) => /["']\.{1,2}\/[^"'\n]*(?<!\.d)\.ts["']/.test(read(path)));
    expect(unbuilt).toEqual([]);
  });

  it("contain no any", () => {
    const vague = declarations.filter((path) => /[:<|&,=]\s*any\b/.test(withoutComments(read(path))));
    expect(vague).toEqual([]);
  });

  it("carry the documentation", () => {
    expect(read("dist/shared/orgate.d.cts")).toContain("@defaultValue");
  });
});

/** The built files that are loaded with one of them, itself included. */
function loadedBy(path: string, seen = new Set<string>()): readonly string[] {
  if (seen.has(path)) return [];
  seen.add(path);
  for (const [, target = ""] of read(path).matchAll(/\brequire\(["'](\.{1,2}\/[^"'\n]+)["']\)/g)) {
    loadedBy(posix.join(posix.dirname(path), target), seen);
  }
  return [...seen];
}

/** Packages that a built file imports; Node's own modules aside. */
function specifiersOf(path: string): string[] {
  const text = withoutComments(read(path));
  const found = [...text.matchAll(/(?:\bfrom|\bimport|\bimport\(|(?<!\.)\brequire\()\s*["']([^"'\n]+)["']/g)];
  return found.map((match) => match[1] ?? "").filter((specifier) => !/^(?:\.|node:)/.test(specifier));
}

// Declarations carry documentation with examples, which import the package by its name.
function withoutComments(text: string): string {
  return text.replaceAll(/^[ \t]*\/\*\*[\s\S]*?\*\//gm, "");
}

/** What a document's relative links lead to, as paths in the package. */
function linksOf(path: string): string[] {
  return [...read(path).matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)[^)]*\)/g)]
    .map((match) => posix.normalize(posix.join(posix.dirname(path), match[1] ?? "")))
    .filter((target) => !target.endsWith(".png"));
}

it("the package is packed from this project", () => {
  expect(read("package.json")).toBe(readFileSync(join(PROJECT_ROOT, "package.json"), "utf8"));
});
