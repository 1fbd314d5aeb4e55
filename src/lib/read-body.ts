import { isUtf8 } from "node:buffer";
import type { IncomingMessage } from "node:http";
import { isObject } from "./predicates.ts";
import { parseStrictJson } from "./strict-json.ts";

/** Bytes of a body that are read; a form of orgate's own pages has a few hundred. */
export const MAX_BODY_LENGTH = 8_192;

/** Why no fields were read. */
type UnreadBody =
  | { readonly status: "too_large" }
  /** Of another type, malformed, or neither a form nor a JSON object. */
  | { readonly status: "invalid" }
  /** The client went away: there is nobody to answer. */
  | { readonly status: "aborted" };

/** The fields of a request's body, or why there are none. */
export type BodyReading =
  | { readonly status: "read"; readonly fields: ReadonlyMap<string, unknown> }
  | UnreadBody;

/** A body of one of the two types, before its text is parsed. */
export type RawBody =
  | { readonly status: "parsed"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly status: "text"; readonly type: string; readonly text: string }
  | UnreadBody;

const INVALID_BODY = { status: "invalid" } as const;
const APPLICATION_JSON = "application/json";
const TYPES: ReadonlySet<string> = new Set([APPLICATION_JSON, "application/x-www-form-urlencoded"]);

/**
 * Reads a form or a JSON object.
 *
 * Uses what a body parser left in `request.body`; without one, reads at most 8 KiB from the stream.
 */
export async function readBody(request: IncomingMessage): Promise<BodyReading> {
  const raw = await readRawBody(request, MAX_BODY_LENGTH);
  if (raw.status === "parsed") return toReading(raw.fields);
  if (raw.status !== "text") return raw;
  return raw.type === APPLICATION_JSON ? readJson(raw.text) : { status: "read", fields: readForm(raw.text) };
}

/** Takes what a body parser left, else reads at most `limit` bytes of a form or of JSON from the stream. */
export async function readRawBody(request: IncomingMessage, limit: number): Promise<RawBody> {
  const body = parsedBody(request);
  // A parser that does not know the type leaves an empty object, and the stream unread.
  if (isFields(body) && (Object.keys(body).length > 0 || request.readableEnded)) {
    return { status: "parsed", fields: body };
  }
  const type = mediaType(request);
  if (!TYPES.has(type)) return INVALID_BODY;
  const bytes = request.readableEnded ? unparsedBytes(body) : await readBytes(request, limit);
  if (!Buffer.isBuffer(bytes)) return { status: bytes };
  if (bytes.length > limit) return { status: "too_large" };
  return isUtf8(bytes) ? { status: "text", type, text: new TextDecoder().decode(bytes) } : INVALID_BODY;
}

/** A member of a body that a parser has read already; `undefined` without one. */
export function memberOfBody(request: IncomingMessage, name: string): unknown {
  const body = parsedBody(request);
  return isFields(body) && Object.hasOwn(body, name) ? body[name] : undefined;
}

function parsedBody(request: IncomingMessage & { readonly body?: unknown }): unknown {
  return request.body;
}

/** What a parser read and left unparsed: text, or bytes. */
function unparsedBytes(body: unknown): Buffer | "invalid" {
  if (typeof body === "string") return Buffer.from(body);
  return Buffer.isBuffer(body) ? body : "invalid";
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return isObject(value) && !Buffer.isBuffer(value);
}

function toReading(fields: Readonly<Record<string, unknown>>): BodyReading {
  return { status: "read", fields: new Map(Object.entries(fields)) };
}

function mediaType({ headers }: IncomingMessage): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function readBytes(
  request: IncomingMessage,
  limit: number,
): Promise<Buffer | "too_large" | "aborted" | "invalid"> {
  const { "content-encoding": encoding = "identity", "content-length": length = 0 } = request.headers;
  if (encoding.toLowerCase() !== "identity") return Promise.resolve("invalid");
  if (Number(length) > limit) return Promise.resolve("too_large");
  if (request.destroyed) return Promise.resolve("aborted");
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const finish = (result: Buffer | "too_large" | "aborted"): void => {
      request.off("data", take).off("end", end).off("error", abort).off("close", abort);
      resolve(result);
    };
    const take = (chunk: Buffer | string): void => {
      const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
      received += bytes.length;
      if (received > limit) finish("too_large");
      else chunks.push(bytes);
    };
    const end = (): void => finish(Buffer.concat(chunks));
    const abort = (): void => finish("aborted");
    request.on("data", take).on("end", end).on("error", abort).on("close", abort);
  });
}

function readJson(text: string): BodyReading {
  const parsed = parseStrictJson(text);
  return parsed.status === "parsed" && isFields(parsed.value) ? toReading(parsed.value) : INVALID_BODY;
}

/** Reads a form. A field that is there twice has all its values as a list, so it is not a string. */
export function readForm(text: string): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>();
  const form = new URLSearchParams(text);
  for (const name of form.keys()) {
    const values = form.getAll(name);
    fields.set(name, values.length === 1 ? values[0] : values);
  }
  return fields;
}
