import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { parseSync } from "@swc/core";

export const PROJECT_ROOT = join(dirname(fileURLToPath(import.meta.url)), "../..");

/** One way in which a file refers to another module. */
export interface Reference {
  readonly kind: "import" | "export" | "export-all" | "dynamic-import" | "import-type";
  /** A path relative to `src` for our own files, else the specifier. */
  readonly to: string;
  readonly external: boolean;
  readonly typeOnly: boolean;
}

/** What the rules want to know about a source file. */
export interface SourceFile {
  /** Relative to `src`, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  readonly references: readonly Reference[];
  readonly defaultExports: number;
  /** Statements of the file that are neither an import nor a re-export. */
  readonly ownStatements: number;
  readonly classes: readonly string[];
  /** Right-hand names of `instanceof`. */
  readonly instanceofNames: readonly string[];
  /** Member accesses on plain names, as `Date.now`. */
  readonly accesses: ReadonlySet<string>;
}

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** Lists files below a folder of the project, relative to it. */
export function listFiles(folder: string): string[] {
  return readdirSync(join(PROJECT_ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => posix.relative(join(PROJECT_ROOT, folder), join(entry.parentPath, entry.name)))
    .toSorted();
}

/** Parses every TypeScript file of `src`. */
export function scanSources(): SourceFile[] {
  return listFiles("src")
    .filter((path) => path.endsWith(".ts"))
    .map((path) => scanSource(path, readFileSync(join(PROJECT_ROOT, "src", path), "utf8")));
}

/** Parses one file; `path` is relative to `src` and only names it. */
export function scanSource(path: string, text: string): SourceFile {
  const module = parseSync(text, { syntax: "typescript", target: "es2023" });
  const nodes = [...descend(module.body)];
  return {
    path,
    lines: text.replace(/\n$/, "").split("\n").length,
    references: nodes.flatMap((node) => readReference(path, node)),
    defaultExports: nodes.filter((node) => node.type.startsWith("ExportDefault")).length,
    ownStatements: module.body.filter((statement) => !isImportOrReExport(asNode(statement))).length,
    classes: nodes
      .filter((node) => node.type === "ClassDeclaration")
      .map((node) => textOf(node["identifier"])),
    instanceofNames: nodes
      .filter((node) => node.type === "BinaryExpression" && node["operator"] === "instanceof")
      .map((node) => textOf(node["right"])),
    accesses: new Set(
      nodes
        .filter((node) => node.type === "MemberExpression")
        .map((node) => `${textOf(node["object"])}.${textOf(node["property"])}`),
    ),
  };
}

function* descend(value: unknown): Generator<Node> {
  if (Array.isArray(value)) {
    for (const item of value) yield* descend(item);
    return;
  }
  if (typeof value !== "object" || value === null) return;
  if (typeof (value as Node).type === "string") yield value as Node;
  for (const field of Object.values(value)) yield* descend(field);
}

function readReference(from: string, node: Node): Reference[] {
  const typeOnly = node["typeOnly"] === true;
  switch (node.type) {
    case "ImportDeclaration":
      return [resolve(from, textOf(node["source"]), "import", typeOnly)];
    case "ExportAllDeclaration":
      return [resolve(from, textOf(node["source"]), "export-all", typeOnly)];
    case "ExportNamedDeclaration":
      return node["source"] === null ? [] : [resolve(from, textOf(node["source"]), "export", typeOnly)];
    case "TsImportType":
      return [resolve(from, textOf(node["argument"]), "import-type", true)];
    case "CallExpression":
      return asNode(node["callee"]).type === "Import"
        ? [
            resolve(
              from,
              textOf((node["arguments"] as { expression: unknown }[])[0]?.expression),
              "dynamic-import",
              false,
            ),
          ]
        : [];
    default:
      return [];
  }
}

function resolve(from: string, specifier: string, kind: Reference["kind"], typeOnly: boolean): Reference {
  const external = !specifier.startsWith(".");
  return { kind, typeOnly, external, to: external ? specifier : posix.join(posix.dirname(from), specifier) };
}

function isImportOrReExport(statement: Node): boolean {
  if (statement.type === "ImportDeclaration" || statement.type === "ExportAllDeclaration") return true;
  return statement.type === "ExportNamedDeclaration" && statement["source"] !== null;
}

function asNode(value: unknown): Node {
  return value as Node;
}

function textOf(value: unknown): string {
  const text = typeof value === "object" && value !== null ? (value as { value?: unknown }).value : undefined;
  return typeof text === "string" ? text : "";
}
