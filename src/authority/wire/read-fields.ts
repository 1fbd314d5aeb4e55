import type { IncomingMessage } from "node:http";
import { OrgateError } from "../../errors.ts";
import { readForm, readRawBody } from "../../lib/read-body.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { invalidRequest } from "../check-input.ts";
import type { WireAnswer } from "./router.ts";

/** The members of a body or of a query, by name. Nothing is known of their values. */
export type Fields = ReadonlyMap<string, unknown>;

/** Bytes of a body that are read. */
export const MAX_BODY = 65_536;

const LIMITS = { depth: 12, keys: 1024 };

/**
 * Reads the body of a request: a form or a JSON object. One that a body parser read before is taken as it is.
 *
 * JSON that two parsers may read differently (duplicate keys, `__proto__`) is refused; a form's field that is there twice
 * is a list, and so is refused by whoever asks for text.
 */
export async function readFields(request: IncomingMessage): Promise<Fields> {
  if (hasNoBody(request)) return new Map();
  const raw = await readRawBody(request, MAX_BODY);
  switch (raw.status) {
    case "parsed":
      return new Map(Object.entries(raw.fields));
    case "text":
      return raw.type === "application/json" ? readJson(raw.text) : readForm(raw.text);
    case "too_large":
      throw new OrgateError("payload_too_large");
    default:
      throw invalidRequest("The request body must be a JSON object or a form.");
  }
}

/** A text that must be there. */
export function readText(fields: Fields, name: string): string {
  const value = readOptionalText(fields, name);
  if (value === undefined) throw invalidRequest(`${name} is required.`);
  return value;
}

/** A text, or nothing: absent, `null` and empty are the same. */
export function readOptionalText(fields: Fields, name: string): string | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value === "string") return value;
  throw invalidRequest(`${name} must be a string.`);
}

/** An object, or nothing. */
export function readOptionalObject(fields: Fields, name: string): Fields | undefined {
  const value = fields.get(name);
  if (value === undefined || value === null) return undefined;
  if (typeof value === "object" && !Array.isArray(value)) return new Map(Object.entries(value));
  throw invalidRequest(`${name} must be an object.`);
}

/** The fields of a query. What is there twice is a list. */
export function fieldsOfQuery(query: URLSearchParams): Fields {
  return readForm(query.toString());
}

function hasNoBody({ headers }: IncomingMessage): boolean {
  const length = headers["content-length"];
  return headers["transfer-encoding"] === undefined && (length === undefined || length === "0");
}

function readJson(text: string): Fields {
  const parsed = parseStrictJson(text, LIMITS);
  const value = parsed.status === "parsed" ? parsed.value : undefined;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalidRequest("The request body must be one JSON object without duplicate keys.");
  }
  return new Map(Object.entries(value));
}

const BRAND = Symbol.for("orgate.wire-refusal");

/** A refusal in a protocol's own words, thrown to end the operation. */
export class WireRefusal extends Error {
  override readonly name: string = "WireRefusal";
  readonly answer: WireAnswer;

  constructor(answer: WireAnswer) {
    super(`Refused with status ${answer.status}`);
    this.answer = answer;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** Whether a thrown value is a refusal of a protocol. */
export function isWireRefusal(value: unknown): value is WireRefusal {
  return typeof value === "object" && value !== null && Reflect.get(value, BRAND) === true;
}
