import { join } from "node:path";
import { build } from "esbuild";
import { copyWithEdits } from "../scripts/source-variant.mjs";

const ENTRY = `
export { definePolicy, orgate } from "./index.ts";
export { createAuthority, memoryDirectory } from "./authority/index.ts";
export { stytch } from "./stores/stytch/index.ts";
`;

/** Bundles a copy of the package's sources with edits, and returns the name of the bundle in `folder`. */
export async function buildVariant({ root, folder, name, edits }) {
  const sources = join(folder, name);
  copyWithEdits({ from: join(root, "src"), to: sources, edits });
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
