/**
 * Finds the reasons that `src` gives in events, refusals and errors, by the syntax tree: what is assigned to a property, a
 * variable or a parameter called `reason`, and what functions called `reasonOf...` return.
 */
import {
  descend,
  isFunction,
  lineAt,
  rangeOf,
  type SourceText,
  type SyntaxNode,
} from "../../scripts/syntax-tree.mjs";
import { parseAll, type ParsedSource } from "./said-once-rules.ts";

/** A reason, or the beginning of reasons that end in something that is not known before (`renewed_token_...`). */
export interface EmittedReason {
  readonly reason: string;
  readonly path: string;
  readonly line: number;
}

const REASON = /^[a-z][a-z\d_]*$/;
/** Types whose words are reasons, and what stands before them in an event. */
const REASON_TYPES = /(?:Reason|Problem)$/;
const MALFORMED = { type: "MalformedReason", prefix: "malformed_" };

/** Lists the reasons of the sources. Begins of reasons end in `...`. */
export function findReasons(given: readonly SourceText[]): EmittedReason[] {
  const sources = parseAll(given);
  const exported = new Map(
    sources.flatMap((source) =>
      [...functionsWithReason(source)].filter(([name]) => isExported(source, name)),
    ),
  );
  return sources.flatMap((source) => {
    const own = functionsWithReason(source);
    const declared = declaredFunctions(source);
    const indexOf = (name: string): number | undefined =>
      own.get(name) ?? (declared.has(name) ? undefined : exported.get(name));
    const values = [
      ...assignedIn(source),
      ...returnedIn(source),
      ...typedIn(source),
      ...nodes(source, "CallExpression").flatMap((call) => argumentsOf(call, indexOf)),
    ];
    const malformed = new Set(typedIn(source, MALFORMED.type).flatMap((value) => wordsIn(value, source)));
    return values.flatMap((value) =>
      wordsIn(value, source).map((word) => ({
        reason: malformed.has(word) ? `${MALFORMED.prefix}${word}` : word,
        path: source.path,
        line: lineAt(source.text, rangeOf(value).start),
      })),
    );
  });
}

/** The words of types that name reasons. */
function typedIn(source: ParsedSource, name?: string): SyntaxNode[] {
  const types = nodes(source, "TsTypeAliasDeclaration").filter(({ id }) =>
    name === undefined ? REASON_TYPES.test(id.value) : id.value === name,
  );
  return types.flatMap((type) =>
    [...descend(type["typeAnnotation"])].flatMap(({ node }) => (node.type === "StringLiteral" ? [node] : [])),
  );
}

function nodes({ nodesByType }: ParsedSource, ...types: string[]): SyntaxNode[] {
  return types.flatMap((type) => (nodesByType.get(type) ?? []).map(({ node }) => node));
}

/** Values that are given to a property, a variable or a default called `reason`. */
function assignedIn(source: ParsedSource): SyntaxNode[] {
  return [
    ...nodes(source, "KeyValueProperty")
      .filter(({ key }) => isReason(key))
      .map(({ value }) => value),
    ...nodes(source, "VariableDeclarator")
      .filter(({ id, init }) => isReason(id) && init !== null)
      .map(({ init }) => init),
    ...nodes(source, "AssignmentPatternProperty")
      .filter(({ key, value }) => isReason(key) && value !== null)
      .map(({ value }) => value),
    ...nodes(source, "AssignmentPattern")
      .filter(({ left }) => isReason(left))
      .map(({ right }) => right),
  ];
}

function isReason(node: SyntaxNode): boolean {
  return node["value"] === "reason";
}

/** What functions called `reasonOf...` return. */
function returnedIn(source: ParsedSource): SyntaxNode[] {
  const functions = nodes(source, "FunctionDeclaration").filter(({ identifier }) =>
    String(identifier.value).startsWith("reasonOf"),
  );
  return functions.flatMap(({ body }) =>
    [...descend(body)].flatMap(({ node }) =>
      node.type === "ReturnStatement" && node["argument"] !== null ? [node["argument"] as SyntaxNode] : [],
    ),
  );
}

/** Functions with a parameter called `reason`, and its place. */
function functionsWithReason(source: ParsedSource): Map<string, number> {
  const found = new Map<string, number>();
  for (const [name, node] of declaredFunctions(source)) {
    const parameters: SyntaxNode[] = node["params"] ?? [];
    const index = parameters.findIndex((parameter) => isReason(parameter["pat"] ?? parameter));
    if (index >= 0) found.set(name, index);
  }
  return found;
}

function declaredFunctions(source: ParsedSource): Map<string, SyntaxNode> {
  const declarations = nodes(source, "FunctionDeclaration").map((node): [string, SyntaxNode] => [
    node["identifier"].value,
    node,
  ]);
  const variables = nodes(source, "VariableDeclarator").flatMap(({ id, init }): [string, SyntaxNode][] =>
    init !== null && isFunction(init) && typeof id.value === "string" ? [[id.value, init]] : [],
  );
  return new Map([...declarations, ...variables]);
}

function isExported(source: ParsedSource, name: string): boolean {
  return nodes(source, "ExportDeclaration").some(({ declaration }) => declaration.identifier?.value === name);
}

function argumentsOf(call: SyntaxNode, indexOf: (name: string) => number | undefined): SyntaxNode[] {
  const { callee } = call as SyntaxNode & { callee: SyntaxNode };
  const index = callee.type === "Identifier" ? indexOf(callee["value"]) : undefined;
  const argument: SyntaxNode | undefined =
    index === undefined ? undefined : call["arguments"][index]?.expression;
  return argument === undefined ? [] : [argument];
}

/** The words that a value can be. */
function wordsIn(value: SyntaxNode, source: ParsedSource): string[] {
  switch (value.type) {
    case "StringLiteral":
      return REASON.test(value["value"]) ? [value["value"]] : [];
    case "TemplateLiteral": {
      const begin = String(value["quasis"][0].raw);
      return REASON.test(begin) ? [`${begin}...`] : [];
    }
    case "ConditionalExpression":
      return [value["consequent"], value["alternate"]].flatMap((one) => wordsIn(one, source));
    case "BinaryExpression":
      return value["operator"] === "??"
        ? [value["left"], value["right"]].flatMap((one) => wordsIn(one, source))
        : [];
    case "ParenthesisExpression":
    case "TsAsExpression":
    case "TsConstAssertion":
      return wordsIn(value["expression"], source);
    case "CallExpression": {
      // A word of a store's, if it may stand in an event; else ours.
      const fallback = value["callee"].value === "toLabel" ? value["arguments"][1]?.expression : undefined;
      return fallback === undefined ? [] : wordsIn(fallback, source);
    }
    case "Identifier":
      return nodes(source, "VariableDeclarator")
        .filter(({ id, init }) => id.value === value["value"] && init?.type === "StringLiteral")
        .flatMap(({ init }) => wordsIn(init, source));
    default:
      return [];
  }
}
