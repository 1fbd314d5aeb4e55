import { StoreUnavailableError } from "../../errors.ts";
import {
  type CallOptions,
  type JsonObject,
  type JsonReply,
  type JsonRequest,
  createJsonClient,
} from "../../lib/json-client.ts";
import { isString } from "../../lib/values.ts";
import { nameSet, serviceUnavailable } from "../hosted-store.ts";
import type { StytchSettings } from "./options.ts";

/** Stytch's answer to an operation, good or bad. */
export type StytchReply =
  | { readonly status: "done"; readonly body: JsonObject; readonly requestId: string | undefined }
  | {
      readonly status: "refused";
      readonly httpStatus: number;
      /** Stytch's `error_type`. */
      readonly type: string;
      readonly requestId: string | undefined;
    };

/** The operations of Stytch's API that sessions need. They throw a `StoreUnavailableError` where there is no answer, or the project itself is refused. */
export interface StytchClient {
  readonly settings: StytchSettings;
  get(path: string, options: CallOptions): Promise<StytchReply>;
  post(path: string, body: JsonObject, options: CallOptions): Promise<StytchReply>;
}

/** Makes a client with the project's credentials. */
export function createStytchClient(settings: StytchSettings): StytchClient {
  const { projectId, secret, baseUrl, timeout, fetch, clock } = settings;
  const authorization = `Basic ${Buffer.from(`${projectId}:${secret}`).toString("base64")}`;
  const http = createJsonClient({ baseUrl, headers: { authorization }, timeout, fetch, clock });
  const send = async (request: JsonRequest): Promise<StytchReply> => readReply(await http.send(request));
  return {
    settings,
    get: (path, options) => send({ method: "GET", path, ...options }),
    post: (path, body, options) => send({ method: "POST", path, body, ...options }),
  };
}

function readReply(reply: JsonReply): StytchReply {
  const requestId = readRequestId(reply.body);
  if (reply.status === "unavailable")
    throw serviceUnavailable(reply, { code: readErrorType(reply.body ?? {}), requestId });
  const { httpStatus, body } = reply;
  if (httpStatus < 300) return { status: "done", body, requestId };
  const type = readErrorType(body);
  // A wrong secret says nothing about the user, and neither does an error in another format.
  if (httpStatus === 401 || (type !== undefined && STYTCH_TYPES.misconfigured.has(type))) {
    throw misconfigured({ httpStatus, type, requestId });
  }
  if (type === undefined) throw stytchRejected({ httpStatus, type, requestId });
  return { status: "refused", httpStatus, type, requestId };
}

/** Makes the error for an answer that says nothing about anybody's session. */
export function stytchUnavailable(reason: string, requestId?: string): StoreUnavailableError {
  const message = `Stytch could not be asked (${reason}).`;
  return new StoreUnavailableError({ reason, message, requestId });
}

/** A refusal of Stytch's; without a type where the error has another format. */
interface StytchRefusal {
  readonly httpStatus: number;
  readonly type: string | undefined;
  readonly requestId: string | undefined;
}

/** Makes the error for a refusal with a type that nobody listed: an answer about this session or member, and no outage. */
export function stytchRejected({ httpStatus, type, requestId }: StytchRefusal): StoreUnavailableError {
  const reason = "request_rejected";
  const message = `Stytch refuses the request (${type ?? `status ${httpStatus}`}).`;
  const upstream = { status: httpStatus, code: type };
  return new StoreUnavailableError({ reason, message, requestId, concerns: "credential", upstream });
}

/** Makes the error for an answer about another member's session: neither of its tokens may be kept. */
export function foreignRenewal(requestId: string | undefined): StoreUnavailableError {
  const message = "Stytch answered with the session of another member or organization.";
  return new StoreUnavailableError({ reason: "foreign_renewal", message, requestId });
}

/** Makes the error for a rejection of this application and not of its user: waiting does not help. */
function misconfigured({ httpStatus, type, requestId }: StytchRefusal): StoreUnavailableError {
  const reason = type ?? "client_rejected";
  const message = `Stytch refuses this project's own configuration (${reason}).`;
  const upstream = { status: httpStatus, code: type };
  return new StoreUnavailableError({ reason, message, misconfigured: true, requestId, upstream });
}

/** The types of Stytch's errors. */
export const STYTCH_TYPES = {
  /** The session is over, or its member or organization is gone. */
  ended: nameSet(`
    session_not_found member_not_found organization_member_not_found organization_not_found inactive_member
  `),
  /** What was presented belongs to no session: said of a credential that could not be verified here. */
  notOurs: nameSet(`
    invalid_session_token invalid_session_jwt unable_to_parse_session_jwt jwt_invalid_audience jwt_invalid_claims
    jwt_invalid_issuer invalid_jwt invalid_session_id incompatible_session_type
  `),
  /** An impersonated session can be neither extended nor given claims. */
  notMutable: nameSet(`session_not_mutable_impersonated`),
  /** The authorization check is denied. */
  denied: nameSet(`session_authorization_error`),
  /** The authorization check is about another organization. */
  otherTenant: nameSet(`session_authorization_tenancy_error`),
  /** The intermediate session has expired or has been used. */
  notPending: nameSet(`
    intermediate_session_not_found invalid_intermediate_session_token
    invalid_intermediate_session_token_for_organization intermediate_session_token_expired
  `),
  /** The factors at hand are not enough for the organization. */
  stepUp: nameSet(`insufficient_factors insufficient_factors_for_session_exchange`),
  /** The member cannot be signed in to this organization. */
  noOrganization: nameSet(`
    invalid_organization_id organization_not_found invalid_email_for_jit_provisioning
    invalid_oauth_tenant_for_jit_provisioning invalid_connection_for_jit_provisioning invalid_email_for_invites
  `),
  /** The application is wrong, not its user. */
  misconfigured: nameSet(`
    unauthorized_credentials invalid_secret_authentication invalid_project_id_authentication invalid_project_id
    project_not_found use_https invalid_authorization_header invalid_b2b_endpoint invalid_session_duration
    invalid_session_duration_minutes reserved_claims_in_custom_claims stytch_claims_in_custom_claims
    custom_claims_too_large
  `),
};

const STYTCH_ERROR_TYPE = /^[a-z][a-z\d_]{0,95}$/;
const REQUEST_ID = /^[\w-]{1,96}$/;

/** Reads the type of an error of Stytch's, in either of its two forms. */
function readErrorType({ error_type: type, error }: JsonObject): string | undefined {
  const found = type ?? error;
  return isString(found) && STYTCH_ERROR_TYPE.test(found) ? found : undefined;
}

/** Reads the id that Stytch's support asks for. */
function readRequestId(body: JsonObject | undefined): string | undefined {
  const id = body?.["request_id"];
  return isString(id) && REQUEST_ID.test(id) ? id : undefined;
}
