import { OrgateError } from "../../errors.ts";
import { isObject, isText } from "../shape.ts";
import type { StytchAuthorizationCheck } from "./authorization.ts";
import type { SessionQuestion } from "./authenticate-session.ts";
import type { StytchSettings } from "./resolve-options.ts";

/** What `authenticateJwt` is asked. */
export interface StytchAuthenticateJwtInput {
  readonly sessionJwt: string;
  /** A JWT of this age in seconds, or older, is asked about; `0`: always. @defaultValue only an expired one is */
  readonly maxTokenAgeSeconds?: number;
  /** Where Stytch is asked: the session lasts so long from then, from 5 to 527,040. @defaultValue it is not extended */
  readonly sessionDurationMinutes?: number;
  /** Where Stytch is asked: claims to add to the session; `null` deletes one. @defaultValue the store's option */
  readonly sessionCustomClaims?: Readonly<Record<string, unknown>>;
  readonly authorizationCheck?: StytchAuthorizationCheck;
  readonly signal?: AbortSignal;
}

/** The input of `authenticateJwt`, checked. */
export interface CheckedJwtInput {
  readonly sessionJwt: string;
  readonly maxAge: number | undefined;
  readonly changes: SessionQuestion["changes"];
  readonly check: StytchAuthorizationCheck | undefined;
  readonly signal: AbortSignal | undefined;
}

/**
 * Checks what `authenticateJwt` was given: a number that is none would switch the check of the age off.
 *
 * @throws OrgateError `invalid_request` that names the field, and quotes nothing.
 */
export function checkInput(settings: StytchSettings, input: StytchAuthenticateJwtInput): CheckedJwtInput {
  if (!isObject(input)) throw invalid("Pass an object with a sessionJwt.");
  const { sessionJwt, sessionDurationMinutes: minutes, maxTokenAgeSeconds: maxAge, signal } = input;
  if (!isText(sessionJwt)) throw invalid("sessionJwt must be a string that is not empty.");
  const claims = input.sessionCustomClaims ?? settings.sessionCustomClaims;
  if (claims !== undefined && !isObject(claims)) throw invalid("sessionCustomClaims must be an object.");
  if (maxAge !== undefined && !(Number.isFinite(maxAge) && maxAge >= 0)) {
    throw invalid("maxTokenAgeSeconds must be a finite number from 0.");
  }
  if (minutes !== undefined && !(Number.isInteger(minutes) && minutes >= 5 && minutes <= 527_040)) {
    throw invalid("sessionDurationMinutes must be a whole number from 5 to 527040.");
  }
  return {
    sessionJwt,
    maxAge,
    changes: {
      ...(minutes !== undefined && { session_duration_minutes: minutes }),
      ...(claims !== undefined && { session_custom_claims: claims }),
    },
    check: checkAuthorization(input.authorizationCheck),
    signal,
  };
}

function checkAuthorization(check: unknown): StytchAuthorizationCheck | undefined {
  if (check === undefined) return undefined;
  const { organizationId, resource, action } = isObject(check) ? check : {};
  if (!isText(organizationId) || !isText(resource) || !isText(action)) {
    throw invalid("authorizationCheck must have an organizationId, a resource and an action.");
  }
  return { organizationId, resource, action };
}

function invalid(message: string): OrgateError {
  return new OrgateError("invalid_request", { message });
}
