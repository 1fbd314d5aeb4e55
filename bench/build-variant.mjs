import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const ENTRY = `
export { definePolicy, orgate } from "./index.ts";
export { createAuthority, memoryDirectory } from "./authority/index.ts";
export { stytch } from "./stores/stytch/index.ts";
`;

/** Bundles a copy of the package's sources with edits, and returns the name of the bundle in `folder`. */
export async function buildVariant({ root, folder, name, edits }) {
  const sources = join(folder, name);
  cpSync(join(root, "src"), sources, { recursive: true });
  for (const edit of edits) applyEdit(sources, edit);
  await build({
    stdin: { contents: ENTRY, resolveDir: sources, sourcefile: "variant.ts", loader: "ts" },
    outfile: `${sources}.mjs`,
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20.19",
    logLevel: "error",
  });
  return `${name}.mjs`;
}

/** Edits the one file that contains the text, wherever it lies. */
function applyEdit(folder, { find, replace }) {
  const files = readdirSync(folder, { recursive: true })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({ path: join(folder, path), text: readFileSync(join(folder, path), "utf8") }));
  const places = files.flatMap((file) => Array(file.text.split(find).length - 1).fill(file));
  if (places.length !== 1) {
    throw new Error(`the sources contain this text ${places.length} times, not once:\n${find}`);
  }
  const [{ path, text }] = places;
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
}
