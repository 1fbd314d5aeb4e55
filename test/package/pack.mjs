import { execFileSync } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Builds and packs the package once for all package tests, and leaves it unpacked where `ORGATE_UNPACKED` says. */
export default function pack({ rootDir }) {
  const folder = mkdtempSync(join(tmpdir(), "orgate-package-"));
  const run = (command, ...args) => execFileSync(command, args, { cwd: rootDir, encoding: "utf8" });
  run(process.execPath, "scripts/build.mjs");
  const [{ filename }] = JSON.parse(
    run("npm", "pack", "--ignore-scripts", "--json", "--pack-destination", folder),
  );
  run("tar", "-xzf", join(folder, filename), "-C", folder);
  process.env.ORGATE_UNPACKED = join(folder, "package");
}
