import { runInNewContext } from "node:vm";
import { describe, expect, it } from "@jest/globals";
import { membersOf } from "../../../src/policy/policy-forms.ts";
import { definePolicy } from "../../../src/policy/policy.ts";

describe("the problems of a policy", () => {
  it("say where they are, and quote names that are not plain", () => {
    expect(() => definePolicy({ resources: {}, roles: { "two words\n": { [""]: 7 } as never } })).toThrow(
      expect.objectContaining({
        code: "configuration_invalid",
        problems: [expect.objectContaining({ option: String.raw`policy.roles."two words\n".""` })],
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
