import { ENTRIES, moduleNamesOf } from "./scripts/entries.mjs";
import { listTypeOnlyFiles } from "./scripts/type-only-files.mjs";

const CONSUMERS = "<rootDir>/test/package/projects/";

/** What every project shares: native ES modules, TypeScript stripped by swc, the package under its own name. */
const shared = {
  testEnvironment: "node",
  modulePathIgnorePatterns: ["<rootDir>/dist", CONSUMERS],
  extensionsToTreatAsEsm: [".ts"],
  transform: {
    "^.+\\.ts$": [
      "@swc/jest",
      {
        jsc: { parser: { syntax: "typescript" }, target: "es2023" },
        module: { type: "es6" },
        sourceMaps: "inline",
      },
    ],
  },
  moduleNameMapper: moduleNamesOf(ENTRIES),
};

const uncoverable = process.argv.includes("--coverage") ? listTypeOnlyFiles().map((path) => `!${path}`) : [];

/** @type {import("jest").Config} */
const config = {
  projects: [
    {
      ...shared,
      displayName: "sources",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ["/node_modules/", "<rootDir>/test/(?:package|browser)/"],
      globalSetup: "<rootDir>/test/support/make-rsa-keys.mjs",
    },
    { ...shared, displayName: "browser", testMatch: ["<rootDir>/test/browser/**/*.test.ts"] },
    {
      ...shared,
      displayName: "package",
      testMatch: ["<rootDir>/test/package/*.test.ts"],
      globalSetup: "<rootDir>/test/package/pack.mjs",
      globalTeardown: "<rootDir>/test/package/clean-up.mjs",
    },
  ],
  maxWorkers: "100%",
  // jest's context of a test file is not freed when the file ends, and slows down every file that comes after it.
  workerIdleMemoryLimit: "512MB",
  reporters: ["default", "<rootDir>/test/support/report-skipped.mjs"],
  // A hang must end, but a machine that is busy is not a failure.
  testTimeout: 60_000,
  coverageProvider: "v8",
  collectCoverageFrom: ["src/**/*.ts", ...uncoverable],
  coverageThreshold: {
    "./src/guards/": { branches: 100 },
    "./src/tokens/": { branches: 100 },
    "./src/policy/": { branches: 100 },
  },
};

export default config;
