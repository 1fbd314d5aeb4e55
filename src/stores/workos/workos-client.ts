import { createJsonClient, unavailableError } from "../http-client.ts";
import type { JsonObject, JsonReply } from "../json-reply.ts";
import type { WorkosSettings } from "./resolve-options.ts";
import { clientRejected, contended, trouble } from "./trouble.ts";
import { MISCONFIGURED, NOT_FOUND, readErrorCode } from "./error-codes.ts";
import { readAuthentication, type Authentication } from "./read-authentication.ts";

/** What came of a grant. Trouble is thrown. */
export type GrantReply =
  | { readonly status: "authenticated"; readonly authentication: Authentication }
  | { readonly status: "refused"; readonly code: string; readonly body: JsonObject };

/** A grant's own fields, as they go over the wire. */
export interface Grant {
  readonly grant_type: string;
  readonly [field: string]: string | undefined;
}

/** How long an operation may go on. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Seconds for which it goes on after that: for what spends a token. */
  readonly linger?: number;
}

/** WorkOS's API, as far as sessions need it. */
export interface WorkosClient {
  readonly settings: WorkosSettings;
  /** `POST /user_management/authenticate`. Contention over a refresh token is thrown like any other trouble. */
  authenticate(grant: Grant, options: CallOptions): Promise<GrantReply>;
  /** Any other operation, with WorkOS's word on it, whether good or bad. Trouble, a rejected API key included, is thrown. */
  call(method: "GET" | "POST", path: string, options: CallOptions, body?: JsonObject): Promise<Answer>;
}

/** WorkOS's word on an operation. */
export type Answer = Extract<JsonReply, { status: "answered" }>;

/** Makes a client with the application's credentials. */
export function createWorkosClient(settings: WorkosSettings): WorkosClient {
  const { apiKey, clientId, baseUrl, timeout, fetch, clock } = settings;
  const http = createJsonClient({
    baseUrl,
    budget: timeout,
    headers: { authorization: `Bearer ${apiKey}` },
    clock,
    ...(fetch !== undefined && { fetch }),
  });
  return {
    settings,
    async authenticate(grant, options) {
      const body = { client_id: clientId, client_secret: apiKey, ...grant };
      const path = "/user_management/authenticate";
      return readGrantReply(await http.send({ method: "POST", path, body, ...options }));
    },
    async call(method, path, options, body) {
      const reply = await http.send({ method, path, ...options, ...(body !== undefined && { body }) });
      if (reply.status === "unavailable") throw unavailableError(reply);
      if (reply.httpStatus === 401 || reply.httpStatus === 403) throw clientRejected();
      return reply;
    },
  };
}

function readGrantReply(reply: JsonReply): GrantReply {
  if (reply.status === "unavailable") {
    const isContended = reply.httpStatus === 429 && readErrorCode(reply.body ?? {}) === "too_many_requests";
    throw isContended ? contended(reply.retryAfter) : unavailableError(reply);
  }
  const { httpStatus, body } = reply;
  if (httpStatus < 300) {
    const authentication = readAuthentication(body);
    if (authentication === undefined) throw trouble("nonsense");
    return { status: "authenticated", authentication };
  }
  const code = readErrorCode(body) ?? (httpStatus === 404 ? NOT_FOUND : undefined);
  // Without a code nothing is said about the user: a wrong key (401), say.
  if (code === undefined) throw httpStatus === 401 ? clientRejected() : trouble("request_rejected");
  if (MISCONFIGURED.has(code)) throw clientRejected();
  return { status: "refused", code, body };
}
