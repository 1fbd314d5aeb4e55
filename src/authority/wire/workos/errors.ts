import { type OrgateError, type StoreUnavailableError, isOrgateError } from "../../../errors.ts";
import { WireRefusal, isWireRefusal } from "../read-fields.ts";
import type { WireAnswer } from "../router.ts";

/** An error in OAuth's shape (RFC 6749 section 5.2). */
export function oauthError(error: string, description: string, status = 400): WireRefusal {
  return new WireRefusal({ status, body: { error, error_description: description } });
}

/** An error in WorkOS's own shape. */
export function workosError(code: string, message: string, status = 400): WireRefusal {
  return new WireRefusal({ status, body: { code, message } });
}

/** A management endpoint was asked without the right key. */
export function unauthorized(): WireRefusal {
  return new WireRefusal({
    status: 401,
    body: { message: "Unauthorized" },
    headers: { "WWW-Authenticate": "Bearer" },
  });
}

/** There is no such thing. */
export function notFound(entity: string): WireRefusal {
  return workosError("entity_not_found", `${entity} not found.`, 404);
}

/** Puts whatever was thrown by a grant, or by anything else, into WorkOS's words. */
export function refuseWorkos(error: unknown): WireAnswer {
  if (isWireRefusal(error)) return error.answer;
  if (!isOrgateError(error)) return serverError(500);
  if (error.code === "store_unavailable" || error.code === "clock_skew") return refuseTrouble(error);
  return (REFUSALS.get(error.code)?.(error) ?? refuseOther(error)).answer;
}

const REFUSALS: ReadonlyMap<string, (error: OrgateError) => WireRefusal> = new Map([
  ["invalid_token", () => oauthError("invalid_grant", "Invalid refresh token.")],
  [
    "session_revoked",
    ({ reason }: OrgateError) =>
      oauthError(
        "invalid_grant",
        reason === "reuse_detected" ? "Refresh token already exchanged." : "Session has already ended.",
      ),
  ],
  [
    "organization_not_available",
    () =>
      oauthError(
        "organization_membership_not_found",
        "The user is not an active member of this organization.",
      ),
  ],
  [
    "invalid_pending_authentication",
    () =>
      workosError(
        "invalid_pending_authentication_token",
        "The pending authentication token is invalid or has expired.",
      ),
  ],
  ["sign_in_failed", ({ reason }: OrgateError) => refuseSignIn(reason)],
  ["session_too_large", () => oauthError("token_too_big", "The access token would be too large.")],
  ["invalid_request", ({ message }: OrgateError) => oauthError("invalid_request", message)],
]);

function refuseSignIn(reason: string | undefined): WireRefusal {
  switch (reason) {
    case "invitation_invalid":
      return oauthError("invitation_invalid", "The invitation is invalid or has expired.");
    case "invitation_cannot_be_used_for_email":
      return oauthError(reason, "The invitation is for another email address.");
    default:
      return oauthError("invalid_grant", "The user does not exist.");
  }
}

function refuseOther({ code, message, status, headers }: OrgateError): WireRefusal {
  const body = status >= 500 ? { message: "Internal Server Error" } : { code, message };
  return new WireRefusal({ status, body, headers });
}

/** Trouble is never a refusal; somebody who came in between is asked to come again, as WorkOS does. */
function refuseTrouble(error: OrgateError): WireAnswer {
  const { retryAfter = 1 }: Partial<StoreUnavailableError> = error;
  const headers = { "Retry-After": String(Math.max(1, Math.ceil(retryAfter))) };
  if (error.reason !== "contention" && error.reason !== "rotating_too_fast")
    return { ...serverError(503), headers };
  const body = {
    error: "too_many_requests",
    error_description: "Could not process refresh token. Please retry.",
  };
  return { status: 429, body, headers };
}

function serverError(status: 500 | 503): WireAnswer {
  return { status, body: { message: status === 500 ? "Internal Server Error" : "Service Unavailable" } };
}
