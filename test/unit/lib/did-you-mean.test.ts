import { describe, expect, it } from "@jest/globals";
import { suggestName } from "../../../src/lib/problems.ts";

const OPTIONS = ["baseUrl", "store", "cookie", "credentials", "maxTokenAge", "clockTolerance"];

describe("suggestName", () => {
  it.each([
    ["maxTokenage", "maxTokenAge"],
    ["MAXTOKENAGE", "maxTokenAge"],
    ["maxTokenAgeSeconds", undefined],
    ["maxTokneAge", "maxTokenAge"],
    ["baseURL", "baseUrl"],
    ["cookies", "cookie"],
    ["sotre", "store"],
    ["stor", "store"],
    ["clockTolerence", "clockTolerance"],
    ["password", undefined],
    ["", undefined],
    ["__proto__", undefined],
  ])("answers %j with %j", (given, expected) => {
    expect(suggestName(given, OPTIONS)).toBe(expected);
  });

  it("prefers the nearest, and the first listed among equals", () => {
    expect(suggestName("reed", ["read", "reeds", "need"])).toBe("read");
    expect(suggestName("cat", ["carts", "cats", "bat"])).toBe("cats");
  });

  it("does not spend time on names that nobody mistyped", () => {
    expect(suggestName("a".repeat(100_000), ["a".repeat(100_000)])).toBeUndefined();
  });
});
