import { renameSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "@jest/globals";
import { type Consumer, createConsumer, MODULES, type Run } from "./consumer.ts";

const EXPRESS_5 = { express: "express" };
const EXPRESS_5_TYPES = { "@types/node": "@types/node", "@types/express": "@types/express", ...EXPRESS_5 };
const EXPRESS_4_TYPES = { ...EXPRESS_5_TYPES, express: "express4", "@types/express": "express4-types" };

/** Makes Node load as it did before it could require ES modules: the copies in dist/vendor are used. */
const WITHOUT_REQUIRE_ESM = "--no-experimental-require-module";
const BUNDLER = ["--module", "esnext", "--moduleResolution", "bundler"];
const SILENT: Run = { status: 0, output: "" };
const TIMEOUT = 60_000;

const consumers: Consumer[] = [];
afterEach(() => {
  for (const consumer of consumers.splice(0)) consumer.remove();
});

describe("the packed package at run time", () => {
  it.each([
    ["Express 5", { express: "express" }],
    ["Express 4", { express: "express4" }],
  ])(
    "serves the quick start to ES modules, under %s",
    (_version, modules) => {
      expect(install("esm", modules).node("quick-start.js")).toEqual(succeeded("quick start: ok"));
    },
    TIMEOUT,
  );

  it(
    "is one instance for require and import",
    () => {
      expect(install("esm", EXPRESS_5).node("one-instance.js")).toEqual(succeeded("one instance: ok"));
    },
    TIMEOUT,
  );

  it.each([
    ["can", []],
    ["cannot", [WITHOUT_REQUIRE_ESM]],
  ])(
    "serves the quick start to CommonJS and shares its state with ES modules, where Node %s require those",
    (_way, flags) => {
      const consumer = install("commonjs", EXPRESS_5);
      expect(consumer.node(...flags, "quick-start.js")).toEqual(succeeded("quick start: ok"));
      expect(consumer.node(...flags, "shared-state.js")).toEqual(succeeded("shared state: ok"));
    },
    TIMEOUT,
  );

  it(
    "loads in a jest project with jest's defaults, in CommonJS mode",
    () => {
      const consumer = install("jest-commonjs", { ...EXPRESS_5, supertest: "supertest" });
      const run = consumer.node(join(MODULES, "jest/bin/jest.js"), "--ci");
      expect(run).toEqual(succeeded("Tests:       2 passed, 2 total"));
    },
    TIMEOUT,
  );
});

describe("the packed package under the type checker", () => {
  it.each([
    ["an ES module under nodenext", "quick-start.mts", [], "Express 5", EXPRESS_5_TYPES],
    ["an ES module under nodenext", "quick-start.mts", [], "Express 4", EXPRESS_4_TYPES],
    ["CommonJS under nodenext", "quick-start.cts", [], "Express 5", EXPRESS_5_TYPES],
    ["CommonJS under nodenext", "quick-start.cts", [], "Express 4", EXPRESS_4_TYPES],
    ["a module under bundler", "quick-start.ts", BUNDLER, "Express 5", EXPRESS_5_TYPES],
  ] as const)(
    "compiles in %s (%s %j), with the types of %s",
    (_kind, file, flags, _version, modules) => {
      const consumer = install("typescript", modules);
      renameSync(join(consumer.folder, "quick-start.ts"), join(consumer.folder, file));
      expect(consumer.typeCheck(...flags)).toEqual(SILENT);
    },
    TIMEOUT,
  );

  it(
    "has no implicit any when @types/express is absent",
    () => {
      const consumer = install("no-express", { "@types/node": "@types/node" });
      expect(consumer.typeCheck()).toEqual(SILENT);
    },
    TIMEOUT,
  );
});

function install(project: string, modules: Readonly<Record<string, string>>): Consumer {
  const consumer = createConsumer(project, modules);
  consumers.push(consumer);
  return consumer;
}

function succeeded(output: string): Run {
  return { status: 0, output: expect.stringContaining(output) as unknown as string };
}
