/**
 * Each idea is written in one place of `src`. A rule that fails names every further place, as `file:line`: use the first
 * place there, or move the shared part into `lib/`. The rules themselves are in said-once-rules.ts.
 */
import { describe, expect, it } from "@jest/globals";
import { readSources } from "../../scripts/syntax-tree.mjs";
import { listViolations, parseAll, type ParsedSource, type Rule, RULES } from "./said-once-rules.ts";

/** Rules that `src` does not meet yet, and how many places are left. Lower the numbers; at 0, delete the line. */
const notYet: Readonly<Record<string, number>> = {
  "admits a call to the store through the breaker": 2,
  "verifies a token: a presented one, and one that a store has just issued": 4,
  "makes a stale credential": 2,
  "calls the repository": 6,
  "imports a function that verifies signatures": 1,
  "races a timeout": 7,
  "keeps a map of promises": 6,
  "keeps a value that is loaded, or backs off": 3,
  "computes a digest": 13,
  "imports createHmac": 1,
  "imports timingSafeEqual": 6,
  "encrypts with node:crypto": 1,
  "imports hkdfSync": 1,
  "suggests a similar name": 4,
  "declares a predicate for a plain shape": 22,
  "checks for an object inline": 30,
  "forbids caching": 3,
  "parses JSON that comes from elsewhere": 8,
  "seals a short-lived cookie": 1,
  "converts names between snake case and camel case": 3,
  "declares a constant of a name that another file has": 51,
  "exports a name that another file declares and exports": 32,
  "catches an error without reading it": 44,
  "lib imports from another folder of src": 3,
};

const sources = parseAll(readSources());

describe("src says it once", () => {
  it.each(RULES.filter(({ title }) => !(title in notYet)))("$title", (rule) => {
    expect(listViolations(rule, sources)).toEqual([]);
  });

  it.each(RULES.filter(({ title }) => title in notYet))("not yet: $title", (rule) => {
    const violations = listViolations(rule, sources);
    const allowed = notYet[rule.title] ?? 0;
    expect(violations.length > allowed ? violations : []).toEqual([]);
  });

  it("has a rule for each line of what is not met yet", () => {
    const titles = RULES.map(({ title }) => title);
    expect(Object.keys(notYet).filter((title) => !titles.includes(title))).toEqual([]);
    expect(new Set(titles).size).toBe(titles.length);
  });
});

describe("a place too many is found", () => {
  it.each(RULES)("$title", (rule) => {
    const { otherFiles = 0, comparesFiles = false } = rule;
    const admitted = comparesFiles ? 1 : otherFiles;
    expect(listViolations(rule, plant(rule, admitted))).toEqual([]);
    expect(listViolations(rule, plant(rule, admitted + 1))).toHaveLength(1);
  });

  it.each(RULES)("in src as it is: $title", (rule) => {
    const { otherFiles = 0 } = rule;
    const before = listViolations(rule, sources).length;
    const planted = plant(rule, otherFiles + 2);
    expect(listViolations(rule, [...sources, ...planted]).length).toBeGreaterThan(before);
  });

  it.each(RULES.filter(({ allowedIn }) => allowedIn !== undefined))(
    "but not where it belongs: $title",
    (rule) => {
      const homes = (rule.allowedIn ?? []).map((place) => (place.endsWith("/") ? `${place}home.ts` : place));
      const sourcesAtHome = homes.map((path) => ({ path, text: rule.planted }));
      expect(listViolations(rule, parseAll(sourcesAtHome))).toEqual([]);
    },
  );
});

function plant({ planted, plantedIn = "request" }: Rule, count: number): ParsedSource[] {
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  return parseAll(numbers.map((number) => ({ path: `${plantedIn}/planted-${number}.ts`, text: planted })));
}
