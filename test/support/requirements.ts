import { existsSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe } from "@jest/globals";

/** Something outside this repository that some tests need. */
export interface Requirement {
  /** What it is, and how to provide it, as the end of a sentence. */
  readonly description: string;
  readonly isMet: boolean;
  /** Whether the tests may be skipped even where `CI` is set. */
  readonly isOptional?: boolean;
}

const VECTORS = process.env["VECTORS_DIR"] ?? join(import.meta.dirname, "../../../shared/vectors");

/** The browser that the browser tests start. */
export const CHROMIUM_PATH = process.env["CHROMIUM_PATH"] ?? "/usr/bin/chromium";

/** Requires the browser. */
export const CHROMIUM: Requirement = {
  description: "Chromium: install it, or set CHROMIUM_PATH",
  isMet: existsSync(CHROMIUM_PATH),
};

/** Requires a folder of published test vectors. `VECTORS_DIR=none` says that there are none, on purpose. */
export function vectors(folder: string): Requirement {
  return {
    description: "published test vectors: set VECTORS_DIR to the folder that holds them",
    isMet: existsSync(vectorPath(folder)),
    isOptional: VECTORS === "none",
  };
}

/** The tables of what the official SDKs read of each answer: in `VECTORS_DIR`, or in the folder `protocols` beside it. */
const SDK_MODEL_FOLDERS = [join(VECTORS, "sdk-models"), join(VECTORS, "../protocols/sdk-models")];

/** The program that reads the tables. */
export const SDK_MODELS_PATH = SDK_MODEL_FOLDERS.map((folder) => join(folder, "check.mjs")).find((path) =>
  existsSync(path),
);

/** Requires the tables. */
export const SDK_MODELS: Requirement = {
  description:
    "the models of the official SDKs: sdk-models in the folder that VECTORS_DIR names, or in protocols beside it",
  isMet: SDK_MODELS_PATH !== undefined,
  isOptional: VECTORS === "none",
};

/** Returns the path of a file or folder of the test vectors. */
export function vectorPath(path: string): string {
  return join(VECTORS, path);
}

/**
 * Defines tests that need something from outside. Without it they are skipped, and `report-skipped.mjs` says so at the
 * end of the run; where `CI` is set, the test file fails instead.
 */
export function describeWith(requirement: Requirement, name: string, define: () => void): void {
  const { description, isMet, isOptional = false } = requirement;
  const mustRun = (process.env["CI"] ?? "") !== "" && !isOptional;
  if (!isMet && mustRun) throw new Error(`"${name}" needs ${description}`);
  const [group, title] = isMet ? [describe, name] : [describe.skip, `${name} (needs ${description})`];
  group(title, define);
}
