import { describe, expect, it } from "@jest/globals";
import { applyMutant, drawMutants, listMutants } from "../../../scripts/mutants.mjs";

const changesOf = (text: string): string[] =>
  listMutants("a.ts", text).map((mutant) => `${mutant.kind}: ${applyMutant(text, mutant)}`);

describe("mutants", () => {
  it.each([
    ["if (a) b = 1;", "negate condition: if (!(a)) b = 1;"],
    ["const x = a && b;", "swap operator: const x = a || b;"],
    ["const x = a < b;", "swap operator: const x = a <= b;"],
    ["const x = a ?? b;", "drop fallback: const x = a;"],
    ["await save();", "drop statement: ;"],
    ["const x = a > 5;", "move boundary: const x = a > 6;"],
    ['const x = "y";', 'replace string: const x = "";'],
    ["const x = [a, ...b];", "remove element: const x = [a, ];"],
    ["const x = { a, ...b };", "remove property: const x = { a,  };"],
    ["function f() { g(); return h; }", "return early: function f() { return; g(); return h; }"],
    ["function f() { return h; }", "return undefined: function f() { return; }"],
  ])("of %s include %s", (text, change) => {
    expect(changesOf(text)).toContain(change);
  });

  it.each([
    'import { a } from "b";',
    'type A = "b" | "c";',
    "interface A { readonly b: 1 }",
    'const x: "a" = y as "a";',
    'throw new Error("A text for people.");',
  ])("leave types, imports and texts for people alone: %s", (text) => {
    expect(changesOf(text)).toEqual([]);
  });

  it("are drawn again by the same seed", () => {
    const text = "const x = [a, b, c, d, e, f, g, h];";
    const all = listMutants("a.ts", text);
    const texts = new Map([["a.ts", text]]);
    const linesOf = (seed: number): unknown[] =>
      drawMutants(all, { count: 4, seed, texts }).map(({ start }) => start);

    expect(linesOf(1)).toHaveLength(4);
    expect(linesOf(1)).toEqual(linesOf(1));
    expect(linesOf(1)).not.toEqual(linesOf(2));
  });
});
