import {
  type OrganizationSelectionRequiredError,
  type StepUpRequiredError,
  isOrgateError,
} from "../errors.ts";
import { isOrganizationChoice } from "../guards/authorize.ts";
import { configurationError } from "../lib/problems.ts";
import { isListOf, isObject, isOptional, isString } from "../lib/values.ts";
import type { Impersonator } from "../model.ts";
import type { Outcome, SealedSession } from "../store.ts";

/** What an authority answers a sign-in with: the members that a session cookie carries. */
export interface AuthenticationResultLike {
  readonly accessToken: string;
  readonly refreshToken?: string | undefined;
  readonly user?: { readonly id: string } | undefined;
  readonly organizationId?: string | undefined;
  readonly authenticationMethod?: string | undefined;
  readonly impersonator?: Impersonator | undefined;
}

/** A completed authentication, or what must be done first. */
export type Authentication = Outcome | AuthenticationResultLike;

/** Reads what a sign-in handler passes; throws a `ConfigurationError` for anything else. */
export function outcomeOf(given: unknown): Outcome {
  if (isOutcome(given)) return given;
  if (isCredential(given)) return { status: "authenticated", credential: toCredential(given) };
  throw configurationError(
    "authentication_invalid",
    "establish",
    "was not given an authentication.",
    "Pass what authority.authenticate({ ... }) returns, or an Outcome of your store.",
  );
}

function toCredential(result: AuthenticationResultLike): SealedSession {
  const { accessToken, refreshToken, user, organizationId, authenticationMethod, impersonator } = result;
  return {
    accessToken,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(user !== undefined && { user: { ...user } }),
    ...(organizationId !== undefined && { organizationId }),
    ...(authenticationMethod !== undefined && { authenticationMethod }),
    ...(impersonator !== undefined && { impersonator }),
  };
}

/** What is left to do before there is a session, as an authority's error carries it. */
export function unfinishedOf(error: unknown): Outcome | undefined {
  return selectionOf(error) ?? stepOf(error);
}

/** The organizations to choose from, as an `OrganizationSelectionRequiredError` carries them. */
function selectionOf(error: unknown): Outcome | undefined {
  if (!isOrgateError(error) || error.code !== "organization_selection_required") return undefined;
  const { pendingAuthenticationToken, organizations }: Partial<OrganizationSelectionRequiredError> = error;
  const selection = { status: "selection_required", pending: { pendingAuthenticationToken }, organizations };
  return isOutcome(selection) ? selection : undefined;
}

/** The step that is due, as a `StepUpRequiredError` carries it. */
function stepOf(error: unknown): Outcome | undefined {
  if (!isOrgateError(error) || error.code !== "reauthentication_required") return undefined;
  const { reason, details, pendingAuthenticationToken: token }: Partial<StepUpRequiredError> = error;
  const pending = token === undefined ? undefined : { pendingAuthenticationToken: token };
  const step = { status: "step_up_required", reason, details, pending };
  return isOutcome(step) ? step : undefined;
}

const REFUSAL_CODES: ReadonlySet<unknown> = new Set<Extract<Outcome, { status: "refused" }>["code"]>([
  "organization_not_available",
  "invalid_pending_authentication",
  "sign_in_failed",
  "session_revoked",
]);

/** Whether a value is an outcome; `null` counts as an absent member. */
export function isOutcome(value: unknown): value is Outcome {
  if (!isObject(value)) return false;
  const { status, credential, pending, organizations, reason, details, code } = value;
  switch (status) {
    case "authenticated":
      return isCredential(credential);
    case "selection_required":
      return isPendingAuthentication(pending) && isListOf(organizations, isOrganizationChoice);
    case "step_up_required":
      return (
        isString(reason) &&
        (pending === undefined || isPendingAuthentication(pending)) &&
        (details === undefined || isObject(details))
      );
    case "refused":
      return REFUSAL_CODES.has(code) && isOptional(reason, isString);
    default:
      return false;
  }
}

/** Whether a value has the tokens of a session; what else it has is checked when it is verified. */
function isCredential(value: unknown): value is AuthenticationResultLike {
  return isObject(value) && isString(value["accessToken"]) && isOptional(value["refreshToken"], isString);
}

function isPendingAuthentication(value: unknown): boolean {
  return (
    isObject(value) &&
    isString(value["pendingAuthenticationToken"]) &&
    (value["userId"] === undefined || isString(value["userId"]))
  );
}
