import type { ServerResponse } from "node:http";

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
