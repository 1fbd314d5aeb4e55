import type { IncomingMessage } from "node:http";
import { isString } from "./predicates.ts";

/** Whether a browser navigates to a page, so that it follows a redirect: `GET`, HTML named in `Accept`, and no fetch. */
export function isNavigation(request: IncomingMessage): boolean {
  const mode = request.headers["sec-fetch-mode"];
  return request.method === "GET" && acceptsHtml(request) && (mode === undefined || mode === "navigate");
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
