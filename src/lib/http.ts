import { isUtf8 } from "node:buffer";
import type { IncomingMessage, ServerResponse } from "node:http";
import { TIMED_OUT, limitTime } from "./concurrency.ts";
import { parseStrictJson } from "./strict-json.ts";
import { isObject, isString } from "./values.ts";

/** Whether a browser navigates to a page, so that it follows a redirect: `GET`, HTML named in `Accept`, and no fetch. */
export function isNavigation(request: IncomingMessage): boolean {
  return request.method === "GET" && wantsPage(request);
}

/** Whether a person waits for a page: a browser navigates, or posts a form. */
export function wantsPage(request: IncomingMessage): boolean {
  const { method, headers } = request;
  const mode = headers["sec-fetch-mode"];
  const isPageLoad = (method === "GET" || method === "POST") && (mode === undefined || mode === "navigate");
  return isPageLoad && acceptsHtml(request);
}

/** Whether a browser loads a page that nobody asked for yet. `Purpose` and `X-Moz` are older names of `Sec-Purpose`. */
export function isPrefetch({ headers }: IncomingMessage): boolean {
  const purposes = [headers["sec-purpose"], headers["purpose"], headers["x-purpose"], headers["x-moz"]];
  return /\b(?:prefetch|prerender|preview)\b/i.test(purposes.join(" "));
}

/** Whether `Accept` names HTML; a wildcard does not. */
export function acceptsHtml(request: IncomingMessage): boolean {
  // Media types are case-insensitive (RFC 9110 section 8.3.1).
  return /\btext\/html\b/i.test(request.headers.accept ?? "");
}

/** Whether the client is a program: it accepts or sends JSON, and does not ask for HTML. */
export function isJsonClient(request: IncomingMessage): boolean {
  if (acceptsHtml(request)) return false;
  return isJsonType(request.headers.accept) || isJsonType(request.headers["content-type"]);
}

function isJsonType(header: string | undefined): boolean {
  return header !== undefined && /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(header);
}

/** The path and query the client asked for, also inside a mounted Express or Connect application. */
export function requestedUrl(request: IncomingMessage & { readonly originalUrl?: unknown }): string {
  const { originalUrl, url = "/" } = request;
  return isString(originalUrl) ? originalUrl : url;
}

/** The query of the requested URL. */
export function queryOf(request: IncomingMessage): URLSearchParams {
  const url = requestedUrl(request);
  const at = url.indexOf("?");
  return new URLSearchParams(at === -1 ? "" : url.slice(at + 1));
}

/** The path of the requested URL, without the query. */
export function pathOf(request: IncomingMessage): string {
  return requestedUrl(request).split("?", 1)[0] ?? "/";
}

/** Removes the slashes at the end, however many: in linear time, which `/\/+$/` is not. */
export function trimTrailingSlashes(text: string): string {
  let end = text.length;
  while (text[end - 1] === "/") end -= 1;
  return text.slice(0, end);
}

const MAX_PATH_LENGTH = 2_048;
const PATH_ABSOLUTE = /^\/(?![/\\])/;
const FORBIDDEN = /[\\\p{Cc}]/u;
const PLACEHOLDER_ORIGIN = "http://return-to.invalid";

/**
 * Turns a value from outside into a path on this origin; `/` if it is none.
 *
 * Parses the value as a browser does (WHATWG URL) and returns the *parsed* value, because `//evil.example`,
 * `/\evil.example` and `/.//evil.example` all leave the origin when a browser reads them.
 */
export function sanitizeReturnTo(value: unknown): string {
  if (!isString(value) || value.length > MAX_PATH_LENGTH) return "/";
  if (!PATH_ABSOLUTE.test(value) || FORBIDDEN.test(value)) return "/";
  if (!URL.canParse(value, PLACEHOLDER_ORIGIN)) return "/";
  const parsed = new URL(value, PLACEHOLDER_ORIGIN);
  if (parsed.origin !== PLACEHOLDER_ORIGIN) return "/";
  const path = `${parsed.pathname}${parsed.search}${parsed.hash}`;
  return PATH_ABSOLUTE.test(path) && path.length <= MAX_PATH_LENGTH ? path : "/";
}

/**
 * Turns what a store or the application names as a redirect target into a `Location`: a path on this origin, or an absolute
 * http(s) URL as the URL parser spells it.
 *
 * @returns `undefined` for everything else, such as `javascript:` URLs.
 */
export function toRedirectTarget(value: unknown): string | undefined {
  if (!isString(value)) return undefined;
  const path = sanitizeReturnTo(value);
  if (value === "/" || path !== "/") return path;
  return /^https?:\/\//i.test(value) && URL.canParse(value) ? new URL(value).href : undefined;
}

/** The `Cache-Control` directive that keeps caches from storing a response (RFC 9111 section 5.2.2.5). */
export const NO_STORE = "no-store";

/** Sends a JSON body. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  sendBody(response, status, "application/json", JSON.stringify(body));
}

/** Sends a problem (RFC 9457) that is serialized already. */
export function sendProblem(response: ServerResponse, status: number, json: string): void {
  sendBody(response, status, "application/problem+json", json);
}

/** Sends a body whose type browsers must not guess. */
export function sendBody(response: ServerResponse, status: number, type: string, body: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", type);
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.end(body);
}

/** Redirects the browser with a GET (303, RFC 9110 section 15.4.4). */
export function redirect(response: ServerResponse, location: string): void {
  response.statusCode = 303;
  response.setHeader("Location", location);
  response.setHeader("Content-Length", 0);
  response.end();
}

/** Parameters of a Bearer challenge. Values are constants and numbers, never parts of a request. */
export interface Challenge {
  readonly error?: "invalid_token" | "insufficient_scope" | "insufficient_user_authentication";
  /** RFC 9470: the oldest acceptable authentication, in seconds. */
  readonly maxAge?: number;
}

/** Formats the `WWW-Authenticate` value of one realm. */
export type Challenger = (challenge: Challenge) => string;

/**
 * Creates the {@link Challenger} of a realm (RFC 6750 section 3, RFC 9470 section 3). A request without a credential gets no
 * `error` (RFC 6750 section 3.1).
 */
export function createChallenger(realm: string): Challenger {
  const start = `Bearer realm=${quote(realm)}`;
  return ({ error, maxAge }) => {
    const named = error === undefined ? start : `${start}, error="${error}"`;
    return maxAge === undefined ? named : `${named}, max_age="${maxAge}"`;
  };
}

// RFC 9110 section 5.6.4: a bare quote would end the string and let what follows pass as parameters.
function quote(value: string): string {
  return `"${value.replaceAll(/[^\u0020-\u007e]/g, "").replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}

/** Bytes of a body that are read; a form of orgate's own pages has a few hundred. */
export const MAX_BODY_LENGTH = 8_192;

/** Seconds within which a whole body must have arrived. */
const BODY_TIME_LIMIT = 10;

/** Why no fields were read. */
type UnreadBody =
  | { readonly status: "too_large" }
  /** The body did not arrive within ten seconds. */
  | { readonly status: "timed_out" }
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
 * Uses what a body parser left in `request.body`; without one, reads at most 8 KiB within ten seconds from the stream.
 */
export async function readBody(request: IncomingMessage): Promise<BodyReading> {
  const raw = await readRawBody(request, MAX_BODY_LENGTH);
  if (raw.status === "parsed") return toReading(raw.fields);
  if (raw.status !== "text") return raw;
  return raw.type === APPLICATION_JSON ? readJson(raw.text) : { status: "read", fields: readForm(raw.text) };
}

/** Takes what a body parser left, else reads at most `limit` bytes of a form or of JSON from the stream, for ten seconds. */
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

/**
 * Makes the client close the connection if its body has not arrived whole: the rest must not be taken for the next request, and
 * a body that never comes must not keep the connection open. Call it before answering without the body.
 */
export function closeIfUnread(request: IncomingMessage, response: ServerResponse): void {
  // HTTP/2 ends the stream alone, and has no such header.
  if (!request.complete && request.httpVersionMajor < 2) response.setHeader("Connection", "close");
}

async function readBytes(request: IncomingMessage, limit: number): Promise<Buffer | UnreadBody["status"]> {
  const read = await limitTime(BODY_TIME_LIMIT, ({ signal }) => collectBytes(request, limit, signal));
  return read === TIMED_OUT ? "timed_out" : read;
}

function collectBytes(
  request: IncomingMessage,
  limit: number,
  signal: AbortSignal,
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
      signal.removeEventListener("abort", abort);
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
    signal.addEventListener("abort", abort, { once: true });
  });
}

function readJson(text: string): BodyReading {
  const parsed = parseStrictJson(text);
  return parsed.status === "parsed" && isFields(parsed.value) ? toReading(parsed.value) : INVALID_BODY;
}

/** Reads a form. A field that is there twice has all its values as a list, so it is not a string. */
export function readForm(text: string): ReadonlyMap<string, unknown> {
  const lists = new Map<string, string[]>();
  // One pass: `getAll` for each name would read the whole form again for every field.
  for (const [name, value] of new URLSearchParams(text)) {
    const values = lists.get(name);
    if (values === undefined) lists.set(name, [value]);
    else values.push(value);
  }
  const fields = new Map<string, unknown>();
  for (const [name, values] of lists) fields.set(name, values.length === 1 ? values[0] : values);
  return fields;
}
