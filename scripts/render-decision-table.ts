/**
 * Renders the decision table into README.md, between its markers, from the rows that the HTTP tests run.
 *
 * `node --import tsx scripts/render-decision-table.ts [--check]`; with `--check` nothing is written, and a README that
 * differs fails.
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { CONDITIONS, DECISIONS, MOODS } from "../test/http/decision-table.data.ts";
import type { DecisionRow } from "../test/http/decision-table.data.ts";

const START = "<!-- decision-table:start -->";
const END = "<!-- decision-table:end -->";

/** The table in Markdown. Rows with one answer are one. */
export function renderDecisionTable(): string {
  return [
    "| credential | its condition | the store | state | `requireAuth()` answers |",
    "| --- | --- | --- | --- | --- |",
    ...mergeLines().map(
      ({ who, condition, store, state, answer }) =>
        `| ${who} | ${condition} | ${store} | ${state} | ${answer} |`,
    ),
  ].join("\n");
}

/** The README with the table of today between its markers. */
export function putDecisionTable(readme: string): string {
  const start = readme.indexOf(START);
  const end = readme.indexOf(END);
  if (start === -1 || end < start) throw new Error(`README.md needs ${START} and, after it, ${END}.`);
  return `${readme.slice(0, start + START.length)}\n\n${renderDecisionTable()}\n\n${readme.slice(end)}`;
}

interface Line {
  readonly who: string;
  readonly condition: string;
  readonly store: string;
  readonly state: string;
  readonly answer: string;
}

function mergeLines(): Line[] {
  const lines = group(DECISIONS, ({ condition, store }) => `${condition} ${store}`).map(toLine);
  const byStore = merge(lines, "condition", "; or ");
  return merge(byStore, "store", ", ");
}

/** One line for all that can be presented in this condition. */
function toLine(rows: readonly [DecisionRow, ...DecisionRow[]]): Line {
  const [row] = rows;
  const fates = unique(rows.map(fateOf).filter((fate) => fate !== undefined));
  return {
    who: rows.map(({ presented }) => presented).join(" or "),
    condition: CONDITIONS[row.condition],
    store: row.asked === 0 ? "**not asked**" : MOODS[row.store],
    state: row.status === 200 && row.cookie === "new" ? `${row.state}, renewed` : row.state,
    answer: [answerOf(row), ...fates, ...(row.alarm ? ["event `misconfigured`"] : [])].join("; "),
  };
}

function merge(lines: readonly Line[], column: "condition" | "store", glue: string): Line[] {
  return group(lines, (line) => JSON.stringify({ ...line, [column]: "" })).map((alike) => ({
    ...alike[0],
    [column]: unique(alike.map((line) => line[column])).join(glue),
  }));
}

function answerOf({ status, code, members, retryAfter }: DecisionRow): string {
  if (status === 200) return "passes";
  const named = Object.keys(members ?? {}).map((name) => `\`${name}\``);
  const retry = retryAfter === undefined ? " + `Retry-After`" : " + the store's own `Retry-After`";
  return `${status} \`${code}\`${named.length === 0 ? "" : ` with ${named.join(", ")}`}${status === 503 ? retry : ""}`;
}

function fateOf({ presented, cookie, status }: DecisionRow): string | undefined {
  if (presented === "bearer") return cookie === "new" ? "a new token in `Session-Jwt`" : undefined;
  if (cookie === "new") return status === 200 ? "a new cookie" : "the rotated pair in a new cookie";
  if (cookie !== "untouched") return `cookie ${cookie}`;
  return presented === "cookie" && status !== 200 ? "cookie kept" : undefined;
}

function group<Item>(items: readonly Item[], keyOf: (item: Item) => string): [Item, ...Item[]][] {
  const groups = new Map<string, [Item, ...Item[]]>();
  for (const item of items) {
    const known = groups.get(keyOf(item));
    if (known === undefined) groups.set(keyOf(item), [item]);
    else known.push(item);
  }
  return [...groups.values()];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

function main(): void {
  const path = new URL("../README.md", import.meta.url);
  const before = readFileSync(path, "utf8");
  const after = putDecisionTable(before);
  if (before === after) return;
  if (process.argv.includes("--check")) {
    console.error(
      "The decision table in README.md is not the one that is tested: run this script without --check.",
    );
    process.exitCode = 1;
  } else {
    writeFileSync(path, after);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
