import type { IncomingMessage } from "node:http";
import { OrgateError } from "../../errors.ts";
import { readForm, readRawBody } from "../../lib/http.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { isObject } from "../../lib/values.ts";
import { invalidRequest } from "../check-input.ts";

const MAX_WIRE_BODY_LENGTH = 65_536;
const JSON_LIMITS = { depth: 12, keys: 1024 };

/** The members of a body or a query. A getter throws `invalid_request` for a value of another type. */
export class Fields {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(values: Iterable<readonly [string, unknown]> = []) {
    this.#values = new Map(values);
  }

  /** The value as it was sent. */
  get(name: string): unknown {
    return this.#values.get(name);
  }

  entries(): [name: string, value: unknown][] {
    return [...this.#values];
  }

  text(name: string): string {
    const value = this.optionalText(name);
    if (value === undefined) throw invalidRequest(`${name} is required.`);
    return value;
  }

  /** A string; `undefined` if it is absent, `null` or empty. */
  optionalText(name: string): string | undefined {
    const value = this.get(name) ?? "";
    if (typeof value !== "string") throw invalidRequest(`${name} must be a string.`);
    return value === "" ? undefined : value;
  }

  /** An object; `undefined` if it is absent or `null`. */
  optionalObject(name: string): Fields | undefined {
    const value = this.get(name) ?? undefined;
    if (value === undefined) return undefined;
    if (!isObject(value)) throw invalidRequest(`${name} must be an object.`);
    return new Fields(Object.entries(value));
  }
}

/** Reads the fields of a query. A field that is there twice is a list. */
export function readQuery(query: string): Fields {
  return new Fields(readForm(query));
}

/**
 * Reads the body of a request: a form or a JSON object, at most 64 KiB within ten seconds. A body that a parser has read is taken as it is.
 *
 * JSON that two parsers may read differently (duplicate keys, `__proto__`) is refused. A form's field that is there twice
 * is a list, which no text field accepts.
 */
export async function readWireBody(request: IncomingMessage): Promise<Fields> {
  if (hasNoBody(request)) return new Fields();
  const raw = await readRawBody(request, MAX_WIRE_BODY_LENGTH);
  switch (raw.status) {
    case "parsed":
      return new Fields(Object.entries(raw.fields));
    case "text":
      return raw.type === "application/json" ? readJson(raw.text) : new Fields(readForm(raw.text));
    case "too_large":
      throw new OrgateError("payload_too_large");
    case "timed_out":
      throw new OrgateError("request_timeout");
    default:
      throw invalidRequest("The request body must be a JSON object or a form.");
  }
}

function hasNoBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] === undefined && (length === undefined || length === "0");
}

function readJson(text: string): Fields {
  const parsed = parseStrictJson(text, JSON_LIMITS);
  if (parsed.status === "parsed" && isObject(parsed.value)) return new Fields(Object.entries(parsed.value));
  throw invalidRequest("The request body must be one JSON object without duplicate keys.");
}
