import { descend, isFunction, lineAt, rangeOf, type SyntaxNode } from "../../scripts/syntax-tree.mjs";
import type { ParsedSource } from "./said-once-rules.ts";

/** Finds `catch` clauses and rejection handlers that never read the error that they catch. */
export function findDroppedErrors({
  path,
  text,
  nodesByType,
}: ParsedSource): { path: string; line: number; what: string }[] {
  const nodes = ["CatchClause", "CallExpression"].flatMap((type) => nodesByType.get(type) ?? []);
  return nodes.flatMap(({ node }) => {
    const what = describeDrop(node);
    return what === undefined ? [] : [{ path, line: lineAt(text, rangeOf(node).start), what }];
  });
}

function describeDrop(node: SyntaxNode): string | undefined {
  if (node.type === "CatchClause") {
    if (node["param"] === null) return "catch without a binding";
    return reads(node["body"], node["param"]) ? undefined : "catch whose binding is never read";
  }
  if (node.type !== "CallExpression" || node["callee"].type !== "MemberExpression") return undefined;
  const method: unknown = node["callee"].property.value;
  const index = method === "catch" ? 0 : method === "then" ? 1 : undefined;
  const handler: SyntaxNode | undefined =
    index === undefined ? undefined : node["arguments"][index]?.expression;
  if (handler === undefined || !isFunction(handler)) return undefined;
  const parameter: SyntaxNode | undefined = handler["params"][0];
  const isRead = parameter !== undefined && reads(handler["body"], parameter["pat"] ?? parameter);
  return isRead ? undefined : `.${String(method)}() that drops the error`;
}

/** Whether a body mentions a name that the pattern binds. */
function reads(body: unknown, pattern: SyntaxNode): boolean {
  const bound = [...descend(pattern)].filter(({ node }) => node.type === "Identifier");
  const names = new Set(bound.map(({ node }): unknown => node["value"]));
  return [...descend(body)].some(({ node }) => node.type === "Identifier" && names.has(node["value"]));
}
