/**
 * Runs the fault tests: fleets of real processes on a real Redis and a real Postgres, which are killed, stopped and cut off.
 *
 * npm run test:faults                        everything, for hours
 * npm run test:faults -- --short             everything once, without percentiles, in minutes: what CI runs
 * npm run test:faults -- storm theft         some of: storm crash sleep theft revocation outages deploy pending soak
 * npm run test:faults -- --break=lease       with one safeguard switched off: must fail
 *
 *   --break cas|grace|lease|broadcast   which safeguard
 *   --seed N                            draws the same random numbers again  (default: printed)
 *   --minutes N                         of the soak  (default: 10)
 *   --crashes N                         at each point  (default: 250)
 *   --rounds N                          of the storm  (default: 200)
 *
 * REDIS_URL and POSTGRES_URL name the engines (default: redis://127.0.0.1:6379 and postgres://root@127.0.0.1:5432/test). Tests
 * that kill an engine start one of their own: redis-server, and the newest Postgres in /usr/lib/postgresql.
 */
import { randomInt } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { copyWithEdits } from "../../scripts/source-variant.mjs";
import { BREAKS, NEWER_RELEASE, TESTS_OF_BREAKS } from "./variants.mjs";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    break: { type: "string" },
    crashes: { type: "string", default: "250" },
    minutes: { type: "string", default: "10" },
    rounds: { type: "string", default: "200" },
    seed: { type: "string" },
    short: { type: "boolean", default: false },
  },
});
const seed = Number(values.seed ?? randomInt(1_000_000));
const broken = values.break === undefined ? [] : BREAKS[values.break];
if (broken === undefined) throw new Error(`--break is one of ${Object.keys(BREAKS).join(", ")}`);

const cache = join(ROOT, "node_modules/.cache");
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "faults-"));
try {
  const script = await bundle("tested", broken);
  const newerScript = await bundle("newer", [...broken, ...NEWER_RELEASE]);
  const { runFaults } = await import(pathToFileURL(join(dirname(script), "main.mjs")).href);
  const names =
    positionals.length > 0 || values.break === undefined ? positionals : TESTS_OF_BREAKS[values.break];
  const isGood = await runFaults(names, {
    script,
    newerScript,
    isShort: values.short || values.break !== undefined,
    stopsAtFailure: values.break !== undefined,
    crashes: Number(values.crashes),
    rounds: Number(values.rounds),
    soakMinutes: Number(values.minutes),
    seed,
  });
  process.exitCode = isGood ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Bundles the sources with edits, and the tests with them. Returns the script of one process. */
async function bundle(name, edits) {
  const copy = join(folder, name);
  copyWithEdits({ from: join(ROOT, "src"), to: join(copy, "src"), edits });
  for (const path of ["test/support", "test/faults"])
    cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  const outdir = join(folder, `${name}-built`);
  await build({
    entryPoints: ["main", "worker"].map((entry) => join(copy, "test/faults", `${entry}.ts`)),
    outdir,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20.19",
    tsconfig: join(ROOT, "tsconfig.json"),
    logLevel: "warning",
  });
  return join(outdir, "worker.mjs");
}
