import { isObject } from "./values.ts";

/** The result of parsing JSON strictly. */
export type StrictJson =
  | {
      readonly status: "parsed";
      /** Frozen at every depth. */
      readonly value: unknown;
    }
  | { readonly status: "refused"; readonly reason: StrictJsonFailure };

/** Why a text was refused. */
export type StrictJsonFailure = "syntax" | "duplicate_key" | "forbidden_key" | "too_deep" | "too_many_keys";

/** Limits for the structure of a text. */
export interface StrictJsonLimits {
  /** Levels of objects and arrays, the outermost included. @defaultValue 32 */
  readonly depth?: number;
  /** Members of all objects together. @defaultValue 4,000 */
  readonly keys?: number;
}

/** What services issue fits: Stytch allows 4 KB of custom claims of any shape. */
const MAX_DEPTH = 32;
const MAX_KEYS = 4_000;

const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * Parses JSON (RFC 8259) and refuses what two parsers may read differently: duplicate keys at any depth, and `__proto__`.
 *
 * A byte order mark is a syntax error. The result is frozen at every depth.
 */
export function parseStrictJson(text: string, limits: StrictJsonLimits = {}): StrictJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { status: "refused", reason: "syntax" };
  }
  const members = freezeAndCount(value, limits.depth ?? MAX_DEPTH);
  if (typeof members === "string") return { status: "refused", reason: members };
  const written = countWrittenKeys(text);
  if (written > (limits.keys ?? MAX_KEYS)) return { status: "refused", reason: "too_many_keys" };
  // A later duplicate replaces the earlier one with everything in it, so that fewer members are left than were written.
  if (written !== members) return { status: "refused", reason: "duplicate_key" };
  return { status: "parsed", value };
}

/** Freezes a value at every depth, and counts the members of its objects. */
function freezeAndCount(node: unknown, depthLeft: number): number | "forbidden_key" | "too_deep" {
  const isList = Array.isArray(node);
  if (!isList && !isObject(node)) return 0;
  if (depthLeft === 0) return "too_deep";
  if (Object.hasOwn(node, "__proto__")) return "forbidden_key";
  const children: readonly unknown[] = Object.values(node);
  let members = isList ? 0 : children.length;
  for (const child of children) {
    const inner = freezeAndCount(child, depthLeft - 1);
    if (typeof inner === "string") return inner;
    members += inner;
  }
  Object.freeze(node);
  return members;
}

/** Counts the strings that a colon follows. Needs valid JSON; strings are skipped natively, for speed. */
function countWrittenKeys(text: string): number {
  let keys = 0;
  for (let open = text.indexOf('"'); open !== -1;) {
    let close = text.indexOf('"', open + 1);
    while (isEscaped(text, close)) close = text.indexOf('"', close + 1);
    let next = close + 1;
    while (isWhitespace(text.charCodeAt(next))) next += 1;
    if (text.charCodeAt(next) === COLON) keys += 1;
    open = text.indexOf('"', next);
  }
  return keys;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
  return backslashes % 2 === 1;
}

function isWhitespace(code: number): boolean {
  return code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09;
}
