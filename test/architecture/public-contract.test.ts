/**
 * Compares what the package promises with a committed description of it: names, options, methods, error codes with their
 * status and title, events with their fields, and the codes of configuration problems. A change of layout must not
 * change any of them. After a change that is meant: `npm run contract -- --write`.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { PROJECT_ROOT } from "./scan-source.ts";

it("keeps every exported name, option, method, error code and event as described in public-contract.txt", () => {
  const committed = readFileSync(join(PROJECT_ROOT, "test/architecture/public-contract.txt"), "utf8");
  const current = execFileSync(process.execPath, [join(PROJECT_ROOT, "scripts/public-contract.mjs")], {
    encoding: "utf8",
  });
  expect(current.split("\n")).toEqual(committed.split("\n"));
});
