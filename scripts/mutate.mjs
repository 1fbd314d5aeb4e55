/**
 * Tests the tests: changes the code in small ways, and finds the changes that no test notices.
 *
 * npm run mutate -- --seed 7 --files "src/policy/**" --mutants 200
 * npm run mutate -- --seed 7 --files src/policy/verdict.ts --tests test/unit/policy test/http/guards.test.ts
 *
 * --seed N       draws the same mutants again  (default: a random one, which is printed)
 * --files GLOB   files of src to change; may be repeated  (default: src/**)
 * --mutants N    how many  (default: 200)
 * --tests PATH   tests to run, files or folders  (default: the tests of the same name, then all that import the file)
 * --workers N    mutants at a time  (default: 2)
 * --json FILE    writes the result there too
 *
 * Nothing is written to src: jest reads the changed file through scripts/mutant-transform.mjs. Texts for people are not
 * changed. The kill rate of two layouts of the same code can be compared with the same number of mutants.
 */
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { applyMutant, drawMutants, listMutants } from "./mutants.mjs";
import { readSources, ROOT } from "./syntax-tree.mjs";

/** A mutant may take this many times as long as the tests without it, and never less than the minimum. */
const PATIENCE = 3;
const MIN_TIMEOUT = 20_000;
const NO_TIMEOUT = 3_600_000;

const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), "orgate-mutants-"));
const running = new Set();
process.on("exit", cleanUp);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

await main();

async function main() {
  const sources = readSources().filter(({ path }) => options.files.some((glob) => glob.test(`src/${path}`)));
  const texts = new Map(sources.map(({ path, text }) => [path, text]));
  const all = sources.flatMap(({ path, text }) => listMutants(path, text));
  const mutants = drawMutants(all, { count: options.mutants, seed: options.seed, texts });
  if (mutants.length === 0) throw new Error("No mutants: no file of src matches --files.");
  const files = [...new Set(mutants.map(({ path }) => path))];
  console.log(`seed ${options.seed}: ${mutants.length} of ${all.length} mutants, in ${files.length} files`);
  const timeout = await measureTests(files);

  const results = [];
  const queue = [...mutants.entries()];
  const work = async () => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const [index, mutant] = next;
      // oxlint-disable-next-line no-await-in-loop -- a worker takes one at a time
      results[index] = {
        ...mutant,
        ...(await tryMutant(mutant, { index, text: texts.get(mutant.path), timeout })),
      };
      const done = results.filter((result) => result !== undefined).length;
      console.log(`${String(done).padStart(4)}/${mutants.length}  ${describe(results[index])}`);
    }
  };
  await Promise.all(Array.from({ length: options.workers }, work));
  report(results);
}

function readOptions() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seed: { type: "string" },
      files: { type: "string", multiple: true, default: ["src/**"] },
      mutants: { type: "string", default: "200" },
      tests: { type: "string", multiple: true, default: [] },
      workers: { type: "string", default: "2" },
      json: { type: "string" },
    },
  });
  return {
    seed: values.seed === undefined ? randomInt(1_000_000) : readNumber("seed", values.seed),
    files: values.files.map(toPattern),
    mutants: readNumber("mutants", values.mutants),
    tests: [...values.tests, ...positionals],
    workers: readNumber("workers", values.workers),
    json: values.json,
  };
}

function readNumber(name, text) {
  if (!/^\d{1,9}$/.test(text)) throw new Error(`--${name} must be a whole number, not "${text}".`);
  return Number(text);
}

/** `**` matches folders, `*` a name, and a folder everything in it. */
function toPattern(glob) {
  const pattern = glob
    .replace(/\/$/, "")
    .replaceAll(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll(/\*\*\/?|\*/g, (stars) => (stars === "*" ? "[^/]*" : ".*"));
  return new RegExp(`^${pattern}(?:/.*)?$`);
}

/** Runs the tests without a mutant, which must pass. Returns how long a mutant may take, in milliseconds. */
async function measureTests(files) {
  const stages = options.tests.length > 0 ? [options.tests] : [relatedTo(files)];
  const { outcome, milliseconds, output } = await runStages(stages, { timeout: NO_TIMEOUT });
  if (outcome !== "survived") throw new Error(`The tests fail without any mutant:\n${output}`);
  const timeout = Math.max(MIN_TIMEOUT, Math.ceil(milliseconds * PATIENCE * options.workers));
  console.log(`tests pass in ${seconds(milliseconds)}; a mutant may take ${seconds(timeout)}`);
  return timeout;
}

async function tryMutant(mutant, { index, text, timeout }) {
  const textFile = join(folder, `mutant-${index}.ts`);
  writeFileSync(textFile, applyMutant(text, mutant));
  const env = { ORGATE_MUTANT_FILE: join(ROOT, "src", mutant.path), ORGATE_MUTANT_TEXT: textFile };
  const { outcome, milliseconds, output } = await runStages(stagesFor(mutant.path), { timeout, env });
  const killedBy = outcome === "killed" ? /^ +\u25cf (.+)$/m.exec(output)?.[1] : undefined;
  return { outcome, milliseconds, ...(killedBy !== undefined && { killedBy }) };
}

/** The tests of the same name come first, because they are quick and kill most. */
function stagesFor(path) {
  if (options.tests.length > 0) return [options.tests];
  const name = `${basename(path, ".ts")}.test.ts`;
  const namesakes = readdirSync(join(ROOT, "test"), { recursive: true })
    .filter((file) => basename(file) === name)
    .map((file) => join("test", file));
  return [...(namesakes.length > 0 ? [namesakes] : []), relatedTo([path])];
}

function relatedTo(files) {
  return ["--findRelatedTests", ...files.map((file) => join("src", file))];
}

async function runStages(stages, { timeout, env = {} }) {
  const started = performance.now();
  let run = { outcome: "survived", output: "" };
  for (const stage of stages) {
    if (run.outcome !== "survived") break;
    // oxlint-disable-next-line no-await-in-loop -- the second stage is for what survives the first
    run = await runTests(stage, { timeout, env });
  }
  return { ...run, milliseconds: Math.round(performance.now() - started) };
}

/** Runs jest in a process group of its own, so that a hang ends with all that it started. */
function runTests(parameters, { timeout, env }) {
  const jest = [
    "--experimental-vm-modules",
    "--disable-warning=ExperimentalWarning",
    "node_modules/jest/bin/jest.js",
  ];
  const config = [
    "--config",
    "scripts/mutant-jest.config.mjs",
    "--bail",
    "--runInBand",
    "--ci",
    "--passWithNoTests",
  ];
  const child = spawn(process.execPath, [...jest, ...config, ...parameters], {
    cwd: ROOT,
    env: { ...process.env, FORCE_COLOR: "0", ...env },
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  return new Promise((resolve, reject) => {
    let output = "";
    let isLate = false;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
    const timer = setTimeout(() => {
      isLate = true;
      kill(child);
    }, timeout);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      running.delete(child);
      resolve({ outcome: isLate ? "timed out" : code === 0 ? "survived" : "killed", output });
    });
  });
}

function kill({ pid }) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function cleanUp() {
  for (const child of running) kill(child);
  rmSync(folder, { recursive: true, force: true });
}

function report(results) {
  const count = (outcome) => results.filter((result) => result.outcome === outcome).length;
  const [killed, survived, timedOut] = ["killed", "survived", "timed out"].map(count);
  const killRate = (killed + timedOut) / results.length;
  if (survived > 0) console.log("\nsurvivors");
  for (const result of results) if (result.outcome === "survived") console.log(`  ${describe(result)}`);
  console.log(`\nseed ${options.seed}: ${killed} killed, ${timedOut} timed out, ${survived} survived`);
  console.log(`kill rate ${(killRate * 100).toFixed(1)} %`);
  if (options.json === undefined) return;
  const summary = { seed: options.seed, killed, timedOut, survived, killRate, mutants: results };
  writeFileSync(options.json, `${JSON.stringify(summary, null, 2)}\n`);
}

function describe({ outcome, milliseconds, path, line, kind, before, after }) {
  const change =
    before === "" ? `insert ${after.trim()}` : `${shorten(before)} -> ${shorten(after) || "(nothing)"}`;
  return `${outcome.padEnd(9)} ${seconds(milliseconds).padStart(6)}  src/${path}:${line}  ${kind}: ${change}`;
}

function shorten(text) {
  const line = text.replaceAll(/\s+/g, " ").trim();
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}

function seconds(milliseconds) {
  return `${(milliseconds / 1000).toFixed(1)} s`;
}
