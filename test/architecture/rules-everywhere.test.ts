/** Every session that begins or is written back goes through the check of the organization's rules. */
import { describe, expect, it } from "@jest/globals";
import {
  descend,
  isFunction,
  parseSource,
  readSources,
  type SourceText,
  type SyntaxNode,
  textOf,
} from "../../scripts/syntax-tree.mjs";

/** What only a function that checks the rules may call, and the check that it calls. */
const CHECKED: readonly (readonly [call: RegExp, check: RegExp])[] = [
  [/^openSession$/, /\brequireRules\(/],
  [/\brecords\.sessions\.replace$/, /\brequireMayGoOn\(/],
];

/** Lists the calls that no check stands beside. */
function findUnchecked({ path, text }: SourceText): string[] {
  // The token endpoint calls `signIn` by another name.
  const hasAlias = /\bas openSession\b/.test(text);
  return [...descend(parseSource(text).body)].flatMap(({ node, ancestors }) => {
    if (node.type !== "CallExpression") return [];
    const callee = textOf(text, node["callee"]);
    const rule = CHECKED.find(([call]) => call.test(callee));
    if (rule === undefined || (hasAlias && callee === "openSession")) return [];
    const around = ancestors.filter((ancestor: SyntaxNode) => isFunction(ancestor));
    const isChecked = around.some((one: SyntaxNode) => rule[1].test(textOf(text, one)));
    return isChecked ? [] : [`${path}: ${callee}`];
  });
}

describe("a session", () => {
  it("is opened and written back only by functions that check the rules", () => {
    const sources = readSources().filter(({ path }) => path.startsWith("authority/"));
    expect(sources.flatMap(findUnchecked)).toEqual([]);
    const calls = sources.flatMap(
      ({ text }) => text.match(/\bawait openSession\(|sessions\.replace\(/g) ?? [],
    );
    expect(calls).toHaveLength(4);
  });

  it.each([
    "export async function again(context) { return openSession(context, subject, next); }",
    "export const write = async (context) => context.records.sessions.replace(record, version);",
  ])("would be found: %s", (text) => {
    expect(findUnchecked({ path: "authority/again.ts", text })).toHaveLength(1);
  });
});
