import { StoreUnavailableError } from "../errors.ts";
import type { JsonObject } from "../lib/json-body.ts";
import type { UnavailableReply } from "../lib/json-client.ts";
import { isText } from "../lib/predicates.ts";
import type { OrganizationChoice } from "../model.ts";
import type { Outcome, PendingAuthentication, SessionStore } from "../store.ts";

/** A session store that has these optional operations. */
export type StoreWith<Operation extends keyof SessionStore> = SessionStore &
  Required<Pick<SessionStore, Operation>>;

/** Turns a reply without an answer into the error that a store throws for it. It repeats nothing that was received. */
export function serviceUnavailable(
  { reason, httpStatus, retryAfter, cause }: UnavailableReply,
  requestId?: string,
): StoreUnavailableError {
  const status = httpStatus === undefined ? "" : `, status ${httpStatus}`;
  const message = `The service could not answer (${reason}${status}).`;
  return new StoreUnavailableError({ reason, message, retryAfter, requestId, cause });
}

/** Seconds that a selection goes on after the request was aborted: submitted again, it would find the pending token spent. */
export const SELECTION_ABORT_GRACE = 20;

/** An outcome whose step-up tells the application what the next step needs. */
export type OutcomeWithDetails<Details extends object> =
  | Exclude<Outcome, { status: "step_up_required" }>
  | (Extract<Outcome, { status: "step_up_required" }> & { readonly details: Details });

type Refusal = Extract<Outcome, { status: "refused" }>;

/** Makes a refusal of orgate's code and, for the log, the service's own. */
export function refuse(code: Refusal["code"], reason: string): Refusal {
  return { status: "refused", code, reason };
}

/** Makes a pending authentication whose token is not enumerable, so that no log and no `inspect` shows it. */
export function hidePendingToken(token: string, userId?: string): PendingAuthentication {
  const pending = { pendingAuthenticationToken: token, ...(userId !== undefined && { userId }) };
  return Object.defineProperty(pending, "pendingAuthenticationToken", { enumerable: false });
}

/** Makes a choice of an organization; one without a name is offered by its id. */
export function toChoice(id: string, name: unknown): OrganizationChoice {
  return { id, name: isText(name) ? name : id };
}

/** Picks the claims that neither the token format nor the service defines; `null` if there are none. */
export function readCustomClaims(claims: JsonObject, known: ReadonlySet<string>): JsonObject | null {
  const custom = Object.entries(claims).filter(([name]) => !known.has(name));
  return custom.length === 0 ? null : Object.fromEntries(custom);
}

/** Splits a list of names at its spaces and line breaks. */
export function nameSet(names: string): ReadonlySet<string> {
  return new Set(names.trim().split(/\s+/));
}
