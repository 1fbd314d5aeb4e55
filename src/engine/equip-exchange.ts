import type { IncomingMessage, ServerResponse } from "node:http";
import { hookOneResponse, hookResponse, type ResponseHeaders } from "../http/response-headers.ts";
import { equip, latestRecordOf, type RequestRecord } from "../pipeline/attach.ts";

/** Sees to it that what is due when the response begins goes out with it. */
export function watchResponse(response: ServerResponse | undefined): void {
  if (response !== undefined) hookResponse(response, planHeaders);
}

/**
 * Puts the getters on the request and the hook on the response again, where they are gone: an Express application that is
 * called as a function, from Connect or by a virtual host, gives both prototypes of its own.
 */
export function equipExchange(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  { names }: RequestRecord,
): void {
  if (names !== undefined) equip(request, names);
  watchResponse(response);
}

/** Sees to it that what a renewal left goes out, whichever application answers. */
export function pinHeaders(response: ServerResponse, { cookies, headers }: RequestRecord): void {
  if (cookies !== undefined || headers !== undefined) hookOneResponse(response, planHeaders);
}

/** What is due on the response, of every instance that saw the request. */
function planHeaders(request: IncomingMessage): ResponseHeaders[] {
  const planned: ResponseHeaders[] = [];
  for (let record = latestRecordOf(request); record !== undefined; record = record.previous) {
    const { cookies, headers, used, hasCredential } = record;
    if (!used && cookies === undefined && headers === undefined) continue;
    planned.push({ cookies, headers, isPrivate: hasCredential && (used || headers !== undefined) });
  }
  return planned;
}
