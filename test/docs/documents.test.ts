import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "@jest/globals";
import { wrapDocument } from "../../scripts/markdown.ts";
import { listDocuments } from "../../scripts/render-reference.ts";
import { readSources } from "./read-sources.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

describe.each(listDocuments())("%s", (document) => {
  const text = readFileSync(join(ROOT, document), "utf8");

  it("is wrapped as `npm run docs` wraps it", () => {
    expect(text).toBe(wrapDocument(text));
  });

  it("links to files and headings that exist", () => {
    const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = ""]) => link);
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(local.filter((link) => !leadsSomewhere(document, link))).toEqual([]);
  });
});

describe("the documents", () => {
  it("name the files of `src` only where they explain its layout", () => {
    const named = listDocuments()
      .filter((path) => !["ARCHITECTURE.md", "CONTRIBUTING.md"].includes(path))
      .filter((path) => /\bsrc\//.test(readFileSync(join(ROOT, path), "utf8")));
    expect(named).toEqual([]);
  });

  it("quote error messages that exist", () => {
    const text = readFileSync(join(ROOT, "docs/troubleshooting.md"), "utf8");
    const quoted = [...text.matchAll(/^\| 500, `([^`]+)`/gm)].map(([, message = ""]) => message);
    const sources = readSources().join("\n");
    expect(quoted.length).toBeGreaterThan(1);
    expect(quoted.filter((message) => !sources.includes(message))).toEqual([]);
  });

  it("are wrapped without breaking code, links, tables and lists", () => {
    const long = "word ".repeat(30).trim();
    const kept = `# ${long}\n\n| ${long} |\n\n\`\`\`ts\n${long}\n\`\`\`\n\n\`${long}\`\n\n[${long}](to)\n`;
    expect(wrapDocument(kept)).toBe(kept);
    const lines = wrapDocument(`- ${long}\n`).split("\n");
    expect(lines.slice(0, 2).map((line) => line.slice(0, 6))).toEqual(["- word", "  word"]);
  });
});

function leadsSomewhere(document: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? document : join(dirname(document), path);
  if (!existsSync(join(ROOT, target))) return false;
  return anchor === undefined || anchorsOf(readFileSync(join(ROOT, target), "utf8")).has(anchor);
}

/** The anchors that GitHub makes of the headings. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  for (const [, heading = ""] of withoutCode(text).matchAll(/^#+ (.+)$/gm)) {
    const anchor = heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, "")
      .replaceAll(" ", "-");
    const taken = [...anchors].filter((one) => one.replace(/-\d+$/, "") === anchor).length;
    anchors.add(taken === 0 ? anchor : `${anchor}-${taken}`);
  }
  return anchors;
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "");
}
