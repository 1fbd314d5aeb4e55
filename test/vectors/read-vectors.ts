import { readdirSync, readFileSync } from "node:fs";
import { vectorPath } from "../support/requirements.ts";

/** Lists the names of the files in a folder of vectors. */
export function listVectors(folder: string): string[] {
  return readdirSync(vectorPath(folder)).toSorted();
}

/** Reads one file of vectors. */
export function readVector(path: string): Buffer {
  return readFileSync(vectorPath(path));
}
