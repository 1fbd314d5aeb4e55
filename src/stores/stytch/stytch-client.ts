import { createJsonClient, unavailableError } from "../http-client.ts";
import type { JsonObject, JsonReply } from "../json-reply.ts";
import { MISCONFIGURED, readErrorType, readRequestId } from "./error-types.ts";
import type { StytchSettings } from "./resolve-options.ts";
import { misconfigured, trouble } from "./trouble.ts";

/** Stytch's word on an operation, good or bad. */
export type StytchReply =
  | { readonly status: "done"; readonly body: JsonObject; readonly requestId: string | undefined }
  | {
      readonly status: "refused";
      readonly httpStatus: number;
      /** Stytch's `error_type`. */
      readonly type: string;
      readonly requestId: string | undefined;
    };

/** How long an operation may go on. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  /** Seconds for which it goes on after that: for what spends a token. */
  readonly linger?: number;
}

/** Stytch's API, as far as sessions need it. Trouble, and a refusal of the project itself, are thrown. */
export interface StytchClient {
  readonly settings: StytchSettings;
  get(path: string, options: CallOptions): Promise<StytchReply>;
  post(path: string, body: JsonObject, options: CallOptions): Promise<StytchReply>;
}

/** Makes a client with the project's credentials. */
export function createStytchClient(settings: StytchSettings): StytchClient {
  const { projectId, secret, baseUrl, timeout, fetch, clock } = settings;
  const http = createJsonClient({
    baseUrl,
    budget: timeout,
    headers: { authorization: `Basic ${Buffer.from(`${projectId}:${secret}`).toString("base64")}` },
    clock,
    ...(fetch !== undefined && { fetch }),
  });
  const send = async (
    request: { readonly method: "GET" | "POST"; readonly path: string; readonly body?: JsonObject },
    { signal, linger = 0 }: CallOptions,
  ): Promise<StytchReply> =>
    readReply(await http.send({ ...request, linger, ...(signal !== undefined && { signal }) }));
  return {
    settings,
    get: (path, options) => send({ method: "GET", path }, options),
    post: (path, body, options) => send({ method: "POST", path, body }, options),
  };
}

function readReply(reply: JsonReply): StytchReply {
  const requestId = readRequestId(reply.body);
  if (reply.status === "unavailable") throw unavailableError(reply, requestId);
  const { httpStatus, body } = reply;
  if (httpStatus < 300) return { status: "done", body, requestId };
  const type = readErrorType(body);
  // A wrong secret is no word about the user, and neither is an address where nobody speaks Stytch's errors.
  if (httpStatus === 401 || (type !== undefined && MISCONFIGURED.has(type))) {
    throw misconfigured(type ?? "client_rejected", requestId);
  }
  if (type === undefined) throw trouble("request_rejected", requestId);
  return { status: "refused", httpStatus, type, requestId };
}
