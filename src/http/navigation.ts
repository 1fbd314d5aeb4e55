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
