import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { parseStrictJson } from "../../../src/lib/strict-json.ts";

const SEED = Number(process.env["FUZZ_SEED"] ?? Date.now());

describe("parseStrictJson", () => {
  it.each([
    ["null", null],
    ["1", 1],
    ['"a:b"', "a:b"],
    ["[]", []],
    ["{}", {}],
    ['{"a":1,"b":{"a":1},"c":[{"a":1},{"a":1}]}', { a: 1, b: { a: 1 }, c: [{ a: 1 }, { a: 1 }] }],
    ['{ "a" \t\r\n : 1 , "b" : "x" }', { a: 1, b: "x" }],
    ['{"a\\"":1,"a\\\\":2,"a":3}', { 'a"': 1, "a\\": 2, a: 3 }],
    ['{"a":"\\": ","b":"\\\\"}', { a: '": ', b: "\\" }],
    ['{"constructor":1,"toString":2,"":3,"1":4}', { constructor: 1, toString: 2, "": 3, 1: 4 }],
  ])("parses %s", (text, value) => {
    expect(parseStrictJson(text)).toEqual({ status: "parsed", value });
  });

  it.each([
    ["", "syntax"],
    ["{", "syntax"],
    ["\ufeff{}", "syntax"],
    ['{"a":1,}', "syntax"],
    ['{"a":1,"a":1}', "duplicate_key"],
    ['{"a":1,"\\u0061":2}', "duplicate_key"],
    ['{"a":{"b":1,"b":2},"a":1}', "duplicate_key"],
    ['[{"x":[{"a":1,"a":1}]}]', "duplicate_key"],
    ['{"1":1,"1":2}', "duplicate_key"],
    ['{"__proto__":1}', "forbidden_key"],
    ['{"__proto__":{"a":1}}', "forbidden_key"],
    ['{"a":[{"\\u005f_proto__":null}]}', "forbidden_key"],
    [`${"[".repeat(33)}${"]".repeat(33)}`, "too_deep"],
    [`${'{"a":'.repeat(32)}{}${"}".repeat(32)}`, "too_deep"],
  ])("refuses %s: %s", (text, reason) => {
    expect(parseStrictJson(text)).toEqual({ status: "refused", reason });
  });

  it("allows 32 levels and 4,000 members, and no more", () => {
    expect(parseStrictJson(`${"[".repeat(32)}1${"]".repeat(32)}`).status).toBe("parsed");
    expect(parseStrictJson(members(4_000)).status).toBe("parsed");
    expect(parseStrictJson(members(4_001))).toEqual({ status: "refused", reason: "too_many_keys" });
    expect(parseStrictJson(`[${members(2_000)},${members(2_001)}]`)).toMatchObject({
      reason: "too_many_keys",
    });
  });

  it("refuses thousands of levels, without running out of stack", () => {
    const deep = "[".repeat(4000) + "]".repeat(4000);
    expect(parseStrictJson(deep)).toEqual({ status: "refused", reason: "too_deep" });
  });

  it("takes other limits", () => {
    expect(parseStrictJson("[[1]]", { depth: 1 })).toEqual({ status: "refused", reason: "too_deep" });
    expect(parseStrictJson('{"a":1,"b":1}', { keys: 1 })).toMatchObject({ reason: "too_many_keys" });
  });

  it("freezes what it returns at every depth", () => {
    const parsed = parseStrictJson('{"a":{"b":[{"c":1}]}}');
    const value = (parsed.status === "parsed" ? parsed.value : undefined) as { a: { b: { c: number }[] } };
    const nodes = [value, value.a, value.a.b, value.a.b[0]];
    expect(nodes.every((node) => Object.isFrozen(node))).toBe(true);
  });

  it(`reads whatever JSON.stringify writes, however it is indented (seed ${SEED})`, () => {
    const json = fc
      .jsonValue({ maxDepth: 4, noUnicodeString: false })
      .filter((value) => !/__proto__/.test(JSON.stringify(value)));
    const property = fc.property(json, fc.constantFrom(0, 1, "\t", " \n"), (value, indentation) => {
      const text = JSON.stringify(value, null, indentation);
      expect(parseStrictJson(text, { keys: Infinity })).toEqual({
        status: "parsed",
        value: JSON.parse(text),
      });
    });
    fc.assert(property, { seed: SEED, numRuns: 500 });
  });

  it(`finds a repeated member wherever it is put (seed ${SEED})`, () => {
    const namesOfMembers = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 6 });
    const property = fc.property(namesOfMembers, fc.nat(), fc.string(), (names, pick, noise) => {
      const repeated = [...names, names[pick % names.length]].filter((name) => name !== "__proto__");
      fc.pre(new Set(repeated).size < repeated.length);
      const text = `{${repeated.map((name) => `${JSON.stringify(name)}:${JSON.stringify(noise)}`).join()}}`;
      const nested = `{"noise":${JSON.stringify(noise)},"inner":[${text}]}`;
      expect(parseStrictJson(nested)).toEqual({ status: "refused", reason: "duplicate_key" });
    });
    fc.assert(property, { seed: SEED, numRuns: 500 });
  });
});

function members(count: number): string {
  return JSON.stringify(
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index])),
  );
}
