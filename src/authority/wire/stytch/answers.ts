import { randomUUID } from "node:crypto";
import { type OrgateError, type StoreUnavailableError, isOrgateError } from "../../../errors.ts";
import { WireRefusal, isWireRefusal } from "../read-fields.ts";
import type { WireAnswer } from "../router.ts";

/** Puts answers into the form that all of Stytch's have. */
export interface Envelope {
  succeed(body: Readonly<Record<string, unknown>>): WireAnswer;
  readonly refuse: (error: unknown) => WireAnswer;
}

/** Makes the envelope of a project's answers: a request id, the status in the body, and a URL for every error. */
export function createEnvelope(projectId: string): Envelope {
  const prefix = projectId.startsWith("project-live-") ? "request-id-live" : "request-id-test";
  const identify = (): string => `${prefix}-${randomUUID()}`;
  return {
    succeed: (body) => ({ status: 200, body: { ...body, request_id: identify(), status_code: 200 } }),
    refuse: (error) => {
      const { status, body, headers = {} } = isWireRefusal(error) ? error.answer : translate(error);
      const told = typeof body === "object" && body !== null ? body : {};
      const type = String(Reflect.get(told, "error_type"));
      return {
        status,
        headers,
        body: {
          status_code: status,
          request_id: identify(),
          ...told,
          error_url: `https://stytch.com/docs/api/errors/${status}#${type}`,
        },
      };
    },
  };
}

const REFUSALS: ReadonlyMap<string, (error: OrgateError) => WireRefusal> = new Map([
  ["session_revoked", sessionNotFound],
  ["invalid_token", sessionNotFound],
  ["token_expired", sessionNotFound],
  ["organization_not_available", organizationNotFound],
  ["invalid_pending_authentication", intermediateSessionNotFound],
  ["sign_in_failed", () => stytchError(404, "member_not_found", "Member could not be found.")],
  ["session_too_large", () => stytchError(400, "session_too_large", "The session JWT would be too large.")],
  ["invalid_request", ({ message }: OrgateError) => stytchError(400, "bad_request", message)],
  ["payload_too_large", () => stytchError(413, "request_too_large", "The request body is too large.")],
]);

function translate(error: unknown): WireAnswer {
  if (!isOrgateError(error)) return internalError(500);
  if (error.code === "store_unavailable" || error.code === "clock_skew") return refuseTrouble(error);
  const refusal = REFUSALS.get(error.code)?.(error).answer;
  if (refusal !== undefined) return refusal;
  const { status, code, message, headers } = error;
  return status >= 500 ? internalError(500) : { ...stytchError(status, code, message).answer, headers };
}

/** Trouble is never "not found": nobody is signed out by it. */
function refuseTrouble(error: OrgateError): WireAnswer {
  const { retryAfter = 1 }: Partial<StoreUnavailableError> = error;
  return { ...internalError(503), headers: { "Retry-After": String(Math.max(1, Math.ceil(retryAfter))) } };
}

function internalError(status: 500 | 503): WireAnswer {
  return stytchError(status, "internal_server_error", "Oops, something seems to have gone wrong.").answer;
}

/** A refusal in Stytch's shape; the envelope completes it. */
export function stytchError(status: number, type: string, message: string): WireRefusal {
  return new WireRefusal({ status, body: { error_type: type, error_message: message } });
}

/** The session is over, or never was: the two look alike. */
export function sessionNotFound(): WireRefusal {
  return stytchError(404, "session_not_found", "Session could not be found.");
}

/** No organization of that name is open to the member; whether it exists is not told. */
export function organizationNotFound(): WireRefusal {
  return stytchError(404, "organization_not_found", "Organization could not be found.");
}

/** The intermediate session token is expired, spent, or was never made. */
export function intermediateSessionNotFound(): WireRefusal {
  return stytchError(404, "intermediate_session_not_found", "The intermediate session could not be found.");
}

/** The credentials of the project are wrong. */
export function unauthorizedCredentials(): WireRefusal {
  const body = { error_type: "unauthorized_credentials", error_message: "Unauthorized credentials." };
  return new WireRefusal({ status: 401, body, headers: { "WWW-Authenticate": 'Basic realm="Stytch"' } });
}

/** The roles of the session do not grant it. */
export function notPermitted(): WireRefusal {
  return stytchError(
    403,
    "session_authorization_error",
    "The Member is not authorized to perform the requested action on that resource.",
  );
}

/** The session is another organization's. */
export function wrongTenant(): WireRefusal {
  return stytchError(
    403,
    "session_authorization_tenancy_error",
    "OrganizationID in AuthorizationCheck request does not match session's Organization ID",
  );
}
