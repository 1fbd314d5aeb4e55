import type { ServerResponse } from "node:http";

/** Sends a JSON body. */
export function sendJson(response: ServerResponse, status: number, body: unknown): void {
  send(response, status, JSON.stringify(body), "application/json");
}

/** Sends a problem (RFC 9457) that is written out already. */
export function sendProblem(response: ServerResponse, status: number, json: string): void {
  send(response, status, json, "application/problem+json");
}

function send(response: ServerResponse, status: number, json: string, type: string): void {
  response.statusCode = status;
  response.setHeader("Content-Type", type);
  response.setHeader("X-Content-Type-Options", "nosniff");
  response.end(json);
}

/** Sends the browser elsewhere with a GET (RFC 9110 section 15.4.4). */
export function redirect(response: ServerResponse, location: string): void {
  response.statusCode = 303;
  response.setHeader("Location", location);
  response.setHeader("Content-Length", 0);
  response.end();
}
