import type { OrganizationChoice } from "../../model.ts";
import type { JsonObject } from "../json-reply.ts";
import type { Outcome, PendingAuthentication } from "../session-store.ts";
import { ENDED, NO_ORGANIZATION, NO_SUCH_CHOICE, NOT_FOUND, NOT_PENDING, STEP_UP } from "./error-codes.ts";
import { readRedirectUrl } from "./redirect-url.ts";
import { readStepUpDetails, type StepUpDetails } from "./step-up-details.ts";
import { isObject, isText } from "../shape.ts";
import { rejected, trouble } from "./trouble.ts";
import type { GrantReply } from "./workos-client.ts";

/** How a grant ended, with what its next step needs. */
export type WorkosOutcome =
  | Exclude<Outcome, { status: "step_up_required" }>
  | (Extract<Outcome, { status: "step_up_required" }> & { readonly details: StepUpDetails });

/**
 * What a grant was given: a first credential, the token of an unfinished authentication, or a session's own; the latter two
 * also with an organization that somebody chose.
 */
export type GrantSort = "credential" | "pending" | "selection" | "refresh" | "switch";

/**
 * Reads a grant's reply as an outcome.
 *
 * @throws StoreUnavailableError for an answer that makes no sense of the grant.
 */
export function toOutcome(reply: GrantReply, sort: GrantSort): WorkosOutcome {
  if (reply.status === "authenticated") return { status: "authenticated", credential: reply.authentication };
  const { code, body } = reply;
  if (code === "organization_selection_required") return toSelection(body);
  if (STEP_UP.has(code)) return toStepUp(code, body);
  if (NO_ORGANIZATION.has(code)) return refuse("organization_not_available", code);
  const isChosen = sort === "selection" || sort === "switch";
  if (isChosen && NO_SUCH_CHOICE.has(code)) return refuse("organization_not_available", code);
  if (code === NOT_FOUND) throw rejected(code);
  const isPending = sort === "pending" || sort === "selection";
  if (isPending && NOT_PENDING.has(code)) return refuse("invalid_pending_authentication", code);
  if (isPending || sort === "credential") return refuse("sign_in_failed", code);
  if (ENDED.has(code)) return refuse("session_revoked", code);
  throw rejected(code);
}

/** A refusal, with a code of orgate's and, for the log, WorkOS's. */
export function refuse(
  code: Extract<Outcome, { status: "refused" }>["code"],
  reason: string,
): Extract<Outcome, { status: "refused" }> {
  return { status: "refused", code, reason };
}

/** A pending authentication whose token no log and no `inspect` shows. */
function hidePending(body: JsonObject): PendingAuthentication | undefined {
  const { pending_authentication_token: token, user } = body;
  if (!isText(token)) return undefined;
  const pending = isObject(user) && isText(user["id"]) ? { userId: user["id"] } : {};
  return Object.defineProperty(pending, "pendingAuthenticationToken", {
    value: token,
  }) as PendingAuthentication;
}

function toSelection(body: JsonObject): WorkosOutcome {
  const pending = hidePending(body);
  const organizations = readChoices(body["organizations"]);
  if (pending === undefined || organizations === undefined) throw trouble("nonsense");
  return { status: "selection_required", pending, organizations };
}

function readChoices(value: unknown): readonly OrganizationChoice[] | undefined {
  if (!Array.isArray(value) || !value.every(isChoice)) return undefined;
  return value.map(({ id, name }) => ({ id, name: isText(name) ? name : id }));
}

function isChoice(value: unknown): value is { readonly id: string; readonly name?: unknown } {
  return isObject(value) && isText(value["id"]);
}

function toStepUp(code: string, body: JsonObject): WorkosOutcome {
  const pending = hidePending(body);
  const url = readRedirectUrl(body["authkit_redirect_url"]);
  return {
    status: "step_up_required",
    reason: code,
    ...(pending !== undefined && { pending }),
    ...(url !== undefined && { url }),
    details: readStepUpDetails(body),
  };
}
