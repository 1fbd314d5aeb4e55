import { describe, expect, it } from "@jest/globals";
import { isTextList } from "../../../src/lib/values.ts";

describe("isTextList", () => {
  it.each([[[]], [["read"]], [["__proto__", "read"]]])("accepts %j", (value) => {
    expect(isTextList(value)).toBe(true);
  });

  it.each([
    ["a string", "read"],
    ["a list with an empty text", ["read", ""]],
    ["a list with a number", ["read", 1]],
    // oxlint-disable-next-line no-sparse-arrays
    ["a list with a hole", ["read", , "write"]],
    ["an object like a list", { 0: "read", length: 1 }],
    ["nothing", undefined],
  ])("refuses %s", (_, value) => {
    expect(isTextList(value)).toBe(false);
  });
});
