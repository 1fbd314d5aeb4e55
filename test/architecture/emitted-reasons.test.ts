import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { readSources } from "../../scripts/syntax-tree.mjs";
import { findReasons } from "./emitted-reasons.ts";
import { PROJECT_ROOT } from "./scan-source.ts";

/** Why JSON has no single reading is never told: the token, or the body, is `malformed`. */
const UNTOLD = ["lib/strict-json.ts"];
const emitted = findReasons(
  readSources().filter(({ path }) => !path.startsWith("testing/") && !UNTOLD.includes(path)),
);
const page = readFileSync(join(PROJECT_ROOT, "docs/troubleshooting.md"), "utf8");

/** The reasons in the first column of the tables. */
function documentedIn(text: string): string[] {
  const tables = text.slice(text.indexOf("## Reasons in events"));
  const rows = tables.split("\n").filter((line) => line.startsWith("| `"));
  return rows.flatMap(
    (row) =>
      row
        .split("|", 2)
        .join("")
        .match(/[a-z\d_.]+/g) ?? [],
  );
}

describe("docs/troubleshooting.md", () => {
  it("has a row for each reason that src gives", () => {
    const documented = new Set(documentedIn(page));
    const missing = emitted.filter(({ reason }) => !documented.has(reason));
    expect(missing.map(({ reason, path, line }) => `${reason} (src/${path}:${line})`)).toEqual([]);
  });

  it("has no row for a reason that src does not give, and none twice", () => {
    const known = new Set(emitted.map(({ reason }) => reason));
    const documented = documentedIn(page);
    expect(documented.filter((reason) => !known.has(reason))).toEqual([]);
    expect(documented.filter((reason, index) => documented.indexOf(reason) !== index)).toEqual([]);
  });
});

describe("a reason is found", () => {
  it.each([
    ["a property", `emit({ type: "misconfigured", reason: "planted" });`],
    ["one of two", `emit({ reason: isSo ? "planted" : other });`],
    ["a fallback for a store's word", `emit({ reason: toLabel(word, "planted") });`],
    ["a variable", `const reason = "planted";`],
    ["a constant", `const WORD = "planted"; emit({ reason: WORD });`],
    ["a default", `function f({ reason = "planted" }) { return reason; }`],
    [
      "an argument",
      `function refuse(at: number, reason: string) { tell(reason, at); } refuse(1, "planted");`,
    ],
    ["what a function returns", `function reasonOfTrouble() { return "planted"; }`],
    ["a type's word", `type EndReason = "planted" | Other;`],
  ])("as %s", (_what, text) => {
    const reasons = findReasons([{ path: "planted.ts", text }]).map(({ reason }) => reason);
    expect(reasons).toContain("planted");
  });

  it("as an argument of another file's function", () => {
    const sources = [
      { path: "a.ts", text: "export function unavailable(reason: string) { throw new Error(reason); }" },
      { path: "b.ts", text: `unavailable("planted");` },
      { path: "c.ts", text: `function unavailable(what: string) { return what; } unavailable("not_one");` },
    ];
    expect(findReasons(sources).map(({ reason }) => reason)).toEqual(["planted"]);
  });

  it("by its beginning where the rest is not known", () => {
    const text = "emit({ reason: `planted_${word}` });";
    expect(findReasons([{ path: "planted.ts", text }]).map(({ reason }) => reason)).toEqual(["planted_..."]);
  });
});
