import { randomUUID } from "node:crypto";
import { isObject } from "../../../lib/values.ts";
import { type ErrorWording, type WireAnswer, WireRefusal, wordError } from "../router.ts";

/** Makes the identifiers that every answer of a project carries. */
export function createRequestIds(projectId: string): () => string {
  const prefix = projectId.startsWith("project-live-") ? "request-id-live" : "request-id-test";
  return () => `${prefix}-${randomUUID()}`;
}

/** Words any thrown value as Stytch does: the status and a request id in the body, and a URL for every error. */
export function refuseStytch(error: unknown, requestId: string): WireAnswer {
  const answer = wordError(error, WORDING);
  const body = isObject(answer.body) ? answer.body : {};
  return {
    ...answer,
    body: {
      status_code: answer.status,
      request_id: requestId,
      ...body,
      error_url: `https://stytch.com/docs/api/errors/${answer.status}#${String(body["error_type"])}`,
    },
  };
}

/** Makes a refusal in Stytch's shape. */
export function stytchError(status: number, type: string, message: string): WireRefusal {
  return new WireRefusal({ status, body: { error_type: type, error_message: message } });
}

/** Makes the refusal for a session that is over or never existed: the two look alike. */
export function sessionNotFound(): WireRefusal {
  return stytchError(404, "session_not_found", "Session could not be found.");
}

/** Makes the refusal for an organization that is not open to the member; it does not tell whether the organization exists. */
export function organizationNotFound(): WireRefusal {
  return stytchError(404, "organization_not_found", "Organization could not be found.");
}

/** Makes the refusal for an intermediate session token that is expired, spent or made up. */
export function intermediateSessionNotFound(): WireRefusal {
  return stytchError(404, "intermediate_session_not_found", "The intermediate session could not be found.");
}

/** Makes the refusal for wrong credentials of the project. */
export function unauthorizedCredentials(): WireRefusal {
  const body = { error_type: "unauthorized_credentials", error_message: "Unauthorized credentials." };
  return new WireRefusal({ status: 401, body, headers: { "WWW-Authenticate": 'Basic realm="Stytch"' } });
}

/** Makes the refusal for an action that the roles of the session do not grant. */
export function notPermitted(): WireRefusal {
  const message = "The Member is not authorized to perform the requested action on that resource.";
  return stytchError(403, "session_authorization_error", message);
}

/** Makes the refusal for a session of another organization. */
export function wrongTenant(): WireRefusal {
  const message = "OrganizationID in AuthorizationCheck request does not match session's Organization ID";
  return stytchError(403, "session_authorization_tenancy_error", message);
}

const WORDING: ErrorWording = {
  refusals: {
    session_revoked: sessionNotFound,
    invalid_token: sessionNotFound,
    token_expired: sessionNotFound,
    organization_not_available: organizationNotFound,
    invalid_pending_authentication: intermediateSessionNotFound,
    reauthentication_required: () =>
      stytchError(
        403,
        "insufficient_factors",
        "The session does not meet the organization's rules any more.",
      ),
    sign_in_failed: () => stytchError(404, "member_not_found", "Member could not be found."),
    session_too_large: () => stytchError(400, "session_too_large", "The session JWT would be too large."),
    invalid_request: ({ message }) => stytchError(400, "bad_request", message),
    payload_too_large: () => stytchError(413, "request_too_large", "The request body is too large."),
    request_timeout: () => stytchError(408, "request_timeout", "The request body did not arrive in time."),
  },
  refuse: ({ status, code, message }) => stytchError(status, code, message),
  fail: (status) =>
    stytchError(status, "internal_server_error", "Oops, something seems to have gone wrong.").answer,
};
