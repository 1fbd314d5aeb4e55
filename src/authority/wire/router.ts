import type { IncomingMessage, ServerResponse } from "node:http";
import { OrgateError } from "../../errors.ts";
import { type Fields, readFields } from "./read-fields.ts";

/** One request, as a route sees it. */
export interface WireCall {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The variable segments of the path, in order. */
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** The body of a POST; nothing for a GET. */
  readonly fields: Fields;
}

/** What goes back. */
export interface WireAnswer {
  readonly status: number;
  /** Sent as JSON; nothing is sent where it is `undefined`. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One operation of a protocol. */
export interface WireRoute {
  readonly method: "GET" | "POST";
  /** With `:` in place of a variable segment. */
  readonly path: string;
  /** Says who may read the answer from a cache. @defaultValue nobody */
  readonly cacheControl?: string;
  /** Where it is false, the path is the application's own. @defaultValue every request */
  isFor?(request: IncomingMessage): boolean;
  /** Throws for whoever may not ask, before anything of the body is read. @defaultValue everybody may */
  admit?(request: IncomingMessage): void;
  /** `undefined`: the response is somebody else's by now. */
  handle(call: WireCall): Promise<WireAnswer | undefined>;
}

/** A protocol: its operations, and how it tells of trouble. */
export interface WireProtocol {
  readonly routes: readonly WireRoute[];
  /** Puts whatever was thrown into the protocol's own words. Never throws. */
  readonly refuse: (error: unknown) => WireAnswer;
}

/** Middleware for Express, Connect and `node:http`. Paths that it does not serve go to `next()`. */
export type WireMiddleware = (
  request: IncomingMessage,
  response: ServerResponse,
  next?: (error?: unknown) => void,
) => void;

/** Makes the middleware of a protocol. It reads the body itself where no parser did. */
export function createWireRouter({ routes, refuse }: WireProtocol): WireMiddleware {
  const table = routes.map((route) => ({ ...route, pattern: splitPath(route.path) }));
  return function serveWire(request, response, next) {
    const { path, query } = splitTarget(request.url ?? "");
    const onPath = table.flatMap((route) => {
      const segments = matchPath(route.pattern, path);
      if (segments === undefined || route.isFor?.(request) === false) return [];
      return [{ route, segments }];
    });
    if (onPath.length === 0) {
      if (next === undefined) send(request, response, { status: 404, body: { message: "Not Found" } });
      else next();
      return;
    }
    const found = onPath.find(({ route }) => allows(route, request.method));
    const answer =
      found === undefined
        ? Promise.reject(methodNotAllowed(onPath.map(({ route }) => route.method)))
        : serve(found.route, { request, response, segments: found.segments, query });
    // A client that went away leaves nobody to answer.
    deliver(answer, found?.route).catch(() => response.destroy());

    async function deliver(
      promised: Promise<WireAnswer | undefined>,
      route: WireRoute | undefined,
    ): Promise<void> {
      const given = await promised.catch((error: unknown) => refuse(error));
      if (given === undefined || response.headersSent) return;
      const cacheControl = given.status === 200 ? route?.cacheControl : undefined;
      response.setHeader("Cache-Control", cacheControl ?? "no-store");
      send(request, response, given);
    }
  };
}

/** What may be cached changes nothing, so that HEAD asks the same. */
function allows({ method, cacheControl }: WireRoute, asked: string | undefined): boolean {
  return asked === method || (asked === "HEAD" && cacheControl !== undefined);
}

async function serve(route: WireRoute, call: Omit<WireCall, "fields">): Promise<WireAnswer | undefined> {
  route.admit?.(call.request);
  const fields: Fields = route.method === "POST" ? await readFields(call.request) : new Map();
  return route.handle({ ...call, fields });
}

function methodNotAllowed(methods: readonly string[]): OrgateError {
  return new OrgateError("method_not_allowed", { headers: { Allow: [...new Set(methods)].join(", ") } });
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, body, headers }: WireAnswer,
): void {
  response.statusCode = status;
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  // What was not read of the body must not be taken for the next request.
  if (!request.complete && request.method === "POST") response.setHeader("Connection", "close");
  if (body === undefined) {
    response.setHeader("Content-Length", 0);
    response.end();
    return;
  }
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.end(JSON.stringify(body));
}

/** Where a request goes: its path in segments, still encoded, and its query. */
export interface Target {
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** Takes a request target apart. A target in absolute form has a path that no route has. */
export function splitTarget(target: string): Target {
  const at = target.indexOf("?");
  const path = at < 0 ? target : target.slice(0, at);
  return { path: splitPath(path), query: new URLSearchParams(at < 0 ? "" : target.slice(at + 1)) };
}

/** The segments of a path. */
export function splitPath(path: string): readonly string[] {
  return path.split("/");
}

/** The variable segments, decoded; `undefined`: the path is another one. Compared exactly, case and slashes included. */
export function matchPath(pattern: readonly string[], path: readonly string[]): string[] | undefined {
  if (pattern.length !== path.length) return undefined;
  const variables: string[] = [];
  for (const [index, expected] of pattern.entries()) {
    const given = path[index] ?? "";
    if (expected === ":") {
      const decoded = decode(given);
      if (decoded === undefined) return undefined;
      variables.push(decoded);
    } else if (expected !== given) return undefined;
  }
  return variables;
}

function decode(segment: string): string | undefined {
  try {
    const decoded = decodeURIComponent(segment);
    return decoded === "" ? undefined : decoded;
  } catch {
    return undefined;
  }
}

/** The credentials of `Authorization: Basic` (RFC 7617); `undefined`: there are none, or more than one header has some. */
export function readBasic(request: IncomingMessage): { user: string; password: string } | undefined {
  const encoded = readScheme(request, "basic");
  if (encoded === undefined || !/^[\w+/-]+={0,2}$/.test(encoded)) return undefined;
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const at = text.indexOf(":");
  return at < 0 ? undefined : { user: text.slice(0, at), password: text.slice(at + 1) };
}

/** The token of `Authorization: Bearer` (RFC 6750 section 2.1). */
export function readBearer(request: IncomingMessage): string | undefined {
  return readScheme(request, "bearer");
}

function readScheme({ rawHeaders }: IncomingMessage, scheme: string): string | undefined {
  const [header, ...others] = rawHeaders.filter(
    (_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === "authorization",
  );
  if (header === undefined || others.length > 0) return undefined;
  const at = header.indexOf(" ");
  if (at < 0 || header.slice(0, at).toLowerCase() !== scheme) return undefined;
  return header.slice(at + 1).trim();
}
