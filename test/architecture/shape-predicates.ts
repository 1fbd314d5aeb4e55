import { descend, type SyntaxNode, textOf } from "../../scripts/syntax-tree.mjs";

/** Everything that a check of a plain shape is made of, beside its parameter and literals. */
const PARTS = /^(?:Array\.isArray|Number\.is(?:Finite|Integer|SafeInteger|NaN)|Object\.keys)$/;
const NODES = new Set([
  "BinaryExpression",
  "BooleanLiteral",
  "CallExpression",
  "Identifier",
  "MemberExpression",
  "NullLiteral",
  "NumericLiteral",
  "ParenthesisExpression",
  "StringLiteral",
  "UnaryExpression",
]);

/**
 * Whether a function is a check of a plain shape and nothing more: one parameter, and one expression made of `typeof`,
 * comparisons with literals, `Array.isArray` and `Number.isFinite` and their kin.
 */
export function isShapePredicate(node: SyntaxNode, text: string): boolean {
  const { params = [], body } = node["function"] ?? node;
  const [parameter] = params;
  const name: unknown = (parameter?.pat ?? parameter)?.value;
  const expression = onlyExpressionOf(body);
  if (params.length !== 1 || typeof name !== "string" || expression === undefined) return false;
  const checks = /\btypeof\b|Array\.isArray|Number\.is/.test(textOf(text, expression));
  return checks && [...descend(expression)].every((visited) => isPart(visited, name, text));
}

function onlyExpressionOf(body: SyntaxNode | null | undefined): SyntaxNode | undefined {
  if (body === null || body === undefined) return undefined;
  const statements: readonly SyntaxNode[] | undefined = body["stmts"];
  if (statements === undefined) return body;
  const [first] = statements;
  return statements.length === 1 && first?.type === "ReturnStatement" ? first["argument"] : undefined;
}

function isPart(
  { node, ancestors }: { readonly node: SyntaxNode; readonly ancestors: readonly SyntaxNode[] },
  parameter: string,
  text: string,
): boolean {
  if (!NODES.has(node.type)) return false;
  const parent = ancestors.at(-1);
  if (node.type === "Identifier") {
    return (
      node["value"] === parameter || node["value"] === "undefined" || parent?.type === "MemberExpression"
    );
  }
  if (node.type === "CallExpression") return PARTS.test(textOf(text, node["callee"]));
  if (node.type !== "MemberExpression" || parent?.type === "CallExpression") return true;
  return textOf(text, node) === `${parameter}.length`;
}
