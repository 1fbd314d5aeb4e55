import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { PROJECT_ROOT } from "./scan-source.ts";

interface Lockfile {
  readonly packages: Readonly<
    Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >;
}

it("is a lock file that npm ci accepts on every platform (else: node scripts/complete-lockfile.mjs)", () => {
  const text = readFileSync(join(PROJECT_ROOT, "package-lock.json"), "utf8");
  const { packages } = JSON.parse(text) as Lockfile;
  const optional = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
  expect(optional.length).toBeGreaterThan(50);
  expect(optional.filter((name) => !(`node_modules/${name}` in packages))).toEqual([]);
});
