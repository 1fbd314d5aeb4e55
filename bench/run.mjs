/**
 * Bundles the benchmark with the sources as they ship (no transpiling loader, no source maps) and runs it.
 *
 * npm run bench                 measures everything, in about six minutes
 * npm run bench -- --ablation   measures each optimisation against a build without it
 * npm run bench -- --fleet      measures renewals through Redis and Postgres, which must run
 *
 *   --quick         runs any of them so briefly that the figures mean little
 *   --only <text>   measures only the groups or optimisations whose name has the text
 *   --write         puts the tables into docs/performance.md
 *
 * The bundles lie inside node_modules, so that dependencies resolve as they do for a user.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const CACHE = join(ROOT, "node_modules/.cache");

const DOCUMENT = join(ROOT, "docs/performance.md");
const [MAJOR] = process.versions.node.split(".");

const { values } = parseArgs({
  options: {
    ablation: { type: "boolean", default: false },
    fleet: { type: "boolean", default: false },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
  },
});

if (values.write && (values.quick || values.only !== undefined)) {
  throw new Error("--write needs a whole run: leave --quick and --only out");
}

mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(join(CACHE, "bench-"));
try {
  await build({
    entryPoints: ["main", "ablation", "fleet", "load"].map((name) => join(ROOT, "bench", `${name}.ts`)),
    outdir: folder,
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
  const load = (name) => import(pathToFileURL(join(folder, `${name}.mjs`)).href);
  const options = { ...values, loadScript: join(folder, "load.mjs") };
  if (values.ablation) {
    const { runAblation } = await load("ablation");
    const tables = await runAblation({ ...options, root: ROOT, folder });
    if (values.write) writeDocument(`ablation, Node ${MAJOR}`, tables);
  } else if (values.fleet) {
    const { runFleetBenchmark } = await load("fleet");
    const tables = await runFleetBenchmark(options);
    if (values.write) writeDocument("fleet", tables);
  } else {
    if ("import".includes(values.only ?? "")) buildPackage();
    const { runBenchmark } = await load("main");
    const tables = await runBenchmark({ ...options, packageFolder: ROOT });
    // One Node stands in full; of the others, what the targets came to.
    if (values.write) writeDocument(`bench, Node ${MAJOR}`, MAJOR === "20" ? tables : withoutDetails(tables));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// A package can import itself by its own name, as its users do.
function buildPackage() {
  const { status } = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) throw new Error("the package could not be built");
}

function withoutDetails(tables) {
  return `${tables.slice(0, tables.indexOf("\n"))}\n\n${tables.slice(tables.indexOf("### Targets"))}`;
}

function writeDocument(section, tables) {
  const text = readFileSync(DOCUMENT, "utf8");
  const [begin, end] = [`<!-- begin: ${section} -->`, `<!-- end: ${section} -->`];
  const [start, stop] = [text.indexOf(begin), text.indexOf(end)];
  if (start < 0 || stop < start) throw new Error(`docs/performance.md has no section "${section}"`);
  writeFileSync(DOCUMENT, `${text.slice(0, start + begin.length)}\n\n${tables}\n\n${text.slice(stop)}`);
}
