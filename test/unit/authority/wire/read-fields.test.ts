import { describe, expect, it } from "@jest/globals";
import { Fields, readQuery } from "../../../../src/authority/wire/read-fields.ts";

const fields = new Fields(
  Object.entries({ name: "Ada", empty: "", none: null, list: ["a", "b"], number: 1, object: { a: 1 } }),
);

describe("Fields", () => {
  it("reads texts, and treats null and the empty string as absent", () => {
    expect(fields.text("name")).toBe("Ada");
    for (const name of ["empty", "none", "missing", "__proto__"]) {
      expect(fields.optionalText(name)).toBeUndefined();
      expect(() => fields.text(name)).toThrow(`${name} is required.`);
    }
  });

  it.each(["list", "number", "object"])("refuses a %s in place of a text", (name) => {
    expect(() => fields.optionalText(name)).toThrow(`${name} must be a string.`);
  });

  it("reads objects, and treats null as absent", () => {
    expect(fields.optionalObject("object")?.entries()).toEqual([["a", 1]]);
    expect(fields.optionalObject("none")).toBeUndefined();
    expect(fields.optionalObject("missing")).toBeUndefined();
  });

  it.each(["name", "empty", "list", "number"])("refuses the field %s in place of an object", (name) => {
    expect(() => fields.optionalObject(name)).toThrow(`${name} must be an object.`);
  });
});

describe("readQuery", () => {
  it("reads a parameter that is there twice as a list, which no text accepts", () => {
    const query = readQuery("a=1&b=2&a=3&c=%20");
    expect(query.get("a")).toEqual(["1", "3"]);
    expect(() => query.text("a")).toThrow("a must be a string.");
    expect([query.text("b"), query.text("c")]).toEqual(["2", " "]);
  });
});
