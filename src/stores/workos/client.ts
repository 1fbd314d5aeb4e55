import { StoreUnavailableError } from "../../errors.ts";
import {
  type JsonObject,
  type JsonReply,
  createJsonClient,
  unavailableError,
} from "../../lib/json-client.ts";
import { isObject, isText } from "../../lib/predicates.ts";
import type { WorkosSettings } from "./options.ts";
import { type Authentication, readAuthentication } from "./outcome.ts";

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

/** Seconds, where WorkOS does not say how many. */
const CONTENTION_PAUSE = 1;

/** Something between the application and WorkOS that says nothing about anybody's session. */
export function trouble(reason: string): StoreUnavailableError {
  return new StoreUnavailableError({ reason, message: `WorkOS could not be asked (${reason}).` });
}

/** WorkOS refuses this application, not its user: waiting does not help, and nobody is signed out over it. */
export function clientRejected(): StoreUnavailableError {
  return new StoreUnavailableError({
    reason: "client_rejected",
    message: "WorkOS refuses this application's own client id or API key.",
    misconfigured: true,
  });
}

/** WorkOS refuses a request, and says nothing about anybody's session by it. */
export function rejected(code: string): StoreUnavailableError {
  return code === MALFORMED ? clientRejected() : trouble("request_rejected");
}

/** Another process presents the same refresh token right now. */
export function contended(retryAfter = CONTENTION_PAUSE): StoreUnavailableError {
  return new StoreUnavailableError({
    reason: "refresh_contended",
    message: "The refresh token is being exchanged by another process.",
    retryAfter,
    contended: true,
  });
}

/**
 * Waits for work as long as the seconds and the signal allow; the work itself goes on.
 *
 * @throws StoreUnavailableError once the time is over; else whatever the work throws.
 */
export async function within<Value>(
  seconds: number,
  signal: AbortSignal | undefined,
  work: () => Promise<Value>,
): Promise<Value> {
  const done = new AbortController();
  const over = new Promise<never>((_resolve, reject) => {
    const giveUp = (): void => reject(trouble("timeout"));
    const timer = setTimeout(giveUp, seconds * 1000);
    signal?.addEventListener("abort", giveUp, { once: true, signal: done.signal });
    done.signal.addEventListener("abort", () => clearTimeout(timer), { once: true });
  });
  try {
    return await Promise.race([work(), over]);
  } finally {
    done.abort();
  }
}

/** Lets so many seconds pass. */
export function sleep(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

const PAGE_SIZE = 100;
const MAX_PAGES = 10;

/**
 * Fetches a whole list, at most a thousand entries.
 *
 * @returns `undefined` where WorkOS does not know what is listed.
 */
export async function listPages(
  client: WorkosClient,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly JsonObject[] | undefined> {
  const entries: JsonObject[] = [];
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const parameters = { ...query, limit: String(PAGE_SIZE), ...(after !== undefined && { after }) };
    const address = `${path}?${new URLSearchParams(parameters).toString()}`;
    // oxlint-disable-next-line no-await-in-loop -- each page names the next
    const { httpStatus, body } = await client.call("GET", address, { signal });
    if (httpStatus === 404) return undefined;
    const { data, list_metadata: metadata } = body;
    if (httpStatus >= 300 || !Array.isArray(data))
      throw trouble(httpStatus >= 300 ? "request_rejected" : "nonsense");
    entries.push(...data.filter(isObject));
    const next = isObject(metadata) ? metadata["after"] : undefined;
    if (!isText(next) || data.length === 0) break;
    after = next;
  }
  return entries;
}

const CODE = /^[a-z][a-z\d_]{0,63}$/;

function codes(text: string): ReadonlySet<string> {
  return new Set(text.trim().split(/\s+/));
}

/** The session is over, or the member has left its organization. */
export const ENDED = codes(`
  invalid_grant expired_token organization_membership_not_found organization_not_found invalid_organization_id
`);

/** The user must do more, or something else, before there is a session. */
export const STEP_UP = codes(`
  sso_required mfa_enrollment mfa_challenge mfa_verification email_verification_required
  organization_authentication_methods_required organization_selection_required authentication_method_not_allowed
  passkey_progressive_enrollment application_consent_required radar_challenge radar_sign_up_challenge
  radar_email_challenge radar_sms_challenge
`);

/** It is this application that is wrong, not the user. */
export const MISCONFIGURED = codes(`
  invalid_client unauthorized_client unsupported_grant_type invalid_request pkce_not_supported
`);

/** A field is not as it must be. Where a user filled it in, it is the user's mistake. */
export const MALFORMED = "invalid_request_parameters";

/** What a 404 without a code is called here: it says that something is not there, and not what. */
export const NOT_FOUND = "not_found";

/** Where all that somebody has put into a request is an organization, there is none of that name. */
export const NO_SUCH_CHOICE = codes(`${NOT_FOUND} ${MALFORMED} entity_not_found organization_invalid`);

/** The organization is not one that the user can be signed in to. */
export const NO_ORGANIZATION = codes(`
  organization_membership_not_found organization_not_found invalid_organization_id
`);

/** The token of an unfinished authentication has lapsed, or has been used. */
export const NOT_PENDING = codes(`invalid_pending_authentication_token invalid_grant expired_token`);

/** WorkOS's error code, whichever of its two shapes a body has; `undefined` for what is no code. */
export function readErrorCode({ code, error }: JsonObject): string | undefined {
  const found = code ?? error;
  return typeof found === "string" && CODE.test(found) ? found : undefined;
}
