import type { JsonObject } from "../json-reply.ts";

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
