/** Makes mutants of TypeScript sources: one small change each, which a test should notice. */
import { compareText, descend, isFunction, lineAt, parseSource, rangeOf, textOf } from "./syntax-tree.mjs";

/** Nodes around expressions that only types know of; other `Ts...` nodes are types, and are left alone. */
const TYPED_EXPRESSIONS = new Set([
  "TsAsExpression",
  "TsConstAssertion",
  "TsNonNullExpression",
  "TsSatisfiesExpression",
]);

const OPPOSITES = {
  "&&": ["||"],
  "||": ["&&"],
  "===": ["!=="],
  "!==": ["==="],
  "<": ["<=", ">="],
  "<=": ["<", ">"],
  ">": [">=", "<="],
  ">=": [">", "<"],
  "+": ["-"],
  "-": ["+"],
};

/** Lists every mutant of a file, as a change of its text: where it starts and ends, and what stands there instead. */
export function listMutants(path, text) {
  return [...descend(parseSource(text).body)]
    .filter(({ node, ancestors }) => isCode(node, ancestors))
    .flatMap((visited) => listChanges(visited, text))
    .map((mutant) => ({
      path,
      line: lineAt(text, mutant.start),
      ...mutant,
      before: text.slice(mutant.start, mutant.end),
    }));
}

/** Puts a mutant's change into the text of its file. */
export function applyMutant(text, { start, end, after }) {
  return text.slice(0, start) + after + text.slice(end);
}

/**
 * Draws mutants at random; the same seed draws the same ones. Changes that do not parse are left out.
 *
 * @param texts - the files' texts, by path
 */
export function drawMutants(mutants, { count, seed, texts }) {
  const random = randomNumbers(seed);
  const shuffled = mutants
    .map((mutant) => ({ mutant, rank: random() }))
    .toSorted((left, right) => left.rank - right.rank);
  const drawn = [];
  for (const { mutant } of shuffled) {
    if (drawn.length === count) break;
    if (parses(applyMutant(texts.get(mutant.path), mutant))) drawn.push(mutant);
  }
  return drawn.toSorted((left, right) => compareText(left.path, right.path) || left.start - right.start);
}

/** Numbers from 0 to 1 by the generator "mulberry32", which is small and good enough to draw a sample. */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function isCode(node, ancestors) {
  return ![...ancestors, node].some(
    ({ type }) =>
      (type.startsWith("Ts") && !TYPED_EXPRESSIONS.has(type)) ||
      type === "ImportDeclaration" ||
      type === "ExportAllDeclaration" ||
      type === "ExportNamedDeclaration",
  );
}

function listChanges({ node, ancestors }, text) {
  const { type } = node;
  if (type === "IfStatement" || type === "ConditionalExpression") return [negate(node.test, text)];
  if (type === "BinaryExpression") return swapOperator(node, text);
  if (type === "ExpressionStatement") return dropStatement(node);
  if (type === "ReturnStatement" && node.argument) return [change("return undefined", node, "return;")];
  if (type === "BooleanLiteral") return [change("flip boolean", node, String(!node.value))];
  if (type === "NumericLiteral") return [change("move boundary", node, String(node.value + 1))];
  if (type === "StringLiteral" && isValue(node, ancestors)) {
    return [change("replace string", node, node.value === "" ? '"mutant"' : '""')];
  }
  if (type === "ArrayExpression") {
    const elements = node.elements.filter((element) => element !== null);
    return elements.map(({ expression, spread }) =>
      removeItem(
        "remove element",
        { ...expression, span: { ...expression.span, start: (spread ?? expression.span).start } },
        text,
      ),
    );
  }
  if (type === "ObjectExpression") {
    return node.properties.map((property) => removeItem("remove property", widen(property), text));
  }
  return isFunction(node) ? returnEarly(node) : [];
}

function change(kind, node, after) {
  return { kind, ...rangeOf(node), after };
}

function negate(test, text) {
  return change("negate condition", test, `!(${textOf(text, test)})`);
}

function swapOperator({ left, operator, right }, text) {
  const between = { start: rangeOf(left).end, end: rangeOf(right).start };
  const written = text.slice(between.start, between.end);
  const start = between.start + written.indexOf(operator);
  if (operator === "??")
    return [{ kind: "drop fallback", start: between.start, end: rangeOf(right).end, after: "" }];
  const others = OPPOSITES[operator] ?? [];
  return others.map((after) => ({ kind: "swap operator", start, end: start + operator.length, after }));
}

/** Drops a statement that only has an effect: a call or an assignment. */
function dropStatement(node) {
  const inner = node.expression.type === "AwaitExpression" ? node.expression.argument : node.expression;
  const hasEffect = ["AssignmentExpression", "CallExpression", "UpdateExpression"].includes(inner.type);
  const isSuper = inner.type === "CallExpression" && inner.callee.type === "Super";
  return hasEffect && !isSuper ? [change("drop statement", node, ";")] : [];
}

/** Whether a string is a value: no key, no directive, nothing that `typeof` is compared with, and no text for people. */
function isValue(node, ancestors) {
  const parent = ancestors.at(-1);
  if (node.value.includes(" ")) return false;
  if (parent?.key === node || parent?.type === "ExpressionStatement") return false;
  return ![parent?.left, parent?.right].some((side) => side?.operator === "typeof");
}

function removeItem(kind, item, text) {
  const { start, end } = rangeOf(item);
  const comma = /^\s*,/.exec(text.slice(end))?.[0] ?? "";
  return { kind, start, end: end + comma.length, after: "" };
}

/** A spread property's dots stand before its node. */
function widen(property) {
  if (property.type !== "SpreadElement") return property;
  return { ...property, span: { start: property.spread.start, end: property.arguments.span.end } };
}

function returnEarly(node) {
  const body = (node.function ?? node).body;
  if (body?.stmts === undefined || body.stmts.length === 0 || node.type === "Constructor") return [];
  const { start } = rangeOf(body.stmts[0]);
  return [{ kind: "return early", start, end: start, after: "return; " }];
}

function parses(text) {
  try {
    parseSource(text);
    return true;
  } catch {
    return false;
  }
}
