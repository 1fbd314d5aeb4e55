import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { sanitizeReturnTo } from "../../../src/lib/http.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now());
const RUNS = Number(process.env["FUZZ_RUNS"] ?? 20_000);

process.stderr.write(`return-to fuzz: FUZZ_SEED=${SEED} FUZZ_RUNS=${RUNS}\n`);

const BASES = [
  "https://app.example.com/",
  "https://app.example.com/a/b?c#d",
  "http://localhost:3000/deep/er/",
];

/** Where a browser that stands on one of our pages goes. */
function landsOnOrigin(location: string): boolean {
  return BASES.every((base) => new URL(location, base).origin === new URL(base).origin);
}

const ATTACKS = [
  "//evil.example",
  "///evil.example",
  "////evil.example/",
  "/\\evil.example",
  "\\/evil.example",
  "\\\\evil.example",
  "/\\/evil.example",
  "/\t/evil.example",
  "/\n/evil.example",
  "/\r\n/evil.example",
  "\t//evil.example",
  " //evil.example",
  "\u0000//evil.example",
  "/.//evil.example",
  "/..//evil.example",
  "/a/..//evil.example",
  "/%2e//evil.example",
  "/%2E%2e//evil.example",
  "/./\\evil.example",
  "https://evil.example",
  "HTTPS:evil.example",
  "https:/evil.example",
  "https:\\\\evil.example",
  "javascript:alert(1)",
  "java\nscript:alert(1)",
  "data:text/html,x",
  "evil.example",
  "@evil.example",
  ".evil.example",
  "?next=//evil.example",
  "#//evil.example",
  "\u2215\u2215evil.example",
  "\uff0f\uff0fevil.example",
  "/\u007f/evil.example",
  "",
  "*",
];

const LEGITIMATE = [
  "/",
  "/documents",
  "/documents/",
  "/documents/42/edit",
  "/documents?page=2",
  "/documents?page=2&q=a%20b",
  "/documents?tags[]=a&tags[]=b",
  "/documents#section-2",
  "/documents?x=1#y=2",
  "/o/acme/billing",
  "/a//b",
  "/a/%2F/b",
  "/search?q=%2F%2Fevil.example",
  "/search?q=https://example.com/",
  "/search?next=//x",
  "/~ada/",
  "/@ada",
  "/caf%C3%A9",
  "/a.b/c-d_e",
  "/file.tar.gz",
  "/:id",
  "/a;b=c",
  "/a,b",
  "/a+b",
  "/a=b",
  "/a!$&()*",
  "/?only=query",
  "/#only-hash",
  "/%E2%9C%93",
  "/a?b=c?d",
  "/a#b#c",
  "/...",
  "/.hidden",
  "/%00",
];

describe("R-16: sanitizeReturnTo", () => {
  it.each(ATTACKS)("keeps %j on this origin", (attack) => {
    const path = sanitizeReturnTo(attack);
    expect(path).toMatch(/^\/(?![/\\])/);
    expect(landsOnOrigin(path)).toBe(true);
    expect(path).not.toContain("evil.example");
  });

  it.each(LEGITIMATE)("leaves %s as it is", (path) => {
    expect(sanitizeReturnTo(path)).toBe(path);
  });

  it.each<[string, unknown, string]>([
    ["nothing", undefined, "/"],
    ["null", null, "/"],
    ["an array", ["/a"], "/"],
    ["an object", { toString: () => "/a" }, "/"],
    ["a number", 7, "/"],
    ["a character outside ASCII", "/caf\u00e9", "/caf%C3%A9"],
    ["a lone surrogate", "/\ud800", "/%EF%BF%BD"],
    ["dots", "/a/../b/./c", "/b/c"],
    ["a space", "/a b", "/a%20b"],
    ["a quote", '/"><script>', "/%22%3E%3Cscript%3E"],
    ["2,048 characters", `/${"a".repeat(2_047)}`, `/${"a".repeat(2_047)}`],
    ["2,049 characters", `/${"a".repeat(2_048)}`, "/"],
    ["what grows beyond them", `/${"\u00e9".repeat(400)}`, "/"],
  ])("answers %s", (_what, given, expected) => {
    expect(sanitizeReturnTo(given)).toBe(expected);
  });

  const pieces = fc.constantFrom(
    ..."/ \\ // . .. %2e %2F %5c : @ ? # & = ; \t \n \r \u0000 \u00a0 \u2028 evil.example https: javascript: a app.example.com [ ] % %zz \ud800 \uff0f".split(
      " ",
    ),
  );
  const text = fc.oneof(
    fc.array(pieces, { maxLength: 12 }).map((parts) => parts.join("")),
    fc.array(pieces, { maxLength: 12 }).map((parts) => `/${parts.join("")}`),
    fc.string({ unit: "binary", maxLength: 60 }),
    fc.webUrl({ withFragments: true, withQueryParameters: true }).map((url) => url.replace(/^https?:/, "")),
  );

  it(`never leads off the origin, whatever it is given, and means the same twice (seed ${SEED})`, () => {
    const property = fc.property(text, (given) => {
      const path = sanitizeReturnTo(given);
      const isPath = /^\/(?![/\\])[\u0021-\u007e]{0,2047}$/.test(path);
      return isPath && landsOnOrigin(path) && sanitizeReturnTo(path) === path;
    });
    const { counterexample } = fc.check(property, { seed: SEED, numRuns: RUNS });
    expect(counterexample).toBeNull();
  });
});
