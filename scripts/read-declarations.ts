/**
 * Reads exported types and their TSDoc from `src`, for the reference documents.
 *
 * A type is found by its name, wherever it is declared: the documents do not depend on the layout of `src`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOURCES = fileURLToPath(new URL("../src/", import.meta.url));

/** The TSDoc comment of a declaration. */
export interface Doc {
  /** The text before the first block tag, as paragraphs; inline tags are resolved. */
  readonly paragraphs: readonly string[];
  /** The text of `@defaultValue`. */
  readonly defaultValue?: string;
  /** The text of each `@throws`. */
  readonly throws: readonly string[];
}

/** A property or a method of an interface. */
export interface Member {
  /** Empty for a call signature. */
  readonly name: string;
  readonly optional: boolean;
  /** The names of the parameters, for a method; `?` marks an optional one. */
  readonly parameters?: readonly string[];
  /** The type of a property, or the return type of a method, on one line. */
  readonly type: string;
  /** The members of a property whose type is an object type. */
  readonly members?: readonly Member[];
  readonly doc: Doc;
}

/** An exported interface. */
export interface InterfaceDeclaration {
  readonly doc: Doc;
  /** What it extends. */
  readonly inherits: readonly string[];
  readonly members: readonly Member[];
}

/** Reads an exported interface, without the members that it inherits. */
export function readInterface(name: string): InterfaceDeclaration {
  const { text, end, docs } = findExport(`interface ${name}`);
  const open = text.indexOf("{", end);
  const head = withoutTypeParameters(text.slice(end, open)).trim();
  const inherits = /\bextends (.+)$/s.exec(head)?.[1]?.split(/,\s*/) ?? [];
  return {
    doc: docs[0] ?? NO_DOC,
    inherits,
    members: readMembers(text.slice(open + 1, findClosing(text, open))),
  };
}

function withoutTypeParameters(text: string): string {
  const inner = text.replaceAll(/<[^<>]*>/g, "");
  return inner === text ? text : withoutTypeParameters(inner);
}

/** Reads an exported union of object types: the members of each. */
export function readUnion(name: string): readonly (readonly Member[])[] {
  const { text, end } = findExport(`type ${name}`);
  const start = text.indexOf("=", end) + 1;
  const union = text.slice(start, findAtTopLevel(text, start, ";"));
  return splitAtTopLevel(union, "|").map((part) =>
    readMembers(part.slice(part.indexOf("{") + 1, part.lastIndexOf("}"))),
  );
}

/** Reads the TSDoc of an exported declaration, such as `function orgate`; an overloaded function has one for each overload. */
export function readDocs(declaration: string): readonly Doc[] {
  return findExport(declaration).docs;
}

/** The path of the one file in `src` that exports `declaration`, such as `const ERROR_TABLE`. */
export function findSource(declaration: string): string {
  return findExport(declaration).path;
}

interface Found {
  readonly path: string;
  readonly text: string;
  /** Where the name ends. */
  readonly end: number;
  readonly docs: readonly Doc[];
}

const NO_DOC: Doc = { paragraphs: [], throws: [] };

function findExport(declaration: string): Found {
  const pattern = new RegExp(String.raw`^export ${declaration}\b`, "gm");
  const found = readSources().flatMap(({ path, text }): Found[] => {
    const matches = [...text.matchAll(pattern)];
    const [first] = matches;
    if (first === undefined) return [];
    const docs = matches.flatMap(({ index }) => readDocBefore(text.slice(0, index)));
    return [{ path, text, end: first.index + first[0].length, docs }];
  });
  const [only, ...others] = found;
  if (only === undefined || others.length > 0) {
    throw new Error(`src must export ${declaration} from one file, and does from ${found.length}.`);
  }
  return only;
}

let sources: readonly { readonly path: string; readonly text: string }[] | undefined;

function readSources(): readonly { readonly path: string; readonly text: string }[] {
  sources ??= readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .map((path) => ({ path: join(SOURCES, path), text: readFileSync(join(SOURCES, path), "utf8") }));
  return sources;
}

function readDocBefore(text: string): Doc[] {
  const comment = /\/\*\*(?:(?!\*\/).)*\*\/\s*(?:\/\/[^\n]*\s*)?$/s.exec(text)?.[0];
  return comment === undefined ? [] : [readDocComment(comment.slice(0, comment.lastIndexOf("*/") + 2))];
}

function readDocComment(comment: string): Doc {
  const text = comment
    .replace(/^\s*\/\*\*/, "")
    .replace(/\*\/\s*$/, "")
    .replaceAll(/\n\s*\* ?/g, "\n")
    .replaceAll(/\{@link ([^}|]+?)\}/g, "`$1`");
  const [before = "", ...tags] = text.split(/(?:^|\s)@(?=[a-z]+[A-Za-z]*\s)/);
  const paragraphs = before
    .split(/\n\s*\n/)
    .map(toOneLine)
    .filter((paragraph) => paragraph !== "");
  const [defaultValue] = textsOf(tags, "defaultValue");
  return { paragraphs, ...(defaultValue !== undefined && { defaultValue }), throws: textsOf(tags, "throws") };
}

function textsOf(tags: readonly string[], name: string): string[] {
  return tags.filter((tag) => tag.startsWith(`${name} `)).map((tag) => toOneLine(tag.slice(name.length)));
}

/** The members of an object type, given what stands between its braces. */
function readMembers(body: string): Member[] {
  return splitAtTopLevel(body, ";").map((part) => {
    const comment = /^(?:\s*\/\*(?:(?!\*\/).)*\*\/)+/s.exec(part)?.[0] ?? "";
    return { ...readMember(part.slice(comment.length).trim()), doc: readDocComment(comment) };
  });
}

function readMember(declaration: string): Omit<Member, "doc"> {
  const [, name = "", mark, rest = ""] = /^(?:readonly )?(\[.+?\]|[\w$]*)(\??)(.*)$/s.exec(declaration) ?? [];
  const optional = mark === "?";
  const open = rest.startsWith("<") ? findClosing(rest, 0) + 1 : 0;
  if (rest[open] === "(") {
    const close = findClosing(rest, open);
    const parameters = splitAtTopLevel(rest.slice(open + 1, close), ",").map(nameOfParameter);
    return { name, optional, parameters, type: readType(rest.slice(close + 2)) };
  }
  const type = rest.slice(1).trim();
  const isObject = type.startsWith("{") && findClosing(type, 0) === type.length - 1;
  return {
    name,
    optional,
    type: readType(type),
    ...(isObject && { members: readMembers(type.slice(1, -1)) }),
  };
}

function nameOfParameter(parameter: string): string {
  return /(?:\.{3})?[\w$]+\??/.exec(parameter)?.[0] ?? parameter;
}

/** A type on one line, without what only the compiler needs. */
function readType(text: string): string {
  const type = toOneLine(text.replaceAll(/\/\*.*?\*\//gs, ""))
    .replace(/^\| /, "")
    .replace(/ \| undefined$/, "")
    .replaceAll("readonly ", "")
    .replaceAll(/,? ([\])>])/g, "$1")
    .replaceAll(/([[(<]) /g, "$1")
    .replaceAll(/(?<=[[<(])\| /g, "");
  const isWrapped = type.startsWith("(") && findClosing(type, 0) === type.length - 1;
  return isWrapped ? type.slice(1, -1) : type;
}

function toOneLine(text: string): string {
  return text.replaceAll(/\s+/g, " ").trim();
}

const CLOSING: Readonly<Record<string, string>> = { "(": ")", "[": "]", "{": "}", "<": ">" };

/** The index of the bracket that closes the one at `open`. */
function findClosing(text: string, open: number): number {
  return findAtTopLevel(text, open + 1, CLOSING[text[open] ?? ""] ?? "");
}

/** The index of the first `character` outside of brackets, strings and comments. */
function findAtTopLevel(text: string, start: number, character: string): number {
  for (let index = start; index < text.length; index++) {
    const here = text[index] ?? "";
    if (here === character && !(here === ">" && text[index - 1] === "=")) return index;
    if (text.startsWith("/*", index)) index = text.indexOf("*/", index) + 1;
    else if (text.startsWith("//", index)) index = text.indexOf("\n", index);
    else if (here === '"' || here === "`") index = text.indexOf(here, index + 1);
    else if (here in CLOSING) index = findClosing(text, index);
  }
  throw new Error(`there is no ${character} in ${text.slice(start, start + 80)}`);
}

function splitAtTopLevel(text: string, separator: string): string[] {
  const parts: string[] = [];
  const ended = `${text}${separator}`;
  for (let start = 0; start < ended.length;) {
    const end = findAtTopLevel(ended, start, separator);
    parts.push(ended.slice(start, end));
    start = end + 1;
  }
  return parts.filter((part) => part.trim() !== "");
}
