/**
 * Bundles the benchmark with the sources as they ship (no transpiling loader, no source maps) and runs it.
 *
 * The bundle lies inside node_modules, so that dependencies resolve as they do for a user.
 */
import { mkdtempSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const CACHE = join(HERE, "../node_modules/.cache");

mkdirSync(CACHE, { recursive: true });
const folder = mkdtempSync(join(CACHE, "bench-"));
try {
  await build({
    entryPoints: { main: join(HERE, "main.ts"), load: join(HERE, "load.ts") },
    outdir: folder,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20.19",
    logLevel: "warning",
  });
  const { runBenchmark } = await import(pathToFileURL(join(folder, "main.mjs")).href);
  await runBenchmark(join(folder, "load.mjs"));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
