import { runInNewContext } from "node:vm";
import { describe, expect, it } from "@jest/globals";
import { createPolicyProblems, membersOf, namesOf } from "../../../src/policy/policy-forms.ts";

describe("createPolicyProblems", () => {
  it("throws nothing when nothing is wrong", () => {
    expect(() => createPolicyProblems().throwIfAny()).not.toThrow();
  });

  it("throws everything at once, and writes where it is", () => {
    const problems = createPolicyProblems();
    problems.add("option_missing", ["roles"], "is missing.", "Add it.");
    problems.add("option_invalid", ["roles", "two words\n"], "is wrong.", "Mend it.");

    expect(() => problems.throwIfAny()).toThrow(
      expect.objectContaining({
        code: "configuration_invalid",
        problems: [
          { code: "option_missing", option: "policy.roles", message: "is missing.", suggestion: "Add it." },
          {
            code: "option_invalid",
            option: String.raw`policy.roles."two words\n"`,
            message: "is wrong.",
            suggestion: "Mend it.",
          },
        ],
      }),
    );
  });
});

describe("membersOf", () => {
  it.each([
    ["an object", { a: 1 }],
    ["an object without a prototype", Object.assign(Object.create(null) as object, { a: 1 })],
    ["an object of another realm", runInNewContext("({ a: 1 })")],
  ])("reads %s", (_, value) => {
    expect(membersOf(value)).toEqual(new Map([["a", 1]]));
  });

  it("R-39: reads __proto__ from JSON as a member like any other", () => {
    expect([...(membersOf(JSON.parse('{"__proto__":{"a":1}}')) ?? [])]).toEqual([["__proto__", { a: 1 }]]);
  });

  it.each([
    ["R-39: an object whose prototype was set by writing __proto__", { __proto__: { a: 1 } }],
    ["R-39: an object whose prototype is a list", { __proto__: ["a"] }],
    ["a map", new Map([["a", 1]])],
    ["a list", ["a"]],
    ["null", null],
    ["undefined", undefined],
    ["a string", "a"],
    ["a function", () => 1],
  ])("refuses %s", (_, value) => {
    expect(membersOf(value)).toBeUndefined();
  });
});

describe("namesOf", () => {
  it.each([[[]], [["read"]], [["__proto__", "read"]]])("reads %j", (value) => {
    expect(namesOf(value)).toEqual(value);
  });

  it.each([
    ["a string", "read"],
    ["a list with an empty name", ["read", ""]],
    ["a list with a number", ["read", 1]],
    // oxlint-disable-next-line no-sparse-arrays
    ["a list with a hole", ["read", , "write"]],
    ["an object like a list", { 0: "read", length: 1 }],
    ["nothing", undefined],
  ])("refuses %s", (_, value) => {
    expect(namesOf(value)).toBeUndefined();
  });
});
