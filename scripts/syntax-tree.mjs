/** Reads TypeScript sources as syntax trees, for the scripts and tests that measure, check or mutate the code. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "@swc/core";

export const ROOT = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Reads every TypeScript file of `src`; paths are relative to `src`, with forward slashes. */
export function readSources() {
  return readdirSync(join(ROOT, "src"), { recursive: true })
    .map((path) => path.replaceAll("\\", "/"))
    .filter((path) => path.endsWith(".ts"))
    .toSorted(compareText)
    .map((path) => ({ path, text: readFileSync(join(ROOT, "src", path), "utf8") }));
}

/** Orders text by code units. */
export function compareText(left, right) {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

/** Parses one file. Spans of its nodes count from 1, in bytes; the sources are ASCII. */
export function parseSource(text) {
  return parseSync(text, { syntax: "typescript", target: "es2023" });
}

/** Walks every node below a value, parents before children. */
export function* descend(value, ancestors = []) {
  if (typeof value !== "object" || value === null) return;
  const isNode = typeof value.type === "string";
  if (isNode) yield { node: value, ancestors };
  const next = isNode ? [...ancestors, value] : ancestors;
  for (const [name, field] of Object.entries(value)) {
    if (name !== "span") yield* descend(field, next);
  }
}

/** Where a node is written, in offsets that count from 0. Swc gives a property no span of its own. */
export function rangeOf(node) {
  const [first, last] = node.span === undefined ? [node.key.span, node.value.span] : [node.span, node.span];
  return { start: first.start - 1, end: last.end - 1 };
}

/** The source text of a node. */
export function textOf(text, node) {
  const { start, end } = rangeOf(node);
  return text.slice(start, end);
}

/** The line, from 1, of an offset that counts from 0. */
export function lineAt(text, offset) {
  return text.slice(0, offset).split("\n").length;
}

/** Types of the nodes that are functions, methods and accessors included. */
export const FUNCTIONS = [
  "ArrowFunctionExpression",
  "ClassMethod",
  "Constructor",
  "FunctionDeclaration",
  "FunctionExpression",
  "GetterProperty",
  "MethodProperty",
  "PrivateMethod",
  "SetterProperty",
];

/** Whether a node is a function of any kind. */
export function isFunction(node) {
  return FUNCTIONS.includes(node.type);
}

/** Lists a file's functions with their names and how many lines each takes. */
export function listFunctions(text) {
  return [...descend(parseSource(text).body)]
    .filter(({ node }) => isFunction(node))
    .map(({ node, ancestors }) => {
      const { start, end } = rangeOf(node);
      const line = lineAt(text, start);
      return { name: nameOf(node, ancestors), line, lines: lineAt(text, end) - line + 1 };
    });
}

function nameOf(node, ancestors) {
  if (node.type === "Constructor") return `${nameOf(ancestors.at(-1), [])}.constructor`;
  const own = node.identifier ?? node.key;
  if (own !== undefined && own !== null) return own.value ?? "(computed)";
  const parent = ancestors.at(-1);
  const given = parent?.id ?? parent?.key ?? parent?.left;
  return given?.value ?? "(anonymous)";
}

/** Counts lines that hold code: not those that are blank or only a comment. */
export function countCodeLines(text) {
  return text
    .replaceAll(/\/\*[\s\S]*?\*\//g, "")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.trim().startsWith("//")).length;
}
