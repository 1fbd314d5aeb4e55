import type { ErrorCode } from "../errors.ts";

/** What each denial means for whoever reads it. Never says what would have helped to get in. */
export const DENIAL_DETAILS: Readonly<Record<ErrorCode, string>> = {
  unauthenticated: "No credential was sent with the request.",
  invalid_token: "The access token was refused.",
  token_expired: "The access token has expired and cannot be renewed. Sign in again.",
  session_revoked: "The session has ended. Sign in again.",
  invalid_session: "The session cookie was refused. Sign in again.",
  ambiguous_credential: "The request carries more than one credential of the same kind, and they differ.",
  invalid_pending_authentication:
    "The sign-in has expired, was completed already, or was begun in another browser.",
  reauthentication_required: "The member must authenticate again.",
  permission_denied: "The member's roles do not allow this action.",
  organization_mismatch: "The organization of the request is not the one that the session is signed in to.",
  organization_selection_required: "The session has no organization yet.",
  organization_not_available: "The organization is not among those that can be chosen.",
  role_required: "The session does not hold the role that this route requires.",
  factor_required: "The session does not hold the authentication factor that this route requires.",
  impersonation_denied: "This route is closed to impersonated sessions.",
  cross_site_request:
    "A request with a session cookie must come from the application's own pages, at its base URL.",
  invalid_request: "The request could not be understood.",
  sign_in_failed: "The sign-in was refused.",
  method_not_allowed: "The method is not allowed here.",
  payload_too_large: "The request body is larger than this route reads.",
  store_unavailable:
    "Whether the session is valid cannot be checked right now. Nobody was signed out; try again.",
  clock_skew: "The token is not valid yet: the clocks of this server and of the issuer differ.",
  configuration_invalid: "The server is not configured correctly.",
  session_too_large: "The session is too large to be sent in cookies.",
};
