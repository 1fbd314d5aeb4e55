import { StoreUnavailableError, type StoreUnavailableErrorInit, type UpstreamAnswer } from "../../errors.ts";
import {
  type AnsweredReply,
  type JsonObject,
  type JsonReply,
  type JsonRequest,
  createJsonClient,
} from "../../lib/json-client.ts";
import { isObject, isString, isText } from "../../lib/values.ts";
import { nameSet, serviceUnavailable } from "../hosted-store.ts";
import {
  type AuthenticationReading,
  type WorkosAuthentication,
  readWorkosAuthentication,
} from "./authentication.ts";
import type { WorkosSettings } from "./options.ts";

/** How a grant ended. */
export type GrantReply =
  | { readonly status: "authenticated"; readonly authentication: WorkosAuthentication }
  | {
      readonly status: "refused";
      readonly httpStatus: number;
      readonly code: string;
      readonly body: JsonObject;
    }
  /** Another process is exchanging the same refresh token. `retryAfter` is in seconds. */
  | { readonly status: "contended"; readonly retryAfter: number };

/** The fields of a grant, as they go over the wire. */
export interface Grant {
  readonly grant_type: string;
  readonly [field: string]: string | undefined;
}

/** Who asks, and how long they wait. */
export interface Origin {
  /** The browser's address, for WorkOS's own records and its bot detection. */
  readonly ipAddress?: string;
  /** The browser's `User-Agent`. */
  readonly userAgent?: string;
  /** Ends the wait once it aborts. */
  readonly signal?: AbortSignal;
}

/** The operations of WorkOS's API that sessions need. All throw a `StoreUnavailableError` where there is no answer. */
export interface WorkosClient {
  readonly settings: WorkosSettings;
  /** `POST /user_management/authenticate`; goes on for `abortGrace` seconds after the origin's signal has aborted. */
  authenticate(grant: Grant, origin: Origin, abortGrace?: number): Promise<GrantReply>;
  /** Any other operation. A rejected API key is thrown, too. */
  call(request: JsonRequest): Promise<AnsweredReply>;
}

/** Makes a client with the application's credentials. */
export function createWorkosClient(settings: WorkosSettings): WorkosClient {
  const { apiKey, clientId, baseUrl, timeout, fetch, clock } = settings;
  const headers = { authorization: `Bearer ${apiKey}` };
  const http = createJsonClient({ baseUrl, headers, timeout, fetch, clock });
  return {
    settings,
    async authenticate(grant, { ipAddress, userAgent, signal }, abortGrace) {
      const client = { client_id: clientId, client_secret: apiKey };
      const body = { ...client, ...grant, ip_address: ipAddress, user_agent: userAgent };
      const path = "/user_management/authenticate";
      const reply = await http.send({ method: "POST", path, body, signal, abortGrace });
      return readGrantReply(reply, {
        sealed: settings.seal,
        isRenewal: grant.grant_type === "refresh_token",
      });
    },
    async call(request) {
      const reply = await http.send(request);
      if (reply.status === "unavailable") {
        throw serviceUnavailable(reply, { code: readErrorCode(reply.body ?? {}) });
      }
      const { httpStatus: status, body } = reply;
      if (status === 401 || status === 403) throw clientRejected({ status, code: readErrorCode(body) });
      return reply;
    },
  };
}

/** Seconds to wait during contention, where WorkOS does not say how many. */
const DEFAULT_CONTENTION_PAUSE = 1;

function readGrantReply(reply: JsonReply, reading: AuthenticationReading): GrantReply {
  if (reply.status === "unavailable") {
    const code = readErrorCode(reply.body ?? {});
    const isContended = reply.httpStatus === 429 && code === "too_many_requests";
    if (!isContended) throw serviceUnavailable(reply, { code });
    return { status: "contended", retryAfter: reply.retryAfter ?? DEFAULT_CONTENTION_PAUSE };
  }
  const { httpStatus, body } = reply;
  if (httpStatus < 300) {
    const authentication = readWorkosAuthentication(body, reading);
    if (authentication === undefined) throw workosUnavailable("nonsense");
    return { status: "authenticated", authentication };
  }
  const code = readErrorCode(body) ?? (httpStatus === 404 ? NOT_FOUND : undefined);
  // Without a code the answer says nothing about the user: it may be about our key (401).
  if (code === undefined) throw rejected({ status: httpStatus });
  if (WORKOS_CODES.misconfigured.has(code)) throw clientRejected({ status: httpStatus, code });
  return { status: "refused", httpStatus, code, body };
}

/** Makes the error for an answer that says nothing about anybody's session. */
export function workosUnavailable(
  reason: string,
  init: StoreUnavailableErrorInit = {},
): StoreUnavailableError {
  return new StoreUnavailableError({ reason, message: `WorkOS could not be asked (${reason}).`, ...init });
}

/** Makes the error for another process that is exchanging the same refresh token. */
export function contended(retryAfter = DEFAULT_CONTENTION_PAUSE): StoreUnavailableError {
  const message = "The refresh token is being exchanged by another process.";
  return workosUnavailable("refresh_contended", { message, retryAfter, contended: true });
}

/**
 * Makes the error for a request that WorkOS rejects with a code that nobody listed: an answer about this user or session, and
 * no outage.
 */
export function rejected(upstream: UpstreamAnswer): StoreUnavailableError {
  // A 401 with a code of no session is about the API key.
  if (upstream.status === 401 || upstream.code === MALFORMED) return clientRejected(upstream);
  return workosUnavailable("request_rejected", { concerns: "credential", upstream });
}

/** WorkOS rejects this application and not its user: waiting does not help, and nobody is signed out. */
function clientRejected(upstream: UpstreamAnswer): StoreUnavailableError {
  const message = "WorkOS refuses this application's own client id or API key.";
  return workosUnavailable("client_rejected", { message, misconfigured: true, upstream });
}

/** Fetches one object; `undefined` where WorkOS does not know it. */
export async function fetchObject(
  client: WorkosClient,
  path: string,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const { httpStatus, body } = await client.call({ method: "GET", path, signal });
  if (httpStatus === 404) return undefined;
  if (httpStatus >= 300) throw rejected({ status: httpStatus, code: readErrorCode(body) });
  return body;
}

const PAGE_SIZE = 100;
const MAX_PAGES = 10;

/** Fetches a list, at most a thousand entries; `undefined` where WorkOS does not know what is listed. */
export async function fetchList(
  client: WorkosClient,
  path: string,
  signal: AbortSignal,
): Promise<readonly JsonObject[] | undefined> {
  const entries: JsonObject[] = [];
  const url = new URL(path, client.settings.baseUrl);
  url.searchParams.set("limit", String(PAGE_SIZE));
  for (let page = 0; page < MAX_PAGES; page++) {
    // oxlint-disable-next-line no-await-in-loop -- each page names the next
    const body = await fetchObject(client, url.pathname + url.search, signal);
    if (body === undefined) return undefined;
    const { data, list_metadata: metadata } = body;
    if (!Array.isArray(data)) throw workosUnavailable("nonsense");
    entries.push(...data.filter(isObject));
    const after = isObject(metadata) ? metadata["after"] : undefined;
    if (!isText(after) || data.length === 0) break;
    url.searchParams.set("after", after);
  }
  return entries;
}

/** Stands for a 404 without a code: something does not exist, and WorkOS does not say what. */
export const NOT_FOUND = "not_found";

/** A field is malformed. Where a user filled it in, it is the user's mistake. */
const MALFORMED = "invalid_request_parameters";

/** WorkOS's error codes. */
export const WORKOS_CODES = {
  /** The session is over, or the member has left its organization. */
  ended: nameSet(`
    invalid_grant expired_token organization_membership_not_found organization_not_found invalid_organization_id
  `),
  /** The user must do more, or something else, before there is a session. */
  stepUp: nameSet(`
    sso_required mfa_enrollment mfa_challenge mfa_verification email_verification_required
    organization_authentication_methods_required organization_selection_required authentication_method_not_allowed
    passkey_progressive_enrollment application_consent_required radar_challenge radar_sign_up_challenge
    radar_email_challenge radar_sms_challenge
  `),
  /** The token of an unfinished authentication has expired or has been used. */
  notPending: nameSet(`invalid_pending_authentication_token invalid_grant expired_token`),
  /** The user cannot be signed in to this organization. */
  noOrganization: nameSet(`
    organization_membership_not_found organization_not_found invalid_organization_id
  `),
  /** There is no such organization, where the organization is all that the user put into the request. */
  noSuchChoice: nameSet(`${NOT_FOUND} ${MALFORMED} entity_not_found organization_invalid`),
  /** The application is wrong, not the user. */
  misconfigured: nameSet(`
    invalid_client unauthorized_client unsupported_grant_type invalid_request pkce_not_supported
  `),
};

const WORKOS_ERROR_CODE = /^[a-z][a-z\d_]{0,63}$/;

/** Reads WorkOS's error code from either shape of its bodies. */
function readErrorCode({ code, error }: JsonObject): string | undefined {
  const found = code ?? error;
  return isString(found) && WORKOS_ERROR_CODE.test(found) ? found : undefined;
}
