import { randomUUID } from "node:crypto";
import { isOrgateError } from "../../../errors.ts";
import type { OrgateError, StoreUnavailableError } from "../../../errors.ts";
import type { WireAnswer } from "../router.ts";
import { isWireRefusal } from "../wire-refusal.ts";
import type { WireRefusal } from "../wire-refusal.ts";
import { intermediateSessionNotFound, organizationNotFound, sessionNotFound, stytchError } from "./errors.ts";

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
