import { StoreUnavailableError } from "../errors.ts";
import type { OrganizationChoice } from "../model.ts";
import type { Outcome } from "../stores/session-store.ts";

const REFUSALS: ReadonlySet<unknown> = new Set<Extract<Outcome, { status: "refused" }>["code"]>([
  "organization_not_available",
  "invalid_pending_authentication",
  "sign_in_failed",
  "session_revoked",
]);

/**
 * A store's outcome as it is declared.
 *
 * @throws StoreUnavailableError for anything else: nonsense is trouble of the store's, not an answer.
 */
export function checkOutcome(given: Outcome): Outcome {
  if (isOutcome(given)) return given;
  throw new StoreUnavailableError({ reason: "nonsense" });
}

/** A store's list of organizations as it is declared. Throws like {@link checkOutcome}. */
export function checkChoices(given: readonly OrganizationChoice[]): readonly OrganizationChoice[] {
  const value: unknown = given;
  if (!Array.isArray(value) || !value.every(isChoice))
    throw new StoreUnavailableError({ reason: "nonsense" });
  return given.map(({ id, name }) => ({ id, name }));
}

/** Whether a value is an outcome, complete enough to be acted upon. */
export function isOutcome(value: unknown): value is Outcome {
  if (!isRecord(value)) return false;
  const { credential, pending, organizations, reason, details, code } = value;
  switch (value["status"]) {
    case "authenticated":
      return isRecord(credential) && typeof credential["accessToken"] === "string";
    case "selection_required":
      return isPendingAuthentication(pending) && Array.isArray(organizations);
    case "step_up_required":
      return (
        typeof reason === "string" &&
        (pending === undefined || isPendingAuthentication(pending)) &&
        (details === undefined || isRecord(details))
      );
    case "refused":
      return REFUSALS.has(code);
    default:
      return false;
  }
}

function isPendingAuthentication(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { pendingAuthenticationToken: token, userId } = value;
  return typeof token === "string" && (userId === undefined || typeof userId === "string");
}

function isChoice(value: unknown): boolean {
  return isRecord(value) && typeof value["id"] === "string" && typeof value["name"] === "string";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
