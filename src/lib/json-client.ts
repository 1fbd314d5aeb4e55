import { type ConfigurationProblem, StoreUnavailableError } from "../errors.ts";
import { type Clock, systemClock } from "./clock.ts";

/** A request to a service that speaks JSON. */
export interface JsonRequest {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below the client's base URL, with a leading slash and, where needed, a query. */
  readonly path: string;
  /** Beside the client's own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; members that are `undefined` are left out. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** Nothing is sent once it has aborted. */
  readonly signal?: AbortSignal;
  /**
   * Seconds for which a call goes on after its signal has aborted: for calls that spend something, whose late reply is
   * worth having. @defaultValue 0
   */
  readonly linger?: number;
}

/** How a service is reached. */
export interface JsonClientOptions {
  /** https, or http on this machine; checked where the options are. A trailing slash makes no difference. */
  readonly baseUrl: string;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Fetches in place of the global one. */
  readonly fetch?: typeof fetch;
  /** Seconds that one call may take, its body included. @defaultValue 5 */
  readonly budget?: number;
  /** Bodies larger than this are refused while they are read. @defaultValue 1 MiB */
  readonly maxBodyBytes?: number;
  /** For dates in `Retry-After`. @defaultValue the machine's */
  readonly clock?: Clock;
}

/** A client for one service. It never follows redirects, never retries, and never rejects. */
export interface JsonClient {
  /** Seconds that one call may take. */
  readonly budget: number;
  send(request: JsonRequest): Promise<JsonReply>;
}

const DEFAULT_BUDGET = 5;
const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

/** Makes a client whose calls end within their budget, whatever the service does. */
export function createJsonClient(options: JsonClientOptions): JsonClient {
  const { budget = DEFAULT_BUDGET } = options;
  return { budget, send: (request) => send(options, budget, request) };
}

/** Trouble as the error that a session store throws for it. It repeats nothing of what was received. */
export function unavailableError(
  { reason, httpStatus, retryAfter }: Extract<JsonReply, { status: "unavailable" }>,
  requestId?: string,
): StoreUnavailableError {
  const message = `The service could not answer (${reason}${httpStatus === undefined ? "" : `, status ${httpStatus}`}).`;
  return new StoreUnavailableError({
    reason,
    message,
    retryAfter,
    ...(requestId !== undefined && { requestId }),
  });
}

async function send(options: JsonClientOptions, budget: number, request: JsonRequest): Promise<JsonReply> {
  const { signal: outer, linger = 0 } = request;
  if (outer?.aborted === true) return { status: "unavailable", reason: "timeout" };
  const aborting = new AbortController();
  const timers: NodeJS.Timeout[] = [];
  const abortIn = (seconds: number): void => {
    timers.push(setTimeout(() => aborting.abort(), seconds * 1000));
  };
  const onAbort = (): void => (linger > 0 ? abortIn(linger) : aborting.abort());
  abortIn(budget + linger);
  outer?.addEventListener("abort", onAbort, { once: true });
  try {
    // A fetch that ignores its signal is not waited for either.
    return await Promise.race([exchange(options, request, aborting.signal), whenAborted(aborting.signal)]);
  } finally {
    for (const timer of timers) clearTimeout(timer);
    outer?.removeEventListener("abort", onAbort);
  }
}

function whenAborted(signal: AbortSignal): Promise<JsonReply> {
  return new Promise((resolve) => {
    const timeout: JsonReply = { status: "unavailable", reason: "timeout" };
    signal.addEventListener("abort", () => resolve(timeout), { once: true });
  });
}

async function exchange(
  { baseUrl, headers, fetch: request, maxBodyBytes, clock }: JsonClientOptions,
  { method, path, headers: ownHeaders, body }: JsonRequest,
  signal: AbortSignal,
): Promise<JsonReply> {
  const sent = body === undefined ? {} : { "content-type": "application/json" };
  let response: Response;
  try {
    response = await (request ?? fetch)(baseUrl.replace(/\/+$/, "") + path, {
      method,
      headers: { accept: "application/json", ...sent, ...headers, ...ownHeaders },
      // A secret in a header or body goes to the address that was configured, and to no other.
      redirect: "manual",
      signal,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch {
    // The error's own message may hold the address, and its cause anything.
    return { status: "unavailable", reason: signal.aborted ? "timeout" : "unreachable" };
  }
  const retryAfter = readRetryAfter(response.headers.get("retry-after"), clock ?? systemClock);
  const reply = await readJsonReply(response, maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES);
  if (reply.status === "answered" || retryAfter === undefined) return reply;
  return { ...reply, retryAfter };
}

/** An object as it was received. Look up its members by names of your own alone. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What came of a request: the service's word, good or bad; or trouble, which says nothing about anybody. */
export type JsonReply =
  | {
      readonly status: "answered";
      /** 2xx, or a 4xx that is about the request: never 408 or 429. */
      readonly httpStatus: number;
      readonly body: JsonObject;
    }
  | {
      readonly status: "unavailable";
      /** `unreachable`, `timeout`, `rate_limited`, `server_error`, `redirected`, `not_json`, `too_large`, ... */
      readonly reason: string;
      /** Absent where no response came. */
      readonly httpStatus?: number;
      /** Where there was one: a refusal for overload may say more. */
      readonly body?: JsonObject;
      /** Seconds to wait, where the service said so. */
      readonly retryAfter?: number;
    };

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const REQUEST_TIMEOUT = 408;
const TOO_MANY_REQUESTS = 429;

/**
 * Reads a response as the service's word, or as trouble.
 *
 * Only JSON objects are anybody's word: HTML with status 200, 401 or 404 comes from something on the way, and says nothing.
 */
export async function readJsonReply(response: Response, maxBytes: number): Promise<JsonReply> {
  const { status: httpStatus } = response;
  const body = await readBody(response, maxBytes);
  const trouble = troubleOf(httpStatus);
  if (typeof body === "string") return { status: "unavailable", reason: trouble ?? body, httpStatus };
  if (trouble !== undefined) return { status: "unavailable", reason: trouble, httpStatus, body };
  return { status: "answered", httpStatus, body };
}

/** Why a status alone is no answer. */
function troubleOf(status: number): string | undefined {
  if (status === REQUEST_TIMEOUT) return "upstream_timeout";
  if (status === TOO_MANY_REQUESTS) return "rate_limited";
  if (status >= 500) return "server_error";
  if (status >= 300 && status < 400) return "redirected";
  return status >= 200 ? undefined : "unexpected_status";
}

/** The object in the body, or why there is none. */
async function readBody(response: Response, maxBytes: number): Promise<JsonObject | string> {
  const type = response.headers.get("content-type");
  const isJson = type !== null && JSON_TYPE.test(type);
  if (type !== null && !isJson && response.headers.get("content-length") !== "0") {
    void response.body?.cancel().catch(() => undefined);
    return "not_json";
  }
  const bytes = await readBytes(response, maxBytes);
  if (typeof bytes === "string") return bytes;
  // An operation that has nothing to say may say nothing.
  if (bytes.length === 0) return response.ok ? {} : "malformed";
  return isJson ? (parseObject(bytes) ?? "malformed") : "not_json";
}

async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array | string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (length > maxBytes) return "too_large";
      chunks.push(chunk);
    }
  } catch {
    return "broken_off";
  }
  return Buffer.concat(chunks);
}

function parseObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    // The parser's own message repeats the text.
    return undefined;
  }
}

/** Longer than this is not believed. */
const LONGEST = 3600;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Reads `Retry-After` (RFC 9110 section 10.2.3) as seconds from now, at most an hour.
 *
 * @returns `undefined` where there is none, or nothing that can be understood.
 */
export function readRetryAfter(value: string | null, clock: Clock): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), LONGEST);
  if (!HTTP_DATE.test(text)) return undefined;
  const seconds = Date.parse(text) / 1000 - clock();
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), LONGEST);
}

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Says what is wrong with the address of a service, as an option named `option`.
 *
 * It must be absolute, https or on this machine, without a user name, a query or a fragment. Nothing of it is quoted.
 */
export function findEndpointProblem(option: string, address: unknown): ConfigurationProblem | undefined {
  if (typeof address !== "string" || !URL.canParse(address)) {
    return invalid(option, "is not an absolute URL.", 'Pass one like "https://api.example.com".');
  }
  const url = new URL(address);
  if (!isConfidential(url)) {
    return invalid(option, "is neither https nor on this machine.", "Secrets travel over it: use https.");
  }
  const { username, password, search, hash } = url;
  return username + password + search + hash === ""
    ? undefined
    : invalid(option, "holds more than an origin and a path.", "Leave out user name, query and fragment.");
}

/** Whether what travels to a URL is read by nobody on the way: https, or this very machine. */
export function isConfidential({ protocol, hostname }: URL): boolean {
  return protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}
