/**
 * Builds the package into dist: one implementation in CommonJS, split into a few files that all entries share; a wrapper
 * in ES modules for each entry, so that `require` and `import` see the same module state; and types rolled up per entry.
 *
 * jose and iron-webcrypto are published as ES modules alone. Node requires those, but jest in its CommonJS mode and some
 * bundlers cannot: `imports` in package.json leads them to the copies in dist/vendor instead.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";
import { ENTRIES, nameOf } from "./entries.mjs";

const ROOT = join(fileURLToPath(new URL("..", import.meta.url)));
const ESM_ONLY = ["iron-webcrypto", "jose"];
const TARGET = "node20.19";
const ENTRY_MODULES = new Set(Object.values(ENTRIES).map((source) => source.replace(/\.ts$/, ".js")));

/** The files that entries share, by the modules in them; the first match decides. Left to itself, rollup makes many small ones. */
const SHARED = [
  [/^(?:lib\/|errors\.|events\.|model\.|policy\/|tokens\/)/, "base"],
  [/^stores\/[\w-]+\.js$/, "stores"],
  [/^authority\/(?!wire\/)/, "sessions"],
  [/^authority\/wire\/[\w-]+\.js$/, "wire"],
];

// Beside dist and moved at the end, so that a reader never sees half a build.
const staging = mkdtempSync(join(ROOT, "dist-"));
try {
  const modules = join(staging, "modules");
  const output = join(staging, "output");
  compile(modules);
  await bundleImplementation(modules, output);
  await bundleTypes(modules, output);
  for (const name of ESM_ONLY) await bundleDependency(name, join(output, "vendor"));
  rmSync(join(ROOT, "dist"), { recursive: true, force: true });
  renameSync(output, join(ROOT, "dist"));
} finally {
  rmSync(staging, { recursive: true, force: true });
}

function compile(folder) {
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

async function bundleImplementation(modules, folder) {
  const bundle = await rollup({
    input: inputs(modules, ".js"),
    external: (name) => !/^[./]/.test(name),
    treeshake: { moduleSideEffects: false },
    plugins: [{ name: "strip-comments", transform: stripComments }],
  });
  const { output } = await bundle.write({
    dir: folder,
    format: "cjs",
    entryFileNames: "[name].cjs",
    chunkFileNames: "shared/[name].cjs",
    manualChunks: (id) => sharedFileOf(relative(modules, id).replaceAll("\\", "/")),
    paths: (name) => (ESM_ONLY.includes(name) ? `#${name}` : name),
    generatedCode: "es2015",
    interop: "default",
    externalLiveBindings: false,
    hoistTransitiveImports: false,
    minifyInternalExports: false,
  });
  for (const { name, exports } of output.filter((chunk) => chunk.isEntry)) {
    writeFileSync(join(folder, `${name}.js`), wrapperOf(name, exports));
  }
}

function sharedFileOf(path) {
  if (ENTRY_MODULES.has(path)) return undefined;
  return SHARED.find(([pattern]) => pattern.test(path))?.[1];
}

/** Names are written out, because Node finds the names of CommonJS by guessing. */
function wrapperOf(name, exports) {
  if (exports.length === 0) return `import "./${name}.cjs";\nexport {};\n`;
  const lines = exports.toSorted().map((each) => `export const ${each} = implementation.${each};\n`);
  return `import implementation from "./${name}.cjs";\n\n${lines.join("")}`;
}

// The types carry the documentation.
async function stripComments(source) {
  const { code } = await transform(source, { format: "esm", target: TARGET, legalComments: "none" });
  return { code, map: null };
}

async function bundleTypes(modules, folder) {
  const bundle = await rollup({
    input: inputs(modules, ".d.ts"),
    external: (name) => !/^[./]/.test(name),
    plugins: [dts()],
  });
  await bundle.write({
    dir: folder,
    format: "es",
    entryFileNames: "[name].d.ts",
    minifyInternalExports: false,
    chunkFileNames: ({ name }) => `shared/${name.replace(/\.d$/, "")}.d.ts`,
    // One file: types cost nothing at run time. What is added to Express's types stays with the entry that adds it.
    manualChunks: (id) => (isSharedDeclaration(relative(modules, id)) ? "orgate" : undefined),
  });
  // The types are those of the implementation, which is CommonJS: the ES modules hand them on.
  for (const path of listFiles(folder).filter((file) => file.endsWith(".d.ts"))) {
    const text = readFileSync(join(folder, path), "utf8");
    const common = path.replace(/\.d\.ts$/, ".d.cts");
    writeFileSync(
      join(folder, common),
      text.replaceAll(/((?:from|import)\s*\(?["']\.{1,2}\/[^"']+)\.js(["'])/g, "$1.cjs$2"),
    );
    if (path.startsWith("shared/")) rmSync(join(folder, path));
    else writeFileSync(join(folder, path), `export * from "./${common.replace(/\.d\.cts$/, ".cjs")}";\n`);
  }
}

function isSharedDeclaration(path) {
  const module = path.replaceAll("\\", "/").replace(/\.d\.ts$/, ".js");
  return !ENTRY_MODULES.has(module) && module !== "augment.js";
}

function inputs(folder, suffix) {
  return Object.fromEntries(
    Object.entries(ENTRIES).map(([subpath, source]) => [
      nameOf(subpath),
      join(folder, source.replace(/\.ts$/, suffix)),
    ]),
  );
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
    // A copy that nobody reads.
    minify: true,
    metafile: true,
    logLevel: "warning",
  });
  const licenses = packageFolders(metafile).map((path) => `${basename(path)}\n\n${readLicense(path)}`);
  writeFileSync(join(folder, `${name}.LICENSE.txt`), licenses.join("\n\n"));
}

function packageFolders({ inputs: files }) {
  const paths = Object.keys(files).flatMap((path) => path.match(/^.*\bnode_modules\/[^/]+/) ?? []);
  return [...new Set(paths)].toSorted();
}

function readLicense(path) {
  const name = readdirSync(join(ROOT, path)).find((file) => /^licen[cs]e/i.test(file));
  if (name === undefined) throw new Error(`${path} has no license file to pass on`);
  return readFileSync(join(ROOT, path, name), "utf8");
}

function listFiles(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .toSorted();
}
