/**
 * Bundles the benchmark with the sources as they ship (no transpiling loader, no source maps) and runs it.
 *
 * npm run bench                 measures everything, in about six minutes
 * npm run bench -- --ablation   measures each optimisation against a build without it
 *
 *   --quick         runs either so briefly that the figures mean little
 *   --only <text>   measures only the groups or optimisations whose name has the text
 *
 * The bundles lie inside node_modules, so that dependencies resolve as they do for a user.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const CACHE = join(ROOT, "node_modules/.cache");

const { values } = parseArgs({
  options: {
    ablation: { type: "boolean", default: false },
    only: { type: "string" },
    quick: { type: "boolean", default: false },
  },
});

mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(join(CACHE, "bench-"));
try {
  await build({
    entryPoints: ["main", "ablation", "load"].map((name) => join(ROOT, "bench", `${name}.ts`)),
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
    await runAblation({ ...options, root: ROOT, folder });
  } else {
    if ("import".includes(values.only ?? "")) buildPackage();
    const { runBenchmark } = await load("main");
    await runBenchmark({ ...options, packageFolder: ROOT });
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// A package can import itself by its own name, as its users do.
function buildPackage() {
  const { status } = spawnSync(process.execPath, ["scripts/build.mjs"], { cwd: ROOT, stdio: "inherit" });
  if (status !== 0) throw new Error("the package could not be built");
}
