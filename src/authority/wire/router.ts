import { NO_STORE } from "../../lib/http.ts";
import type { IncomingMessage, ServerResponse } from "node:http";
import { type ErrorCode, OrgateError, type StoreUnavailableError, isOrgateError } from "../../errors.ts";
import { closeIfUnread } from "../../lib/http.ts";
import { isObject } from "../../lib/values.ts";
import { Fields, readQuery, readWireBody } from "./read-fields.ts";

/** One request of a wire protocol. */
export interface WireCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The variable segments of the path, decoded, in order. */
  readonly segments: readonly string[];
  readonly query: Fields;
  /** The body of a POST; empty for a GET. */
  readonly fields: Fields;
}

/** Carries out one operation with what the protocol's operations work with. */
export type WireHandler<Service, Result> = (service: Service, call: WireCall) => Promise<Result>;

/** What differs between routes beside method, path and handler. */
export interface RouteOptions<Service> {
  /** `Cache-Control` of an answer of status 200; the route then answers HEAD too. @defaultValue `no-store` */
  readonly cacheControl?: string;
  /** Tells whether the request is for this route; if not, the path is the application's own. @defaultValue `true` */
  readonly isFor?: (service: Service, request: IncomingMessage) => boolean;
  /** Throws if the client may not ask. Called before the body is read. @defaultValue everybody may */
  readonly authorize?: (service: Service, request: IncomingMessage) => void;
}

/** One operation of a protocol. */
export interface WireRoute<Service, Result> extends RouteOptions<Service> {
  readonly method: "GET" | "POST";
  /** With `:` in place of a variable segment. */
  readonly path: string;
  readonly handle: WireHandler<Service, Result>;
}

/** A protocol: its operations, what they work with, and how their results are worded. */
export interface WireProtocol<Service, Result> {
  readonly routes: readonly WireRoute<Service, Result>[];
  readonly service: Service;
  /** Makes the id of a request, which every answer carries as `X-Request-ID`. */
  readonly makeRequestId: () => string;
  /** Turns a result into an answer; `undefined` if the handler has taken over the response. */
  readonly toAnswer: (result: Result, requestId: string) => WireAnswer | undefined;
  /** Words any thrown value. Never throws. */
  readonly refuse: (error: unknown, requestId: string) => WireAnswer;
}

/** Middleware for Express, Connect and `node:http`. Paths that it does not serve go to `next()`. */
export type WireMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** Makes the middleware of a protocol. It reads the body itself unless a parser has. */
export function createWireRouter<Service, Result>(protocol: WireProtocol<Service, Result>): WireMiddleware {
  const { service, makeRequestId, toAnswer, refuse } = protocol;
  const routes = protocol.routes.map((route) => ({ route, pattern: compilePath(route.path) }));

  const handle = async (match: Match<Service, Result>, call: Call): Promise<Result> => {
    const { route, segments } = match;
    route.authorize?.(service, call.request);
    const fields = route.method === "POST" ? await readWireBody(call.request) : new Fields();
    return route.handle(service, { ...call, segments, fields });
  };

  const respond = async (matches: readonly Match<Service, Result>[], call: Call): Promise<void> => {
    const { request, response } = call;
    const requestId = makeRequestId();
    response.setHeader("X-Request-ID", requestId);
    const match = matches.find(({ route }) => acceptsMethod(route, request.method));
    const handling = match === undefined ? Promise.reject(methodNotAllowed(matches)) : handle(match, call);
    const answered = await handling.then(
      (result) => toAnswer(result, requestId),
      (error: unknown) => refuse(error, requestId),
    );
    if (answered === undefined || response.headersSent) return;
    const cacheControl = answered.status === 200 ? match?.route.cacheControl : undefined;
    response.setHeader("Cache-Control", cacheControl ?? NO_STORE);
    send(request, response, answered);
  };

  return (request, response, next) => {
    const { path, query } = splitTarget(request.url ?? "");
    const matches = routes.flatMap(({ route, pattern }) => {
      const segments = matchPath(pattern, path);
      return segments === undefined || route.isFor?.(service, request) === false ? [] : [{ route, segments }];
    });
    if (matches.length > 0) {
      respond(matches, { request, response, query: readQuery(query) }).catch((error: unknown) => {
        // The answer cannot be written: only the connection can tell.
        response.destroy(error instanceof Error ? error : undefined);
      });
    } else if (next !== undefined) next();
    else {
      const headers = { "X-Request-ID": makeRequestId() };
      send(request, response, { status: 404, body: { message: "Not Found" }, headers });
    }
  };
}

type Call = Omit<WireCall, "segments" | "fields">;

/** A route whose path is the request's. */
interface Match<Service, Result> {
  readonly route: WireRoute<Service, Result>;
  readonly segments: readonly string[];
}

/** Describes a route that is read. */
export const get = describeRoute("GET");
/** Describes a route that takes a body. */
export const post = describeRoute("POST");

function describeRoute(method: "GET" | "POST") {
  return <Service, Result>(
    path: string,
    handle: WireHandler<Service, Result>,
    options?: RouteOptions<Service>,
  ): WireRoute<Service, Result> => ({ ...options, method, path, handle });
}

function acceptsMethod<Service, Result>(
  { method, cacheControl }: WireRoute<Service, Result>,
  given: string | undefined,
): boolean {
  return given === method || (given === "HEAD" && cacheControl !== undefined);
}

function methodNotAllowed<Service, Result>(matches: readonly Match<Service, Result>[]): OrgateError {
  const methods = new Set(matches.map(({ route }) => route.method));
  return new OrgateError("method_not_allowed", { headers: { Allow: [...methods].join(", ") } });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body, headers = {} }: WireAnswer,
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (request.method === "POST") closeIfUnread(request, response);
  if (body === undefined) {
    response.setHeader("Content-Length", 0);
    response.end();
    return;
  }
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.end(JSON.stringify(body));
}

/** Splits a request target into its path, still encoded, and its query. An absolute URL has a path that no route has. */
export function splitTarget(target: string): { readonly path: string; readonly query: string } {
  const [path = ""] = target.split("?", 1);
  return { path, query: target.slice(path.length + 1) };
}

/** Turns the path of a route into a pattern. */
export function compilePath(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(":", "([^/]+)")}$`);
}

/** Matches a path exactly, case and slashes included. Returns its variable segments, decoded; `undefined` if it differs. */
export function matchPath(pattern: RegExp, path: string): readonly string[] | undefined {
  const segments = pattern.exec(path)?.slice(1).map(decodeSegment);
  return segments?.includes("") === true ? undefined : segments;
}

/** Decodes a segment. A malformed one becomes the empty string, which names nothing. */
function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return "";
  }
}

/** Reads the credentials of `Authorization: Basic` (RFC 7617); `undefined` if there are none, or several headers. */
export function readBasic(request: IncomingMessage): { user: string; password: string } | undefined {
  const encoded = readScheme(request, "basic");
  if (encoded === undefined || !/^[\w+/-]+={0,2}$/.test(encoded)) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? undefined : { user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** Reads the token of `Authorization: Bearer` (RFC 6750 section 2.1). */
export function readBearer(request: IncomingMessage): string | undefined {
  return readScheme(request, "bearer");
}

function readScheme({ rawHeaders }: IncomingMessage, scheme: string): string | undefined {
  // `headers` keeps only the first of several: a proxy may have read another one.
  const [header = "", ...others] = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "authorization",
  );
  const space = header.indexOf(" ");
  if (others.length > 0 || space < 0 || header.slice(0, space).toLowerCase() !== scheme) return undefined;
  return header.slice(space + 1).trim();
}

/** An answer to a wire request. */
export interface WireAnswer {
  readonly status: number;
  /** Sent as JSON; nothing is sent if it is `undefined`. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The error that an answer of status 500 or above stands for. It is not sent. */
  readonly cause?: unknown;
}

/** A refusal in the words of a protocol, thrown to end an operation. */
export class WireRefusal extends Error {
  override readonly name: string = "WireRefusal";
  readonly #answer: WireAnswer;

  constructor(answer: WireAnswer) {
    super(`Refused with status ${answer.status}`);
    this.#answer = answer;
  }

  get answer(): WireAnswer {
    return this.#answer;
  }

  /** Returns the answer of a refusal; `undefined` for any other thrown value. */
  static answerOf(thrown: unknown): WireAnswer | undefined {
    return isObject(thrown) && #answer in thrown ? thrown.#answer : undefined;
  }
}

/** How a protocol words the errors of the authority. */
export interface ErrorWording {
  /** Refusals by the code of the error. */
  readonly refusals: Readonly<Partial<Record<ErrorCode, (error: OrgateError) => WireRefusal>>>;
  /** Any other client error. */
  readonly refuse: (error: OrgateError) => WireRefusal;
  /** Contention of many renewals. @defaultValue worded like any other failure of the store */
  readonly contention?: WireAnswer;
  /** A defect (500), or a store that cannot answer now (503). */
  readonly fail: (status: 500 | 503) => WireAnswer;
}

/** Words any thrown value as an answer. An unavailable store is never a refusal: nobody is signed out by it. */
export function wordError(error: unknown, { refusals, refuse, contention, fail }: ErrorWording): WireAnswer {
  const answer = WireRefusal.answerOf(error);
  if (answer !== undefined) return answer;
  if (!isOrgateError(error)) return { ...fail(500), cause: error };
  if (error.code === "store_unavailable" || error.code === "clock_skew") {
    const { retryAfter = 1 }: Partial<StoreUnavailableError> = error;
    const headers = { "Retry-After": String(Math.max(1, Math.ceil(retryAfter))) };
    const isContention = error.reason === "contention" || error.reason === "rotating_too_fast";
    return { ...((isContention ? contention : undefined) ?? fail(503)), headers, cause: error };
  }
  const refusal = refusals[error.code]?.(error).answer;
  if (refusal !== undefined) return refusal;
  if (error.status >= 500) return { ...fail(500), cause: error };
  return { ...refuse(error).answer, headers: error.headers };
}
