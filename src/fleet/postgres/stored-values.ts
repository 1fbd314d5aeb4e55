import { sha256 } from "../../lib/crypto.ts";
import { toUnreadable } from "./database-error.ts";

/** Longer names are stored by their digest: an index entry of Postgres holds 2,704 bytes. */
const MAX_KEY_LENGTH = 500;

/** A name as it is stored. */
export interface StoredName {
  /** At most 500 characters, different for each name. */
  readonly key: string;
  /** The whole name, where the key is its digest. */
  readonly long: string | null;
}

/**
 * Writes a name so that Postgres keeps it exactly: JSON escapes NUL, which a text cannot hold, and lone surrogates, which would
 * all become the same character.
 */
export function storeName(name: string): StoredName {
  const key = JSON.stringify(name).slice(1, -1);
  // No text that JSON escapes begins like this.
  return key.length > MAX_KEY_LENGTH ? { key: `\\#${sha256(key)}`, long: key } : { key, long: null };
}

/** Reads a name that was stored; one that something else has stored is returned as it is. */
export function readName(stored: string): string {
  const name = parseOr(`"${stored}"`, stored);
  return typeof name === "string" ? name : stored;
}

/**
 * Reads a document.
 *
 * @throws `StoreUnavailableError`, reason `postgres_value_unreadable`, for a text that is not JSON
 */
export function readStoredValue(stored: string): unknown {
  const value = parseOr(stored, UNREADABLE);
  if (value === UNREADABLE) throw toUnreadable();
  return value;
}

/**
 * Reads a document of a list, or one that is deleted already. A text that is not JSON is returned as text: no check of a record
 * accepts that, and the document can still be named and ended.
 */
export function readStoredValueOrText(stored: string): unknown {
  return parseOr(stored, stored);
}

const UNREADABLE = Symbol("unreadable");

function parseOr(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return otherwise;
    throw error;
  }
}
