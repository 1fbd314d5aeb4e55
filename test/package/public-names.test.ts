import { describe, expect, it } from "@jest/globals";
import { ENTRIES, nameOf } from "../../scripts/entries.mjs";
import { createConsumer } from "./consumer.ts";
import { isDocumented, listDeclaredNames } from "./declared-names.ts";
import { PUBLIC_NAMES } from "./public-names.ts";

const declared = Object.keys(ENTRIES).map(
  (subpath) => [subpath, listDeclaredNames(`dist/${nameOf(subpath)}.d.cts`)] as const,
);

describe("the public names", () => {
  it("match the table, for every entry", () => {
    const names = declared.map(([subpath, list]) => {
      const of = (kind: string): string[] =>
        list.filter((entry) => entry.kind === kind).map(({ name }) => name);
      return [subpath, { values: of("value").toSorted(), types: of("type").toSorted() }];
    });
    expect(Object.fromEntries(names)).toEqual(PUBLIC_NAMES);
  });

  it("exist at run time", () => {
    const consumer = createConsumer("esm", { express: "express" });
    const { output } = consumer.node("public-names.js");
    consumer.remove();
    const values = Object.entries(PUBLIC_NAMES).map(([subpath, names]) => [subpath, names.values]);
    expect(JSON.parse(output)).toEqual(Object.fromEntries(values));
  });

  it("are documented where they are declared", () => {
    const bare = declared.flatMap(([subpath, list]) =>
      list.filter((entry) => !isDocumented(entry)).map(({ name }) => `${subpath}: ${name}`),
    );
    expect(bare).toEqual([]);
  });
});
