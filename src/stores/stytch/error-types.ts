import type { JsonObject } from "../json-reply.ts";

const TYPE = /^[a-z][a-z\d_]{0,95}$/;
const REQUEST_ID = /^[\w-]{1,96}$/;

function types(names: string): ReadonlySet<string> {
  return new Set(names.trim().split(/\s+/));
}

/** The session is over, or its member or organization is gone. */
export const ENDED = types(`
  session_not_found member_not_found organization_member_not_found organization_not_found inactive_member
`);

/** What was presented is no session's: said of what nothing vouched for. */
export const NOT_OURS = types(`
  invalid_session_token invalid_session_jwt unable_to_parse_session_jwt jwt_invalid_audience jwt_invalid_claims
  jwt_invalid_issuer invalid_jwt invalid_session_id incompatible_session_type
`);

/** It is this application that is wrong, not its user. */
export const MISCONFIGURED = types(`
  unauthorized_credentials invalid_secret_authentication invalid_project_id_authentication invalid_project_id
  project_not_found use_https invalid_authorization_header invalid_b2b_endpoint invalid_session_duration
  invalid_session_duration_minutes reserved_claims_in_custom_claims stytch_claims_in_custom_claims
  custom_claims_too_large
`);

/** An impersonated session can be neither extended nor given claims. */
export const NOT_MUTABLE = "session_not_mutable_impersonated";

/** The answers to an authorization check that is denied. */
export const DENIED = "session_authorization_error";
export const OTHER_TENANT = "session_authorization_tenancy_error";

/** The intermediate session has lapsed, or has been used. */
export const NOT_PENDING = types(`
  intermediate_session_not_found invalid_intermediate_session_token invalid_intermediate_session_token_for_organization
  intermediate_session_token_expired
`);

/** The factors at hand are not enough for the organization. */
export const STEP_UP = types(`insufficient_factors insufficient_factors_for_session_exchange`);

/** The type of Stytch's errors, in either of their two forms; `undefined` for what is none. */
export function readErrorType({ error_type: type, error }: JsonObject): string | undefined {
  const found = type ?? error;
  return typeof found === "string" && TYPE.test(found) ? found : undefined;
}

/** The id that Stytch's support asks for. */
export function readRequestId(body: JsonObject | undefined): string | undefined {
  const id = body?.["request_id"];
  return typeof id === "string" && REQUEST_ID.test(id) ? id : undefined;
}
