import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "@swc/core";
import { describe, expect, it } from "@jest/globals";
import { PROJECT_ROOT, listFiles } from "./scan-source.ts";

interface Pattern {
  /** `file: /pattern/flags` */
  readonly name: string;
  readonly expression: RegExp;
}

/** Characters of an input; a quadratic expression needs seconds for it, a linear one a millisecond. */
const LENGTH = 65_536;
const MAX_MILLISECONDS = 150;
/**
 * Each input is tried at a 64th, a 16th and a quarter of the length first: what is quadratic and takes 150 ms at the full length
 * takes 0.037, 0.58 and 9.4 ms there. Only what takes longer than these limits is tried at the next length. What takes 40 ms for
 * a quarter, where a linear expression takes less than one, needs no further proof.
 */
const TRIALS = [
  { part: 64, limit: 0.03, proof: Infinity },
  { part: 16, limit: 0.4, proof: Infinity },
  { part: 4, limit: 6, proof: 40 },
  { part: 1, limit: 0, proof: MAX_MILLISECONDS },
];

/** What an attacker repeats. What a pattern names itself is repeated too. */
const PUMPS = ["/", " ", "\t", "a", "A", "0", "-", ".", ",", "@", "_", "~", "=", "*", "%2F", ":", '"', "\\"];
const ENDS = ["", "x", "!", "\n"];

function patternsOf(path: string, text: string): Pattern[] {
  const found: Pattern[] = [];
  visit(parseSync(text, { syntax: "typescript", target: "es2023" }), (node) => {
    if (node["type"] !== "RegExpLiteral") return;
    const expression = new RegExp(String(node["pattern"]), String(node["flags"]));
    found.push({ name: `${path}: ${expression}`, expression });
  });
  return found;
}

function visit(value: unknown, see: (node: Record<string, unknown>) => void): void {
  if (Array.isArray(value)) for (const item of value) visit(item, see);
  else if (typeof value === "object" && value !== null) {
    const node = value as Record<string, unknown>;
    see(node);
    for (const child of Object.values(node)) visit(child, see);
  }
}

/** Milliseconds of CPU for matching as `replaceAll` and `split` do: one match after another. */
function measure(expression: RegExp, input: string): number {
  const started = process.cpuUsage();
  input.replace(expression, "");
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1000;
}

/** Milliseconds for an input of the full length: measured, or what the trials say at least. */
function tryInput(expression: RegExp, inputOf: (length: number) => string): number {
  for (const { part, limit, proof } of TRIALS) {
    const input = inputOf(LENGTH / part);
    let milliseconds = measure(expression, input);
    // Once more: the first time may have compiled the expression.
    if (milliseconds >= limit) milliseconds = Math.min(milliseconds, measure(expression, input));
    if (milliseconds < limit) break;
    if (part === 1 || milliseconds > proof) return milliseconds * part ** 2;
  }
  return 0;
}

/** The slowest input of many, and how long it took. */
function slowest({ expression }: Pattern): { readonly input: string; readonly milliseconds: number } {
  const words = expression.source.match(/[a-z]{2,}/gi) ?? [];
  const pumps = [
    ...PUMPS,
    ...words,
    ...words.map((word) => `${word} `),
    "a.",
    "a-",
    ", ",
    " ,",
    "/a",
    "a@",
    "a_",
  ];
  let worst = { input: "", milliseconds: 0 };
  for (const begin of new Set(["", ...words])) {
    for (const pump of pumps) {
      for (const end of ENDS) {
        const milliseconds = tryInput(
          expression,
          (length) => begin + pump.repeat(Math.ceil(length / pump.length)) + end,
        );
        if (milliseconds > worst.milliseconds)
          worst = { input: `${begin}${pump.repeat(3)}...${end}`, milliseconds };
        if (milliseconds > MAX_MILLISECONDS) return worst;
      }
    }
  }
  return worst;
}

const PATTERNS = listFiles("src").flatMap((path) =>
  patternsOf(path, readFileSync(join(PROJECT_ROOT, "src", path), "utf8")),
);

describe("regular expressions of src", () => {
  it("are found", () => expect(PATTERNS.length).toBeGreaterThan(50));

  it.each(PATTERNS)("$name takes linear time", (pattern) => {
    const { input, milliseconds } = slowest(pattern);
    expect(milliseconds > MAX_MILLISECONDS ? `${Math.round(milliseconds)} ms for ${input}` : "linear").toBe(
      "linear",
    );
  });

  it.each([
    ["slashes at the end", String.raw`path.replace(/\/+$/, "")`],
    ["a list with spaces", String.raw`list.split(/\s*,\s*/)`],
    ["a repetition from every start", String.raw`/a+b/.test(name)`],
  ])("would refuse %s", (_what, code) => {
    const [pattern] = patternsOf("planted.ts", `export const planted = ${code};`);
    expect(pattern && slowest(pattern).milliseconds).toBeGreaterThan(MAX_MILLISECONDS);
  });

  it("are made at run time only from what the application configured", () => {
    const makers = listFiles("src").filter((path) =>
      readFileSync(join(PROJECT_ROOT, "src", path), "utf8").includes("new RegExp("),
    );
    expect(makers).toEqual(["authority/wire/router.ts", "request/read-credential.ts"]);
  });
});
