/**
 * Builds the package: ES modules by tsc into dist/esm, the same modules as CommonJS into dist/cjs.
 *
 * The CommonJS files stay one for one with the sources, so that the subpath entries share their module state.
 * Dependencies that are published as ES modules alone are bundled beside them, once each: jest's CommonJS mode
 * cannot require those.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");
const ESM_ONLY = ["iron-webcrypto", "jose"];
const TARGET = "node20.19";

// Beside dist, so that the source maps' relative paths hold after the move; moved at the end, so that a reader
// never sees half a build.
const staging = mkdtempSync(join(ROOT, "dist-"));
try {
  emitModules(join(staging, "esm"));
  await emitCommonJs(join(staging, "cjs"));
  copyDeclarations(join(staging, "esm"), join(staging, "cjs"));
  rmSync(join(ROOT, "dist"), { recursive: true, force: true });
  renameSync(staging, join(ROOT, "dist"));
} finally {
  rmSync(staging, { recursive: true, force: true });
}

function emitModules(folder) {
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json", "--outDir", folder], {
    cwd: ROOT,
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("tsc failed");
  for (const path of listFiles(folder).filter((file) => file.endsWith(".d.ts"))) {
    const text = readFileSync(join(folder, path), "utf8");
    writeFileSync(join(folder, path), text.replaceAll(/(["'])(\.{1,2}\/[^"']+)\.ts\1/g, "$1$2.js$1"));
  }
}

async function emitCommonJs(folder) {
  await build({
    absWorkingDir: ROOT,
    entryPoints: listFiles(join(ROOT, "src")).map((path) => `src/${path}`),
    outbase: "src",
    outdir: folder,
    bundle: true,
    format: "cjs",
    platform: "node",
    target: TARGET,
    sourcemap: "linked",
    sourcesContent: false,
    logLevel: "warning",
    plugins: [{ name: "one-file-each", setup: keepFilesApart }],
  });
  for (const name of ESM_ONLY) await bundleDependency(name, join(folder, "vendor"));
  writeFileSync(join(folder, "package.json"), '{ "type": "commonjs" }\n');
}

function keepFilesApart(esbuild) {
  esbuild.onResolve({ filter: /.*/ }, ({ kind, path, importer }) => {
    if (kind === "entry-point") return undefined;
    if (path.startsWith(".")) return { path: path.replace(/\.ts$/, ".js"), external: true };
    if (!ESM_ONLY.includes(path)) return { path, external: true };
    const depth = posix.relative(dirname(importer), join(ROOT, "src")) || ".";
    return { path: `${depth}/vendor/${path}.cjs`, external: true };
  });
}

async function bundleDependency(name, folder) {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    stdin: { contents: `export * from "${name}";`, resolveDir: ROOT },
    outfile: join(folder, `${name}.cjs`),
    bundle: true,
    format: "cjs",
    platform: "node",
    target: TARGET,
    metafile: true,
    logLevel: "warning",
  });
  const licenses = packageFolders(metafile).map((path) => `${basename(path)}\n\n${readLicense(path)}`);
  writeFileSync(join(folder, `${name}.LICENSE.txt`), licenses.join("\n\n"));
}

function packageFolders({ inputs }) {
  const paths = Object.keys(inputs).flatMap((path) => path.match(/^.*\bnode_modules\/[^/]+/) ?? []);
  return [...new Set(paths)].toSorted();
}

function readLicense(path) {
  const name = readdirSync(join(ROOT, path)).find((file) => /^licen[cs]e/i.test(file));
  if (name === undefined) throw new Error(`${path} has no license file to pass on`);
  return readFileSync(join(ROOT, path, name), "utf8");
}

function copyDeclarations(from, to) {
  for (const path of listFiles(from).filter((file) => /\.d\.ts(?:\.map)?$/.test(file))) {
    cpSync(join(from, path), join(to, path));
  }
}

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .toSorted();
}
