import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "@jest/globals";
import { readInterface } from "../../scripts/read-declarations.ts";
import { MISCONFIGURED_REASONS } from "../../scripts/reference-notes.ts";
import { renderDocuments } from "../../scripts/render-reference.ts";
import { DECISIONS } from "../http/decision-table.data.ts";
import { readSources } from "./read-sources.ts";

const ROOT = new URL("../../", import.meta.url);

let documents: ReadonlyMap<string, string>;
beforeAll(async () => {
  documents = await renderDocuments();
});

describe("the generated documents", () => {
  it.each([
    "docs/reference/decision-table.md",
    "docs/reference/options.md",
    "docs/reference/api.md",
    "docs/reference/errors.md",
    "docs/reference/events.md",
    "docs/differences.md",
  ])("%s is what `npm run docs` writes", (path) => {
    expect(readFileSync(new URL(path, ROOT), "utf8")).toBe(documents.get(path));
  });

  it("the decision table names the code of every tested row", () => {
    const table = documents.get("docs/reference/decision-table.md") ?? "";
    const codes = DECISIONS.map(({ code }) => code).filter((code) => code !== undefined);
    expect(codes.filter((code) => !table.includes(`\`${code}\``))).toEqual([]);
  });

  it("the API lists every method of the middleware", () => {
    const api = documents.get("docs/reference/api.md") ?? "";
    const names = readInterface("Orgate").members.map(({ name }) => name);
    expect(names.filter((name) => name !== "" && !api.includes(`### \`auth.${name}(`))).toEqual([]);
  });

  it("the events list every reason of `misconfigured` that the sources emit", () => {
    const emitted = readSources().flatMap((text) => [
      ...text.matchAll(/(?:type: "misconfigured", |reportMisconfigured\([^{]*\{ )reason: "(\w+)"/g),
    ]);
    const listed = new Set(Object.keys(MISCONFIGURED_REASONS));
    expect(emitted.length).toBeGreaterThan(10);
    expect(emitted.map(([, reason]) => reason).filter((reason) => !listed.has(reason ?? ""))).toEqual([]);
  });

  it("the events list no reason of `misconfigured` that the sources do not know", () => {
    const sources = readSources().join("\n");
    expect(Object.keys(MISCONFIGURED_REASONS).filter((reason) => !sources.includes(`"${reason}"`))).toEqual(
      [],
    );
  });
});
