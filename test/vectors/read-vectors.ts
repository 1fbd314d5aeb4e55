import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe } from "@jest/globals";

const ROOT = process.env["VECTORS_DIR"] ?? join(import.meta.dirname, "../../../shared/vectors");

/** `describe` for tests over outside vectors, or a skip that says so loudly where the vectors are not at hand. */
export function describeWith(folder: string): typeof describe | typeof describe.skip {
  if (existsSync(join(ROOT, folder))) return describe;
  process.stderr.write(`\nSKIPPED: no ${folder} vectors at ${ROOT}; set VECTORS_DIR to run them\n`);
  return describe.skip;
}

/** The names of the files in a folder of vectors. */
export function listVectors(folder: string): string[] {
  return readdirSync(join(ROOT, folder)).toSorted();
}

/** The bytes of one file of vectors. */
export function readVector(path: string): Buffer {
  return readFileSync(join(ROOT, path));
}
