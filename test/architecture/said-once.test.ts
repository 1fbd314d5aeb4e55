/**
 * Each idea is written in one place of `src`. A rule that fails names every further place, as `file:line`: use the first
 * place there, or move the shared part into `lib/`. The rules themselves are in said-once-rules.ts.
 */
import { describe, expect, it } from "@jest/globals";
import { readSources } from "../../scripts/syntax-tree.mjs";
import { listViolations, parseAll, type ParsedSource, type Rule, RULES } from "./said-once-rules.ts";

const sources = parseAll(readSources());

describe("src says it once", () => {
  it.each(RULES)("$title", (rule) => {
    expect(listViolations(rule, sources)).toEqual([]);
  });

  it("names each rule differently", () => {
    const titles = RULES.map(({ title }) => title);
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
