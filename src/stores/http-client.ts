import { systemClock, type Clock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import { readJsonReply, type JsonReply } from "./json-reply.ts";
import { readRetryAfter } from "./retry-after.ts";

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
