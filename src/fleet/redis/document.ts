import { Buffer } from "node:buffer";
import { isString } from "../../lib/values.ts";
import { unreadableValue } from "./redis-error.ts";

/**
 * A document as Redis keeps it: a line with the version of this form, the document's version, its expiry, the length of its
 * value in bytes and its index names; then the value as JSON. The scripts read and write the same form.
 */
export interface StoredText {
  readonly version: number;
  /** Seconds since the epoch. */
  readonly expiresAt: number;
  /** Escaped, each after a space. */
  readonly names: string;
  readonly value: unknown;
}

const HEADER = /^o1 (\d{1,16}) (\S{1,32}) (\d{1,10})( .+)?$/;

/** Writes a document. @throws TypeError for a value that is not JSON */
export function writeDocument({ version, expiresAt, names, value }: StoredText): string {
  if (!Number.isFinite(expiresAt)) throw new TypeError("A document needs a finite time of expiry.");
  const text: string | undefined = JSON.stringify(value);
  if (!isString(text)) throw new TypeError("A document's value must be JSON.");
  return `o1 ${version} ${expiresAt} ${Buffer.byteLength(text)}${names}\n${text}`;
}

/**
 * Reads a document. Returns `undefined` for one that was consumed.
 *
 * @throws StoreUnavailableError for what is none: a foreign value, a damaged one, one of a newer release
 */
export function readDocument(text: string): StoredText | undefined {
  const end = text.indexOf("\n");
  const head = end === -1 ? text : text.slice(0, end);
  const [, version, expiresAt, size, names = ""] = HEADER.exec(head) ?? [];
  if (version === undefined) {
    if (/^x1 \d+$/.test(head)) return undefined;
    throw unreadableValue(/^[ox]\d+ /.test(head) ? "newer" : "unreadable");
  }
  const json = text.slice(end + 1);
  const expiry = Number(expiresAt);
  if (Buffer.byteLength(json) !== Number(size) || Number.isNaN(expiry)) throw unreadableValue("unreadable");
  return { version: Number(version), expiresAt: expiry, names, value: readValue(json) };
}

/** Reads a document's value. @throws StoreUnavailableError */
export function readValue(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw unreadableValue("unreadable", new SyntaxError(`not JSON (${kindOfFailure(error)})`));
  }
}

/** The parser's message repeats a part of the value. */
function kindOfFailure(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
