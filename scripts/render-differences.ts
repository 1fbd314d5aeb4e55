/**
 * Renders docs/differences.md from the rows of the differential tests.
 *
 * `node --import tsx scripts/render-differences.ts [--check]`; with `--check` nothing is written, and a document that
 * differs fails.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { DifferenceRow, Observation } from "../test/differential/difference.ts";
import { WORKOS_ROWS } from "../test/differential/workos-rows.ts";

/** Where the document is. */
export const DIFFERENCES = new URL("../docs/differences.md", import.meta.url);

type Rows = readonly DifferenceRow<string>[];

const HEAD = `# Where orgate and the official SDKs differ

Generated from \`test/differential\`, which runs every row on both, against one server: do not edit.

*Calls* are requests to the API (authenticate, refresh, policy). *Keys* are fetches of the key set, which both keep afterwards; every row starts
with none. A row without a reason: both decide alike, at the same price. The SDKs' own retries are switched off.
`;

const WORKOS_HEAD = `## \`@workos-inc/node\` 11.0.0

Left: the recipe of WorkOS's documents, \`loadSealedSession().authenticate()\`, and where that fails \`refresh()\`. Right: \`requireAuth()\`
with \`workos()\`.
`;

/** The whole document. */
export function renderDifferences(): string {
  return [HEAD, renderSection(WORKOS_HEAD, WORKOS_ROWS)].join("\n");
}

function renderSection(head: string, rows: Rows): string {
  const differing = rows.filter(({ why }) => why !== undefined);
  const alike = rows.filter(({ why }) => why === undefined);
  return [
    head,
    `${differing.length} of ${rows.length} rows differ.\n`,
    "| input | the SDK | keys, calls | orgate | keys, calls | why |",
    "| --- | --- | --- | --- | --- | --- |",
    ...differing.map(({ why = "", ...row }) => `| ${cellsOf(row)} | ${why} |`),
    "\nBoth alike:\n",
    "| input | the SDK | keys, calls | orgate | keys, calls |",
    "| --- | --- | --- | --- | --- |",
    ...alike.map((row) => `| ${cellsOf(row)} |`),
    "",
  ].join("\n");
}

function cellsOf({ input, sdk, orgate }: DifferenceRow<string>): string {
  const cells = [input, textOf(sdk), countsOf(sdk), textOf(orgate), countsOf(orgate)];
  return cells.join(" | ");
}

function textOf({ decision }: Observation): string {
  return decision.replaceAll("|", "\\|").replaceAll("<", "&lt;");
}

function countsOf({ keys, calls }: Observation): string {
  return `${keys}, ${calls}`;
}

function main(): void {
  const after = renderDifferences();
  if (process.argv.includes("--check")) {
    if (readFileSync(DIFFERENCES, "utf8") === after) return;
    console.error("docs/differences.md is not what is tested: run this script without --check.");
    process.exitCode = 1;
  } else {
    writeFileSync(DIFFERENCES, after);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
