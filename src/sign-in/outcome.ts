import { StoreUnavailableError } from "../errors.ts";
import { isOrganizationChoice } from "../guards/organizations.ts";
import { isListOf, isObject, isOptional, isString } from "../lib/predicates.ts";
import type { Outcome } from "../store.ts";

const REFUSALS: ReadonlySet<unknown> = new Set<Extract<Outcome, { status: "refused" }>["code"]>([
  "organization_not_available",
  "invalid_pending_authentication",
  "sign_in_failed",
  "session_revoked",
]);

/**
 * Checks that a store answered with an outcome.
 *
 * @throws StoreUnavailableError otherwise: a malformed answer is a defect of the store and says nothing about the member.
 */
export function checkOutcome(given: unknown): Outcome {
  if (isOutcome(given)) return given;
  throw new StoreUnavailableError({ reason: "nonsense" });
}

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
        (details === undefined || (typeof details === "object" && details !== null))
      );
    case "refused":
      return REFUSALS.has(code) && isOptional(reason, isString);
    default:
      return false;
  }
}

function isCredential(value: unknown): boolean {
  return isObject(value) && isString(value["accessToken"]) && isOptional(value["refreshToken"], isString);
}

function isPendingAuthentication(value: unknown): boolean {
  return (
    isObject(value) &&
    isString(value["pendingAuthenticationToken"]) &&
    (value["userId"] === undefined || isString(value["userId"]))
  );
}
