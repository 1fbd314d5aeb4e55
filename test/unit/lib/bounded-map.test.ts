import { describe, expect, it } from "@jest/globals";
import { createBoundedMap } from "../../../src/lib/bounded-map.ts";

describe("createBoundedMap", () => {
  it("keeps, replaces, deletes and clears like a map", () => {
    const map = createBoundedMap<string, { n: number }>(3);
    map.set("a", { n: 1 });
    map.set("a", { n: 2 });
    map.set("b", { n: 3 });

    expect(map.get("a")).toEqual({ n: 2 });
    expect(map.get("c")).toBeUndefined();
    expect(map.size).toBe(2);
    expect(map.delete("a")).toBe(true);
    expect(map.delete("a")).toBe(false);
    map.clear();
    expect(map.size).toBe(0);
    expect(map.get("b")).toBeUndefined();
  });

  it("lets go of the entry used longest ago", () => {
    const map = createBoundedMap<string, { n: number }>(2);
    map.set("a", { n: 1 });
    map.set("b", { n: 2 });
    map.get("a");
    map.set("c", { n: 3 });

    expect(map.size).toBe(2);
    expect(map.get("a")).toEqual({ n: 1 });
    expect(map.get("b")).toBeUndefined();
    expect(map.get("c")).toEqual({ n: 3 });
  });

  it("R-39: takes names of Object.prototype, and symbols, as keys like any other", () => {
    const map = createBoundedMap<string | symbol, { n: number }>(4);
    const symbol = Symbol("key");

    expect(map.get("__proto__")).toBeUndefined();
    expect(map.get("constructor")).toBeUndefined();
    map.set("__proto__", { n: 1 });
    map.set(symbol, { n: 2 });
    expect(map.get("__proto__")).toEqual({ n: 1 });
    expect(map.get(symbol)).toEqual({ n: 2 });
  });
});
