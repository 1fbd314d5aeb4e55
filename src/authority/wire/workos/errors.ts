import { type ErrorWording, type WireAnswer, WireRefusal, wordError } from "../router.ts";

/** Makes an error in OAuth's shape (RFC 6749 section 5.2). @param more - another status than 400, and headers */
export function oauthError(
  error: string,
  description: string,
  more: Partial<Pick<WireAnswer, "status" | "headers">> = {},
): WireRefusal {
  return new WireRefusal({ status: 400, ...more, body: { error, error_description: description } });
}

/** Makes an error in WorkOS's own shape. */
export function workosError(code: string, message: string, status = 400): WireRefusal {
  return new WireRefusal({ status, body: { code, message } });
}

/** Makes the error of a management endpoint that was called without the API key. */
export function unauthorized(): WireRefusal {
  const headers = { "WWW-Authenticate": "Bearer" };
  return new WireRefusal({ status: 401, body: { message: "Unauthorized" }, headers });
}

/** Makes the error for an entity that does not exist. */
export function notFound(entity: string): WireRefusal {
  return workosError("entity_not_found", `${entity} not found.`, 404);
}

/** Makes the error for a required parameter that is missing. */
export function parameterMissing(name: string): WireRefusal {
  const errors = [{ field: name, code: "required" }];
  const body = { code: "invalid_request_parameters", message: `${name} is required.`, errors };
  return new WireRefusal({ status: 422, body });
}

/** Words any thrown value as WorkOS does. */
export function refuseWorkos(error: unknown): WireAnswer {
  return wordError(error, WORDING);
}

const WORDING: ErrorWording = {
  refusals: {
    invalid_token: () => oauthError("invalid_grant", "Invalid refresh token."),
    session_revoked: ({ reason }) => oauthError("invalid_grant", describeEnd(reason)),
    organization_not_available() {
      const message = "The user is not an active member of this organization.";
      return oauthError("organization_membership_not_found", message);
    },
    invalid_pending_authentication() {
      const message = "The pending authentication token is invalid or has expired.";
      return workosError("invalid_pending_authentication_token", message);
    },
    sign_in_failed: ({ reason }) => refuseSignIn(reason),
    session_too_large: () => oauthError("token_too_big", "The access token would be too large."),
    invalid_request: ({ message }) => oauthError("invalid_request", message),
  },
  refuse: ({ code, message, status }) => workosError(code, message, status),
  contention: {
    status: 429,
    body: {
      error: "too_many_requests",
      error_description: "Could not process refresh token. Please retry.",
    },
  },
  fail: (status) => ({
    status,
    body: { message: status === 500 ? "Internal Server Error" : "Service Unavailable" },
  }),
};

function describeEnd(reason: string | undefined): string {
  return reason === "reuse_detected" ? "Refresh token already exchanged." : "Session has already ended.";
}

function refuseSignIn(reason: string | undefined): WireRefusal {
  switch (reason) {
    case "invitation_invalid":
      return oauthError(reason, "The invitation is invalid or has expired.");
    case "invitation_cannot_be_used_for_email":
      return oauthError(reason, "The invitation is for another email address.");
    default:
      return oauthError("invalid_grant", "The user does not exist.");
  }
}
