import { readFileSync } from "node:fs";
import { expect, it } from "@jest/globals";
import { DIFFERENCES, renderDifferences } from "../../scripts/render-differences.ts";

it("docs/differences.md lists the rows that are tested", () => {
  expect(readFileSync(DIFFERENCES, "utf8")).toBe(renderDifferences());
});
