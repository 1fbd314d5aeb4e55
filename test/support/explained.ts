import type { ErrorCode } from "../../src/errors.ts";
import type { OrgateEvent } from "../../src/events.ts";

/** Codes of a denial that say everything themselves. */
const SELF_EXPLAINING: ReadonlySet<ErrorCode> = new Set([
  "unauthenticated",
  "impersonation_denied",
  "organization_mismatch",
  "organization_selection_required",
  // What was sent is at fault, and nobody was refused.
  "invalid_request",
  "method_not_allowed",
  "payload_too_large",
  "request_timeout",
]);

/**
 * Lists the events `denied` that do not say why: by a code that explains itself, a reason, what a guard asked for, or an event
 * `rejected` or `unavailable` of the same code before.
 */
export function unexplainedDenials(events: readonly OrgateEvent[]): OrgateEvent[] {
  return events.filter((event, index) => {
    if (event.type !== "denied" || event.reason !== undefined || SELF_EXPLAINING.has(event.code))
      return false;
    if (event.role !== undefined || event.factor !== undefined) return false;
    if (event.resource !== undefined && event.action !== undefined) return false;
    return !events.slice(0, index).some((earlier) => hasReasonFor(event.code, earlier));
  });
}

function hasReasonFor(code: ErrorCode, event: OrgateEvent): boolean {
  if (event.type !== "rejected" && event.type !== "unavailable") return false;
  // What the type promises must be there.
  return event.code === code && /^[a-z][\w]*$/.test(event.reason);
}
