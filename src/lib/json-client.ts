import type { Clock } from "./clock.ts";
import { TIMED_OUT, limitTime } from "./concurrency.ts";
import { trimTrailingSlashes } from "./http.ts";
import { isObject, isText } from "./values.ts";

/** How long one call may go on. */
export interface CallOptions {
  /** Ends the call early. Nothing is sent once it has aborted. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Seconds that a call goes on after its signal has aborted: for calls that spend a token, whose late reply is worth
   * having. @defaultValue 0
   */
  readonly abortGrace?: number | undefined;
}

/** A request to a service that speaks JSON. */
export interface JsonRequest extends CallOptions {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the client's base URL, with a leading slash and, where needed, a query. */
  readonly path: string;
  /** Sent as JSON; members that are `undefined` are left out. */
  readonly body?: JsonObject | undefined;
}

/** How a service is reached. */
export interface JsonClientOptions {
  /** https, or http on this machine; checked where the options are. A trailing slash makes no difference. */
  readonly baseUrl: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Replaces the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** Seconds that one call may take, including its body. */
  readonly timeout: number;
  /** Larger bodies are refused while they are read. @defaultValue 1 MiB */
  readonly maxBodyBytes?: number;
  /** For dates in `Retry-After`. */
  readonly clock: Clock;
}

/** The reply to a request: an answer of the service, good or bad; or none, which says nothing about anybody's session. */
export type JsonReply = AnsweredReply | UnavailableReply;

/** An answer of the service. */
export interface AnsweredReply {
  readonly status: "answered";
  /** 2xx, or a 4xx that is about the request: never 408 or 429. */
  readonly httpStatus: number;
  readonly body: JsonObject;
}

/** Why there is no answer. */
export interface UnavailableReply {
  readonly status: "unavailable";
  /** `unreachable`, `timeout`, `rate_limited`, `server_error`, `redirected`, `not_json`, `too_large`, ... */
  readonly reason: string;
  /** Absent where no response came. */
  readonly httpStatus?: number;
  /** The body of a refusal for overload, where there was one. */
  readonly body?: JsonObject;
  /** Seconds to wait, where the service said so. */
  readonly retryAfter?: number;
  /** The original error, for reports only: it may hold the address. */
  readonly cause?: unknown;
}

/** A client for one service. It never follows redirects, never retries, and never rejects. */
export interface JsonClient {
  send(request: JsonRequest): Promise<JsonReply>;
}

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

/** Makes a client whose calls end within their timeout, whatever the service does. */
export function createJsonClient(options: JsonClientOptions): JsonClient {
  return {
    async send(request) {
      const { signal, abortGrace } = request;
      const reply = await limitTime(options.timeout, (limit) => sendOnce(options, request, limit.signal), {
        signal,
        grace: abortGrace,
      });
      return reply === TIMED_OUT ? { status: "unavailable", reason: "timeout" } : reply;
    },
  };
}

async function sendOnce(
  {
    baseUrl,
    headers,
    fetch: request = fetch,
    maxBodyBytes = DEFAULT_MAX_BODY_BYTES,
    clock,
  }: JsonClientOptions,
  { method, path, body }: JsonRequest,
  signal: AbortSignal,
): Promise<JsonReply> {
  const bodyHeaders = body === undefined ? {} : { "content-type": "application/json" };
  let response: Response;
  try {
    response = await request(trimTrailingSlashes(baseUrl) + path, {
      method,
      headers: { accept: "application/json", ...bodyHeaders, ...headers },
      // A secret in a header or body goes to the configured address only.
      redirect: "manual",
      signal,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch (cause) {
    const ours = [...Object.values(headers ?? {}), ...Object.values(body ?? {})].filter(isText);
    const reason = signal.aborted ? "timeout" : "unreachable";
    return { status: "unavailable", reason, cause: safeError(cause, ours) };
  }
  const retryAfter = readRetryAfter(response.headers.get("retry-after"), clock);
  const reply = await readJsonReply(response, maxBodyBytes);
  return reply.status === "answered" || retryAfter === undefined ? reply : { ...reply, retryAfter };
}

const MAX_MESSAGE_LENGTH = 300;

/**
 * Copies what a client threw: the name, the code and the message of the innermost error, without the values that were sent.
 * A client's own error may hold the whole request.
 */
export function safeError(thrown: unknown, ours: readonly string[] = []): Error {
  try {
    let innermost = thrown;
    for (let depth = 0; depth < 5 && isObject(innermost) && isObject(innermost["cause"]); depth++) {
      innermost = innermost["cause"];
    }
    const { name, code, message } = isObject(innermost) ? innermost : {};
    const text = isText(message) ? message : "The request failed.";
    // A header value may stand behind a scheme: "Bearer sk_...".
    const secrets = ours.flatMap((value) => [value, ...value.split(" ")]).filter(({ length }) => length >= 6);
    const cleaned = secrets.reduce((rest, secret) => rest.replaceAll(secret, "[removed]"), text);
    const copy = new Error(cleaned.slice(0, MAX_MESSAGE_LENGTH));
    if (isText(name)) copy.name = name;
    return isText(code) ? Object.assign(copy, { code }) : copy;
  } catch (unreadable) {
    return new Error(`The request failed with a value that cannot be read (${typeof unreadable}).`);
  }
}

const JSON_MEDIA_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;

/** Reads a response. Only a JSON object is an answer: HTML with status 200, 401 or 404 comes from a proxy. */
async function readJsonReply(response: Response, maxBytes: number): Promise<JsonReply> {
  const { status: httpStatus } = response;
  const body = await readTypedBody(response, maxBytes);
  const overload = reasonOfStatus(httpStatus);
  if (body.status === "unusable") {
    const { reason, cause } = body;
    return {
      status: "unavailable",
      reason: overload ?? reason,
      httpStatus,
      ...(cause !== undefined && { cause }),
    };
  }
  if (overload !== undefined)
    return { status: "unavailable", reason: overload, httpStatus, body: body.object };
  return { status: "answered", httpStatus, body: body.object };
}

/** Why a status alone is no answer. */
function reasonOfStatus(status: number): string | undefined {
  if (status === 408) return "upstream_timeout";
  if (status === 429) return "rate_limited";
  if (status >= 500) return "server_error";
  if (status >= 300 && status < 400) return "redirected";
  return status >= 200 ? undefined : "unexpected_status";
}

type TypedBody =
  | { readonly status: "object"; readonly object: JsonObject }
  | { readonly status: "unusable"; readonly reason: string; readonly cause?: unknown };

async function readTypedBody(response: Response, maxBytes: number): Promise<TypedBody> {
  const type = response.headers.get("content-type");
  const isJson = type !== null && JSON_MEDIA_TYPE.test(type);
  if (type !== null && !isJson && response.headers.get("content-length") !== "0") {
    discardBody(response);
    return { status: "unusable", reason: "not_json" };
  }
  const body = await readJsonBody(response, maxBytes);
  // A successful operation may send no body at all.
  if (body.status === "empty") {
    return response.ok ? { status: "object", object: {} } : { status: "unusable", reason: "malformed" };
  }
  const isUntyped = !isJson && (body.status === "object" || body.reason === "malformed");
  return isUntyped ? { status: "unusable", reason: "not_json" } : body;
}

const MAX_RETRY_AFTER = 3600;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Reads `Retry-After` (RFC 9110 section 10.2.3) as seconds from now, at most an hour.
 *
 * @returns `undefined` where it is absent or cannot be understood.
 */
function readRetryAfter(value: string | null, clock: Clock): number | undefined {
  const text = value?.trim() ?? "";
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), MAX_RETRY_AFTER);
  if (!HTTP_DATE.test(text)) return undefined;
  const seconds = Date.parse(text) / 1000 - clock();
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), MAX_RETRY_AFTER);
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** Whether nobody on the way can read what travels to a URL: https, or this machine. */
export function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

/** An object as it was received. Look up its members by constant names only. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What the body of a response holds: a JSON object, nothing at all, or something that cannot be used. */
export type JsonBody =
  | { readonly status: "object"; readonly object: JsonObject }
  | { readonly status: "empty" }
  | { readonly status: "unusable"; readonly reason: UnusableBody; readonly cause?: unknown };

/** `malformed`: not one JSON object in UTF-8. */
export type UnusableBody = "too_large" | "broken_off" | "malformed";

/** Reads the body of a response as a JSON object of at most `maxBytes` bytes. Never rejects. */
export async function readJsonBody(response: Response, maxBytes: number): Promise<JsonBody> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (length > maxBytes) return { status: "unusable", reason: "too_large" };
      chunks.push(chunk);
    }
  } catch (cause) {
    return { status: "unusable", reason: "broken_off", cause };
  }
  return length === 0 ? { status: "empty" } : parseObject(Buffer.concat(chunks));
}

function parseObject(bytes: Uint8Array): JsonBody {
  try {
    const object: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(object) ? { status: "object", object } : { status: "unusable", reason: "malformed" };
  } catch (error) {
    // The parser's message quotes the text, which may hold a token.
    const name = error instanceof Error ? error.name : "error";
    return { status: "unusable", reason: "malformed", cause: new Error(`The body is not JSON (${name}).`) };
  }
}

/** Discards the rest of a body, so that its connection can be used again. */
export function discardBody(response: Response): void {
  // The body was not wanted: how its transfer ends does not matter.
  response.body?.cancel().then(undefined, () => undefined);
}
