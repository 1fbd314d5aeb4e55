import type { IncomingMessage } from "node:http";

/** Whether a browser asks for a page, so that a redirect leads somewhere: `GET`, HTML named in `Accept`, and no fetch. */
export function isNavigation(request: IncomingMessage): boolean {
  const mode = request.headers["sec-fetch-mode"];
  return request.method === "GET" && acceptsHtml(request) && (mode === undefined || mode === "navigate");
}

/** Whether `Accept` names HTML; a wildcard does not. */
export function acceptsHtml(request: IncomingMessage): boolean {
  // Media types are case-insensitive (RFC 9110 section 8.3.1).
  return /\btext\/html\b/i.test(request.headers.accept ?? "");
}

/** Whether the client is a program that speaks JSON: it says so in `Accept`, or sends JSON without asking for HTML. */
export function isJsonClient(request: IncomingMessage): boolean {
  if (acceptsHtml(request)) return false;
  return isJsonType(request.headers.accept) || isJsonType(request.headers["content-type"]);
}

function isJsonType(header: string | undefined): boolean {
  return header !== undefined && /\bapplication\/(?:[\w.-]+\+)?json\b/i.test(header);
}

/** The path and query the client asked for, also inside a mounted Express or Connect application. */
export function requestedUrl(request: IncomingMessage): string {
  const { originalUrl } = request as { originalUrl?: unknown };
  return typeof originalUrl === "string" ? originalUrl : (request.url ?? "/");
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

const MAX_LENGTH = 2_048;
const PATH_ABSOLUTE = /^\/(?![/\\])/;
const FORBIDDEN = /[\\\p{Cc}]/u;
const NOWHERE = "http://return-to.invalid";

/**
 * A path on this very origin, or `/`.
 *
 * The value is parsed as a browser would (WHATWG URL) and the *parsed* value is given back, because `//evil.example`,
 * `/\evil.example` and `/.//evil.example` all leave the origin when a browser reads them.
 */
export function sanitizeReturnTo(value: unknown): string {
  if (typeof value !== "string" || value.length > MAX_LENGTH) return "/";
  if (!PATH_ABSOLUTE.test(value) || FORBIDDEN.test(value)) return "/";
  if (!URL.canParse(value, NOWHERE)) return "/";
  const parsed = new URL(value, NOWHERE);
  if (parsed.origin !== NOWHERE) return "/";
  const path = `${parsed.pathname}${parsed.search}${parsed.hash}`;
  return PATH_ABSOLUTE.test(path) && path.length <= MAX_LENGTH ? path : "/";
}

/**
 * Where a store or the application wants a browser to go, as it may stand in `Location`: a path on this origin, or an absolute
 * http(s) URL in its one spelling.
 *
 * @returns `undefined` for everything else; `javascript:` is an address too.
 */
export function toRedirectTarget(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const path = sanitizeReturnTo(value);
  if (value === "/" || path !== "/") return path;
  return /^https?:\/\//i.test(value) && URL.canParse(value) ? new URL(value).href : undefined;
}
