import type { IncomingMessage } from "node:http";

/** Bytes of a body that are read; a form of ours has a few hundred. */
export const MAX_BODY_LENGTH = 8_192;

/** What a request's body holds. */
export type BodyReading =
  | { readonly status: "read"; readonly fields: ReadonlyMap<string, unknown> }
  | { readonly status: "too_large" }
  /** Of another type, malformed, or no form and no JSON object. */
  | { readonly status: "invalid" }
  /** The client went away: there is nobody to answer. */
  | { readonly status: "aborted" };

const INVALID = { status: "invalid" } as const;
const JSON_TYPE = "application/json";
const TYPES: ReadonlySet<string> = new Set([JSON_TYPE, "application/x-www-form-urlencoded"]);

/**
 * Reads a form or a JSON object. What a body parser left in `request.body` is respected; without one at most 8 KiB are
 * read from the stream.
 */
export async function readBody(request: IncomingMessage): Promise<BodyReading> {
  const raw = await readRawBody(request, MAX_BODY_LENGTH);
  if (raw.status === "parsed") return toReading(raw.fields);
  if (raw.status !== "text") return raw;
  return raw.type === JSON_TYPE ? readJson(raw.text) : { status: "read", fields: readForm(raw.text) };
}

/** A body of one of the two types, before anything is made of it. */
export type RawBody =
  | { readonly status: "parsed"; readonly fields: Readonly<Record<string, unknown>> }
  | { readonly status: "text"; readonly type: string; readonly text: string }
  | Exclude<BodyReading, { status: "read" }>;

/** Takes what a body parser left, or else reads at most `limit` bytes of a form or of JSON from the stream. */
export async function readRawBody(request: IncomingMessage, limit: number): Promise<RawBody> {
  const parsed = parsedBody(request);
  // A parser that did not know the type leaves an empty object, and the stream unread.
  if (isFields(parsed) && (Object.keys(parsed).length > 0 || request.readableEnded)) {
    return { status: "parsed", fields: parsed };
  }
  const type = mediaType(request);
  if (!TYPES.has(type)) return INVALID;
  const bytes = request.readableEnded ? unparsedBytes(parsed, limit) : await takeBytes(request, limit);
  if (!Buffer.isBuffer(bytes)) return { status: bytes };
  const text = decode(bytes);
  return text === undefined ? INVALID : { status: "text", type, text };
}

/** What a parser read and left as it was: text, or bytes. */
function unparsedBytes(body: unknown, limit: number): Buffer | "too_large" | "invalid" {
  const bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (!Buffer.isBuffer(bytes)) return "invalid";
  return bytes.length > limit ? "too_large" : bytes;
}

async function takeBytes(
  request: IncomingMessage,
  limit: number,
): Promise<Buffer | "too_large" | "aborted" | "invalid"> {
  return isPlain(request) ? readBytes(request, limit) : "invalid";
}

/** A member of a body that a parser has read already; `undefined` without one. */
export function memberOfBody(request: IncomingMessage, name: string): unknown {
  const parsed = parsedBody(request);
  return isFields(parsed) && Object.hasOwn(parsed, name) ? parsed[name] : undefined;
}

function parsedBody(request: IncomingMessage): unknown {
  return (request as { body?: unknown }).body;
}

function isFields(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !Buffer.isBuffer(value);
}

function toReading(fields: Record<string, unknown>): BodyReading {
  return { status: "read", fields: new Map(Object.entries(fields)) };
}

function mediaType({ headers }: IncomingMessage): string {
  return (headers["content-type"] ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function isPlain({ headers }: IncomingMessage): boolean {
  const encoding = headers["content-encoding"];
  return encoding === undefined || encoding.toLowerCase() === "identity";
}

function readBytes(request: IncomingMessage, limit: number): Promise<Buffer | "too_large" | "aborted"> {
  if (Number(request.headers["content-length"] ?? 0) > limit) return Promise.resolve("too_large");
  if (request.destroyed) return Promise.resolve("aborted");
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let length = 0;
    const finish = (result: Buffer | "too_large" | "aborted"): void => {
      request.off("data", take).off("end", end).off("error", abort).off("close", abort);
      resolve(result);
    };
    const take = (chunk: Buffer | string): void => {
      const bytes = Buffer.from(chunk as string);
      length += bytes.length;
      if (length > limit) finish("too_large");
      else chunks.push(bytes);
    };
    const end = (): void => finish(Buffer.concat(chunks));
    const abort = (): void => finish("aborted");
    request.on("data", take).on("end", end).on("error", abort).on("close", abort);
  });
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function readJson(text: string): BodyReading {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? toReading(value) : INVALID;
  } catch {
    return INVALID;
  }
}

/** Reads a form. A field that is there twice has all its values, and so is no string. */
export function readForm(text: string): ReadonlyMap<string, unknown> {
  const fields = new Map<string, unknown>();
  const form = new URLSearchParams(text);
  for (const name of form.keys()) {
    const values = form.getAll(name);
    fields.set(name, values.length === 1 ? values[0] : values);
  }
  return fields;
}
