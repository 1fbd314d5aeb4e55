/**
 * Measures how the code is laid out, against the targets of the redesign: its size, the files that one request runs
 * through, and the ideas that are written in more than one place. All numbers come from the code.
 *
 * npm run measure            prints the table
 * npm run measure -- --list  also names the files and places behind each number
 */
import { listViolations, parseAll, RULES } from "../test/architecture/said-once-rules.ts";
import { traceRequests } from "./request-trace.mjs";
import { countCodeLines, listFunctions, readSources } from "./syntax-tree.mjs";

const MAX_CODE_LINES = 14_000;
const MAX_FILES = 150;
const MAX_FILE_LENGTH = 500;
const MAX_FUNCTION_LENGTH = 80;
const MAX_FILES_OF_REQUEST = {
  "bearer seen before": 11,
  "bearer never seen": 18,
  "cookie renewed": 30,
  "selection posted": 34,
  "nobody denied": 10,
};

const isListing = process.argv.includes("--list");
const sources = readSources();
const rows = [
  ...measureSize(),
  ...measureRequests(await traceRequests()),
  ...measureRules(parseAll(sources)),
];
for (const row of rows) print(row);
process.exitCode = rows.some(isOver) ? 1 : 0;

function measureSize() {
  const files = sources.map(({ path, text }) => ({ path, lines: text.trimEnd().split("\n").length }));
  const functions = sources.flatMap(({ path, text }) =>
    listFunctions(text).map(({ name, line, lines }) => ({ path: `${path}:${line} ${name}`, lines })),
  );
  const codeLines = sources.reduce((sum, { text }) => sum + countCodeLines(text), 0);
  return [
    { section: "size of src" },
    { name: "code lines", value: codeLines, target: MAX_CODE_LINES },
    { name: "lines of TSDoc", value: sources.reduce((sum, { text }) => sum + countDocLines(text), 0) },
    { name: "files", value: sources.length, target: MAX_FILES },
    longest("longest file", files, MAX_FILE_LENGTH),
    longest("longest function", functions, MAX_FUNCTION_LENGTH),
  ];
}

function countDocLines(text) {
  const blocks = text.match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  return blocks.reduce((sum, block) => sum + block.split("\n").length, 0);
}

function longest(name, measured, target) {
  const sorted = measured.toSorted((left, right) => right.lines - left.lines);
  const [{ path, lines }] = sorted;
  const above = sorted.filter((item) => item.lines > target).map((item) => `${item.lines} ${item.path}`);
  return { name, value: lines, target, note: path, places: above };
}

/** Counts files in which a function with a name ran, as the targets do: callbacks alone do not make a file part of it. */
function measureRequests(traces) {
  const counted = traces.map(({ name, status, functionsByFile }) => {
    const named = [...functionsByFile].flatMap(([file, names]) => {
      const known = names.filter((text) => text !== "(anonymous)");
      return known.length === 0 ? [] : [`${file}: ${known.join(", ")}`];
    });
    const calls = [...functionsByFile.values()].flat().length;
    const note = `status ${status}, ${calls} functions, ${functionsByFile.size} files with callbacks`;
    return { name, value: named.length, target: MAX_FILES_OF_REQUEST[name], note, places: named };
  });
  return [{ section: "files that one request runs through" }, ...counted];
}

function measureRules(parsed) {
  const counted = RULES.map((rule) => {
    const places = listViolations(rule, parsed);
    return { name: rule.title, value: places.length, target: 0, places };
  });
  return [{ section: "places too many of what is said once" }, ...counted];
}

function isOver({ value, target }) {
  return target !== undefined && value > target;
}

function print({ section, name, value, target, note = "", places = [] }) {
  if (section !== undefined) {
    console.log(`\n${section}`);
    return;
  }
  const verdict = target === undefined ? "" : isOver({ value, target }) ? "OVER" : "ok";
  const limit = target === undefined ? "" : `<= ${target.toLocaleString("en")}`;
  const columns = [
    name.padEnd(74),
    value.toLocaleString("en").padStart(7),
    limit.padEnd(9),
    verdict.padEnd(4),
    note,
  ];
  console.log(`  ${columns.join("  ").trimEnd()}`);
  if (isListing) for (const place of places) console.log(`      ${place}`);
}
