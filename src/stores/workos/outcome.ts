import { type JsonObject, isConfidential } from "../../lib/json-client.ts";
import { isListOf, isObject, isString, isText } from "../../lib/values.ts";
import type { PendingAuthentication } from "../../store.ts";
import {
  type KnownFields,
  type OutcomeWithDetails,
  type Reader,
  asListOf,
  asText,
  asTextList,
  hidePendingToken,
  readKnownFields,
  refusedOutcome,
  toChoice,
} from "../hosted-store.ts";
import {
  type GrantReply,
  NOT_FOUND,
  WORKOS_CODES,
  contended,
  rejected,
  workosUnavailable,
} from "./client.ts";

/** How a grant ended, with what its next step needs. */
export type WorkosOutcome = OutcomeWithDetails<StepUpDetails>;

/**
 * What a grant exchanges: a first credential, the token of an unfinished authentication, or a session's refresh token; the
 * latter two also with an organization that the user chose.
 */
export type GrantKind = "credential" | "pending" | "selection" | "refresh" | "switch";

/**
 * Turns the reply to a grant into an outcome.
 *
 * @throws StoreUnavailableError for an answer that says nothing about the user or the session.
 */
export function toOutcome(reply: GrantReply, kind: GrantKind): WorkosOutcome {
  if (reply.status === "contended") throw contended(reply.retryAfter);
  if (reply.status === "authenticated") return { status: "authenticated", credential: reply.authentication };
  const { httpStatus, code, body } = reply;
  if (code === "organization_selection_required") return toSelection(body);
  if (WORKOS_CODES.stepUp.has(code)) return toStepUp(code, body);
  if (WORKOS_CODES.noOrganization.has(code)) return refusedOutcome("organization_not_available", code);
  const isChosen = kind === "selection" || kind === "switch";
  if (isChosen && WORKOS_CODES.noSuchChoice.has(code))
    return refusedOutcome("organization_not_available", code);
  if (code === NOT_FOUND) throw rejected({ status: httpStatus, code });
  const isPending = kind === "pending" || kind === "selection";
  if (isPending && WORKOS_CODES.notPending.has(code))
    return refusedOutcome("invalid_pending_authentication", code);
  if (isPending || kind === "credential") return refusedOutcome("sign_in_failed", code);
  if (WORKOS_CODES.ended.has(code)) return refusedOutcome("session_revoked", code);
  throw rejected({ status: httpStatus, code });
}

function toSelection(body: JsonObject): WorkosOutcome {
  const pending = readPending(body);
  const { organizations } = body;
  if (pending === undefined || !isListOf(organizations, hasId)) throw workosUnavailable("nonsense");
  const choices = organizations.map(({ id, name }) => toChoice(id, name));
  return { status: "selection_required", pending, organizations: choices };
}

function hasId(value: unknown): value is { readonly id: string; readonly name?: unknown } {
  return isObject(value) && isText(value["id"]);
}

function toStepUp(code: string, body: JsonObject): WorkosOutcome {
  const pending = readPending(body);
  const connectionIds = body["connection_ids"] ?? body["sso_connection_ids"];
  return {
    status: "step_up_required",
    reason: code,
    ...(pending !== undefined && { pending }),
    ...readRedirect(body),
    details: readKnownFields({ ...body, connection_ids: connectionIds }, STEP_UP_DETAILS),
  };
}

function readPending(body: JsonObject): PendingAuthentication | undefined {
  const { pending_authentication_token: token, user } = body;
  if (!isText(token)) return undefined;
  return hidePendingToken(token, isObject(user) ? asText(user["id"]) : undefined);
}

const MAX_URL_LENGTH = 2048;

/** Reads the URL that WorkOS wants the browser to go to, if it is safe to send a browser there. */
export function readRedirect({ authkit_redirect_url: value }: JsonObject): { readonly url?: string } {
  if (!isString(value) || value.length > MAX_URL_LENGTH || !URL.canParse(value)) return {};
  const url = new URL(value);
  return isConfidential(url) ? { url: url.href } : {};
}

const asId: Reader<string> = (value) => (isObject(value) ? asText(value["id"]) : undefined);

const asFactor: Reader<{ readonly id: string; readonly type: string }> = (value) => {
  if (!isObject(value)) return undefined;
  const { id, type } = value;
  return isText(id) && isText(type) ? { id, type } : undefined;
};

/** Reads the names of the methods that are switched on. */
const asAllowedMethods: Reader<readonly string[]> = (value) =>
  isObject(value) ? Object.keys(value).filter((method) => value[method] === true) : undefined;

const STEP_UP_DETAILS = {
  emailAddress: ["email", asText],
  /** For `email_verification_required`. */
  emailVerificationId: asText,
  /** For `mfa_challenge`: the challenge that the code answers, made by WorkOS or by the store; absent where it could not be made. */
  authenticationChallengeId: ["authentication_challenge", asId],
  /** For `mfa_challenge`: the factors that can be challenged. */
  authenticationFactors: asListOf(asFactor),
  /** For `radar_email_challenge`. */
  radarChallengeId: asText,
  /** For `sso_required`: the connections one of which must be used. */
  connectionIds: asTextList,
  /** For `organization_authentication_methods_required`: the methods that the organization allows. */
  authenticationMethods: ["auth_methods", asAllowedMethods],
} as const;

/** What the step after an unfinished authentication needs. Which fields are present depends on the reason. */
export interface StepUpDetails extends KnownFields<typeof STEP_UP_DETAILS> {}
