/** What strictly read JSON came to. */
export type StrictJson =
  | {
      readonly status: "parsed";
      /** Frozen at every depth. */
      readonly value: unknown;
    }
  | { readonly status: "refused"; readonly reason: StrictJsonFailure };

/** Why a text was refused. */
export type StrictJsonFailure = "syntax" | "duplicate_key" | "forbidden_key" | "too_deep" | "too_many_keys";

/** How much structure a text may have. */
export interface StrictJsonLimits {
  /** Objects and arrays within one another, the outermost counted. @defaultValue 8 */
  readonly depth?: number;
  /** Members of all objects together. @defaultValue 256 */
  readonly keys?: number;
}

const COLON = 0x3a;
const BACKSLASH = 0x5c;

/**
 * Parses JSON (RFC 8259) and refuses what two parsers may read differently: duplicate keys at any depth, and `__proto__`.
 *
 * A byte order mark is a syntax error. What comes back is frozen at every depth. Never throws.
 */
export function parseStrictJson(text: string, limits: StrictJsonLimits = {}): StrictJson {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { status: "refused", reason: "syntax" };
  }
  const members = freezeAndCount(value, limits.depth ?? 8);
  if (typeof members === "string") return { status: "refused", reason: members };
  const written = countWrittenKeys(text);
  if (written > (limits.keys ?? 256)) return { status: "refused", reason: "too_many_keys" };
  // A later duplicate replaces the earlier one, with all that was in it: then fewer came out than were written.
  if (written !== members) return { status: "refused", reason: "duplicate_key" };
  return { status: "parsed", value };
}

function freezeAndCount(node: unknown, depthLeft: number): number | "forbidden_key" | "too_deep" {
  if (!isContainer(node)) return 0;
  if (depthLeft === 0) return "too_deep";
  let members = 0;
  if (Array.isArray(node)) {
    for (const item of node) {
      const inner = freezeAndCount(item, depthLeft - 1);
      if (typeof inner === "string") return inner;
      members += inner;
    }
  } else {
    for (const name of Object.keys(node)) {
      if (name === "__proto__") return "forbidden_key";
      const inner = freezeAndCount(node[name], depthLeft - 1);
      if (typeof inner === "string") return inner;
      members += inner + 1;
    }
  }
  Object.freeze(node);
  return members;
}

function isContainer(value: unknown): value is unknown[] | Record<string, unknown> {
  return typeof value === "object" && value !== null;
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
