import { describe, expect, it } from "@jest/globals";
import { type Reference, scanSource, scanSources, type SourceFile } from "./scan-source.ts";

/** Files of `src` that may know the same things. `files` are paths, or folders with a slash; the first match decides. */
interface Zone {
  readonly files: readonly string[];
  /** Other zones whose files these may import. */
  readonly imports: readonly string[];
  /** Zones of which these may know the types alone. */
  readonly types?: readonly string[];
}

const BASE = ["foundation", "lib"];
const CONTRACTS = [...BASE, "policy contract", "coordinator", "store contract"];

const ZONES: Readonly<Record<string, Zone>> = {
  foundation: { files: ["model.ts", "errors.ts", "events.ts"], imports: ["lib"] },
  lib: { files: ["lib/"], imports: ["foundation"], types: ["store contract"] },
  "policy contract": { files: ["policy/policy.ts"], imports: [...BASE, "policy"] },
  coordinator: { files: ["fleet/coordinator.ts"], imports: BASE },
  "store contract": { files: ["store.ts"], imports: [...BASE, "policy contract", "coordinator"] },

  policy: { files: ["policy/"], imports: CONTRACTS },
  tokens: { files: ["tokens/"], imports: CONTRACTS },
  options: {
    files: ["options/"],
    imports: [...CONTRACTS, "policy", "tokens"],
    types: ["guards", "request"],
  },
  request: {
    files: ["request/"],
    imports: [...CONTRACTS, "policy", "tokens", "options"],
    types: ["guards"],
  },
  guards: { files: ["guards/"], imports: [...CONTRACTS, "policy", "tokens", "options", "request"] },
  "sign-in": {
    files: ["sign-in/"],
    imports: [...CONTRACTS, "tokens", "options", "request", "guards"],
  },
  instance: {
    files: ["orgate.ts"],
    imports: [...CONTRACTS, "policy", "options", "request", "guards", "sign-in"],
  },

  workos: { files: ["stores/workos/"], imports: [...CONTRACTS, "policy", "store tools"] },
  stytch: { files: ["stores/stytch/"], imports: [...CONTRACTS, "policy", "store tools", "tokens"] },
  "store tools": { files: ["stores/"], imports: CONTRACTS },
  // Loaded only by applications that serve the protocol.
  "wire routers": {
    files: ["authority/wire/"],
    imports: [...CONTRACTS, "policy", "authority"],
  },
  authority: {
    files: ["authority/"],
    imports: [...CONTRACTS, "policy", "tokens"],
  },
  fleet: { files: ["fleet/"], imports: CONTRACTS, types: ["authority"] },
  testing: {
    files: ["testing/"],
    imports: [...CONTRACTS, "tokens", "authority", "instance"],
  },

  augment: { files: ["augment.ts"], imports: BASE },
  "express types": { files: ["express.ts"], imports: [...BASE, "request"] },
  entry: {
    files: ["index.ts", "core.ts"],
    imports: [...CONTRACTS, "policy", "store tools", "instance"],
    types: ["augment", "options", "request", "guards", "sign-in"],
  },
};

/** Modules from outside `src`, and the only files or folders that may import them. `types`: by type imports alone, but for `values`. */
const PACKAGES: Readonly<
  Record<
    string,
    { readonly files: readonly string[]; readonly types?: true; readonly values?: readonly string[] }
  >
> = {
  jose: { files: ["tokens/verify-token.ts", "authority/signing-keys.ts"] },
  "iron-webcrypto": { files: ["lib/crypto.ts"] },
  "lru-cache": { files: ["request/cache.ts", "lib/bounded-map.ts"] },
  cookie: { files: ["lib/cookies.ts"] },
  express: { files: ["express.ts"], types: true },
  "node:assert/strict": { files: ["testing/"] },
  "node:buffer": { files: [""] },
  "node:crypto": { files: [""] },
  "node:diagnostics_channel": { files: ["events.ts"] },
  "node:http": { files: [""], types: true, values: ["request/respond.ts"] },
  "node:process": { files: ["testing/", "lib/warnings.ts"] },
  "node:timers": { files: ["lib/clock.ts"] },
};

/** The files behind the package's subpaths, the only ones that re-export. */
const ENTRIES = ["index.ts", "core.ts", "express.ts"].concat(
  [
    "authority",
    "authority/wire/workos",
    "authority/wire/stytch",
    "testing",
    "stores/workos",
    "stores/stytch",
    "fleet/postgres",
    "fleet/redis",
  ].map((folder) => `${folder}/index.ts`),
);

/** Names that say nothing of what is inside. */
const NAMELESS = /(?:^|\/)(?:utils?|helpers?|common|misc|shared)(?:\.ts|\/)/;

const files = scanSources();

describe("the imports of src", () => {
  it("has files to judge", () => {
    expect(files.length).toBeGreaterThan(10);
  });

  it("keeps every file in a zone, and every import within what its zone may know", () => {
    expect(files.flatMap(judgeZone)).toEqual([]);
  });

  it("gives every package its owner", () => {
    expect(files.flatMap(judgePackages)).toEqual([]);
  });

  it("re-exports from the subpath entries alone, name by name", () => {
    expect(files.flatMap(judgeReExports)).toEqual([]);
  });

  it("has no default exports, no nameless files and no file above 500 lines", () => {
    expect(files.filter((file) => file.defaultExports > 0).map((file) => file.path)).toEqual([]);
    expect(files.filter((file) => NAMELESS.test(file.path)).map((file) => file.path)).toEqual([]);
    expect(files.filter((file) => file.lines > 500).map((file) => `${file.path}: ${file.lines}`)).toEqual([]);
  });

  it("asks the clock in lib/clock.ts alone", () => {
    const asking = files.filter((file) =>
      ["Date.now", "performance.now"].some((call) => file.accesses.has(call)),
    );
    expect(asking.map((file) => file.path)).toEqual(["lib/clock.ts"]);
  });

  it("recognises its own classes by brand, never by instanceof", () => {
    const classes = new Set(files.flatMap((file) => file.classes));
    const offences = files.flatMap((file) =>
      file.instanceofNames
        .filter((name) => classes.has(name))
        .map((name) => `${file.path}: instanceof ${name}`),
    );
    expect(offences).toEqual([]);
  });
});

describe("the rules themselves", () => {
  it.each([
    ["tokens/freshness.ts", 'import { renew } from "../request/renew.ts";', judgeZone],
    ["tokens/verify-token.ts", 'import type { Guard } from "../guards/guard.ts";', judgeZone],
    ["request/request-auth.ts", 'export type X = import("../authority/directory.ts").Directory;', judgeZone],
    ["request/read-credential.ts", 'const lazy = await import("../orgate.ts");', judgeZone],
    ["request/authenticate.ts", 'import { deny } from "../guards/denial.ts";', judgeZone],
    ["policy/verdict.ts", 'import { orgate } from "../orgate.ts";', judgeZone],
    ["lib/cookies.ts", 'import { find } from "../request/read-credential.ts";', judgeZone],
    ["stores/workos/session.ts", 'import { form } from "../stytch/form.ts";', judgeZone],
    ["stores/workos/session.ts", 'import { authenticate } from "../../request/authenticate.ts";', judgeZone],
    ["authority/authority.ts", 'import { createWireRouter } from "./wire/router.ts";', judgeZone],
    ["pipeline/brand-new.ts", "export const x = 1;", judgeZone],
    ["options/options.ts", 'import { jwtVerify } from "jose";', judgePackages],
    ["request/request-auth.ts", 'import type { Request } from "express";', judgePackages],
    ["express.ts", 'import express from "express";', judgePackages],
    ["lib/cookies.ts", 'import { createServer } from "node:http";', judgePackages],
    ["lib/cookies.ts", 'import { parse } from "some-package";', judgePackages],
    ["lib/cookies.ts", 'export { problem } from "./problem.ts";', judgeReExports],
    ["index.ts", 'export * from "./orgate.ts";', judgeReExports],
    ["core.ts", 'import { a } from "./orgate.ts"; export const b = a();', judgeReExports],
  ] as const)("refuses in %s: %s", (path, text, judge) => {
    expect(judge(scanSource(path, text))).toHaveLength(1);
  });

  it("finds a cycle of type imports", () => {
    const cycle = [
      scanSource("a.ts", 'import type { B } from "./b.ts"; export type A = B;'),
      scanSource("b.ts", 'import type { A } from "./a.ts"; export type B = A;'),
    ];
    expect(findCycles(cycle)).toEqual(["a.ts -> b.ts -> a.ts"]);
  });

  it("names only zones that exist", () => {
    const unknown = Object.values(ZONES).flatMap(({ imports, types = [] }) =>
      [...imports, ...types].filter((name) => !(name in ZONES)),
    );
    expect(unknown).toEqual([]);
  });
});

function isIn(path: string, pattern: string): boolean {
  return pattern === "" || pattern.endsWith("/") ? path.startsWith(pattern) : path === pattern;
}

function zoneOf(path: string): string | undefined {
  return Object.keys(ZONES).find((name) => ZONES[name]?.files.some((pattern) => isIn(path, pattern)));
}

function judgeZone(file: SourceFile): string[] {
  const name = zoneOf(file.path);
  const zone = name === undefined ? undefined : ZONES[name];
  if (name === undefined || zone === undefined) return [`${file.path} is in no zone: add it to the table`];
  return file.references
    .filter((reference) => !reference.external)
    .map((reference) => ({ ...reference, zone: zoneOf(reference.to) ?? "no zone" }))
    .filter((target) => target.zone !== name && !zone.imports.includes(target.zone))
    .filter((target) => !(target.typeOnly && zone.types?.includes(target.zone) === true))
    .map((target) => `${file.path} (${name}) imports ${target.to} (${target.zone})`);
}

function judgePackages(file: SourceFile): string[] {
  return file.references
    .filter((reference) => reference.external && !mayImport(file.path, reference))
    .map((reference) => `${file.path} imports ${reference.to}`);
}

function mayImport(path: string, reference: Reference): boolean {
  const owner = PACKAGES[reference.to];
  if (owner === undefined || !owner.files.some((pattern) => isIn(path, pattern))) return false;
  return owner.types !== true || reference.typeOnly || owner.values?.includes(path) === true;
}

function judgeReExports(file: SourceFile): string[] {
  const reExports = file.references.filter((reference) => reference.kind.startsWith("export"));
  if (!ENTRIES.includes(file.path))
    return reExports.map((reference) => `${file.path} re-exports ${reference.to}`);
  const wholesale = reExports.filter(
    (reference) => reference.kind === "export-all" && !ENTRIES.includes(reference.to),
  );
  const logic = file.path === "express.ts" ? 0 : file.ownStatements;
  return [
    ...wholesale.map((reference) => `${file.path} re-exports all of ${reference.to}`),
    ...(logic > 0 ? [`${file.path} has logic of its own`] : []),
  ];
}

function findCycles(sources: readonly SourceFile[]): string[] {
  const edges = new Map(
    sources.map((file) => [file.path, file.references.filter((reference) => !reference.external)] as const),
  );
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      cycles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
      return;
    }
    if (done.has(path)) return;
    for (const reference of edges.get(path) ?? []) visit(reference.to, [...trail, path]);
    done.add(path);
  };
  for (const path of edges.keys()) visit(path, []);
  return cycles;
}
