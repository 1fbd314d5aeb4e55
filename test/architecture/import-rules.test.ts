import { describe, expect, it } from "@jest/globals";
import { type Reference, scanSource, scanSources, type SourceFile } from "./scan-source.ts";

/** Files of `src` that may know the same things. `files` are paths, or folders with a slash; the first match decides. */
interface Zone {
  readonly files: readonly string[];
  /** Other zones whose files these may import. */
  readonly imports: readonly string[];
  /** Zones of which these may know the types alone: of the values that an earlier stage hands on. */
  readonly types?: readonly string[];
}

const FOUNDATION = ["foundation"];
const CONTRACTS = ["foundation", "policy contract", "coordinator", "store contract"];
const STAGE = [...CONTRACTS, "bounded map"];
const HOSTED_STORE = [...STAGE, "policy", "problems", "http", "store tools"];
const STAGES = ["1 read", "2a verify", "2b unseal", "3 decide", "4 renew", "5 attach", "verified cache"];

const ZONES: Readonly<Record<string, Zone>> = {
  foundation: {
    files: [
      "clock.ts",
      "model.ts",
      "errors.ts",
      "events.ts",
      "auth-state.ts",
      "did-you-mean.ts",
      "event-loop.ts",
    ],
    imports: [],
  },
  "policy contract": { files: ["policy/policy.ts"], imports: FOUNDATION },
  coordinator: { files: ["coordination/coordinator.ts"], imports: FOUNDATION },
  "store contract": {
    files: [
      "stores/session-store.ts",
      "stores/begin-sign-in.ts",
      "stores/credential-profile.ts",
      "stores/session-ending.ts",
      "stores/token-profile.ts",
      "stores/capabilities.ts",
    ],
    imports: ["foundation", "policy contract", "coordinator"],
  },

  "bounded map": { files: ["pipeline/bounded-map.ts"], imports: FOUNDATION },
  "1 read": { files: ["pipeline/read-credential.ts", "pipeline/find-cookie.ts"], imports: STAGE },
  "2a verify": {
    files: [
      "pipeline/verify-token.ts",
      "pipeline/parse-token.ts",
      "pipeline/strict-json.ts",
      "pipeline/key-set.ts",
      "pipeline/import-keys.ts",
      "pipeline/roca-fingerprint.ts",
    ],
    imports: STAGE,
  },
  "2b unseal": { files: ["pipeline/unseal-session.ts"], imports: STAGE },
  "3 decide": { files: ["pipeline/decide-freshness.ts"], imports: STAGE },
  "4 renew": { files: ["pipeline/renew-session.ts", "pipeline/breaker.ts"], imports: STAGE },
  "5 attach": {
    files: ["pipeline/attach.ts", "pipeline/request-stamp.ts"],
    imports: STAGE,
    types: ["1 read", "verified cache"],
  },
  "verified cache": {
    files: ["pipeline/verified-cache.ts", "pipeline/invalidations.ts", "pipeline/share-roles.ts"],
    imports: STAGE,
    types: ["3 decide"],
  },

  policy: { files: ["policy/"], imports: STAGE },
  coordination: { files: ["coordination/"], imports: ["foundation", "coordinator"] },
  http: { files: ["http/"], imports: CONTRACTS },
  problems: { files: ["options/problems.ts"], imports: FOUNDATION },
  options: {
    files: ["options/"],
    imports: [...CONTRACTS, "problems", "coordination", "http", "1 read", "2b unseal"],
    types: ["5 attach"],
  },
  engine: {
    files: ["engine/"],
    imports: [...CONTRACTS, ...STAGES, "bounded map", "policy", "http"],
    types: ["options"],
  },
  guards: {
    files: ["guards/"],
    imports: [...CONTRACTS, "policy", "problems", "http", "5 attach", "engine"],
    types: ["verified cache"],
  },
  organization: {
    files: ["organization/"],
    imports: [
      ...CONTRACTS,
      "problems",
      "http",
      "1 read",
      "2b unseal",
      "4 renew",
      "5 attach",
      "verified cache",
      "engine",
    ],
    types: ["guards"],
  },
  instance: { files: ["orgate-instance.ts"], imports: CONTRACTS, types: ["guards", "organization"] },
  wiring: {
    files: ["orgate.ts"],
    imports: [...CONTRACTS, "options", "engine", "guards", "organization"],
    types: ["instance"],
  },

  workos: { files: ["stores/workos/"], imports: HOSTED_STORE },
  stytch: { files: ["stores/stytch/"], imports: [...HOSTED_STORE, "2a verify", "3 decide"] },
  "store tools": { files: ["stores/"], imports: [...STAGE, "problems"] },
  authority: {
    files: ["authority/"],
    imports: [
      ...CONTRACTS,
      "bounded map",
      "policy",
      "problems",
      "http",
      "2a verify",
      "2b unseal",
      "3 decide",
    ],
  },
  testing: {
    files: ["testing/"],
    imports: [...CONTRACTS, "http", "2a verify", "2b unseal", "authority", "wiring"],
    types: ["instance"],
  },

  augment: { files: ["augment.ts"], imports: FOUNDATION },
  "express types": { files: ["express.ts"], imports: [...FOUNDATION, "5 attach"] },
  entry: {
    files: ["index.ts", "core.ts"],
    imports: [...CONTRACTS, "policy", "store tools", "wiring"],
    types: ["augment", "instance", "options", "http", "5 attach", "guards", "organization"],
  },
};

/** Modules from outside `src`, and the only files or folders that may import them. `types`: by type imports alone. */
const PACKAGES: Readonly<Record<string, { readonly files: readonly string[]; readonly types?: true }>> = {
  jose: { files: ["pipeline/verify-token.ts", "authority/issuer.ts"] },
  "iron-webcrypto": { files: ["pipeline/unseal-session.ts"] },
  "lru-cache": { files: ["pipeline/verified-cache.ts", "pipeline/bounded-map.ts"] },
  cookie: { files: ["http/cookies.ts"] },
  express: { files: ["express.ts"], types: true },
  "node:assert/strict": { files: ["testing/"] },
  "node:buffer": { files: [""] },
  "node:crypto": { files: [""] },
  "node:diagnostics_channel": { files: ["events.ts"] },
  "node:http": { files: [""], types: true },
  "node:process": { files: ["testing/"] },
  "node:timers": { files: ["event-loop.ts"] },
};

/** The files behind the package's subpaths, the only ones that re-export. */
const ENTRIES = ["index.ts", "core.ts", "express.ts"].concat(
  ["authority", "testing", "stores/workos", "stores/stytch"].map((folder) => `${folder}/index.ts`),
);

/** Names that say nothing of what is inside. */
const NAMELESS = /(?:^|\/)(?:utils?|helpers?|common|misc|shared|lib)(?:\.ts|\/)/;

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

  it("has no cycle, types included", () => {
    expect(findCycles(files)).toEqual([]);
  });

  it("re-exports from the subpath entries alone, name by name", () => {
    expect(files.flatMap(judgeReExports)).toEqual([]);
  });

  it("has no default exports, no nameless files and no file above 200 lines", () => {
    expect(files.filter((file) => file.defaultExports > 0).map((file) => file.path)).toEqual([]);
    expect(files.filter((file) => NAMELESS.test(file.path)).map((file) => file.path)).toEqual([]);
    expect(files.filter((file) => file.lines > 200).map((file) => `${file.path}: ${file.lines}`)).toEqual([]);
  });

  it("asks the clock in clock.ts alone", () => {
    const asking = files.filter((file) =>
      ["Date.now", "performance.now"].some((call) => file.accesses.has(call)),
    );
    expect(asking.map((file) => file.path)).toEqual(["clock.ts"]);
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
    ["pipeline/decide-freshness.ts", 'import { renew } from "./renew-session.ts";', judgeZone],
    ["pipeline/verify-token.ts", 'import type { Guard } from "../guards/guard.ts";', judgeZone],
    ["pipeline/attach.ts", 'export type X = import("../authority/directory.ts").Directory;', judgeZone],
    ["pipeline/read-credential.ts", 'const lazy = await import("../orgate.ts");', judgeZone],
    ["pipeline/attach.ts", 'import { readCredential } from "./read-credential.ts";', judgeZone],
    ["policy/verdict.ts", 'import { orgate } from "../orgate.ts";', judgeZone],
    ["coordination/coordinator.ts", 'import type { Options } from "../options.ts";', judgeZone],
    ["stores/workos/session.ts", 'import { form } from "../stytch/form.ts";', judgeZone],
    ["pipeline/brand-new.ts", "export const x = 1;", judgeZone],
    ["options.ts", 'import { jwtVerify } from "jose";', judgePackages],
    ["pipeline/attach.ts", 'import type { Request } from "express";', judgePackages],
    ["express.ts", 'import express from "express";', judgePackages],
    ["http/cookies.ts", 'import { createServer } from "node:http";', judgePackages],
    ["http/cookies.ts", 'import { parse } from "some-package";', judgePackages],
    ["http/cookies.ts", 'export { problem } from "./problem.ts";', judgeReExports],
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
  return owner.types !== true || reference.typeOnly;
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
