import { type JsonObject, isConfidential } from "../../lib/json-client.ts";
import { isObject, isText, isTextList } from "../../lib/predicates.ts";
import type { OrganizationChoice } from "../../model.ts";
import type { Outcome, PendingAuthentication, SealedSession } from "../../store.ts";
import {
  ENDED,
  type GrantReply,
  NOT_FOUND,
  NOT_PENDING,
  NO_ORGANIZATION,
  NO_SUCH_CHOICE,
  STEP_UP,
  rejected,
  trouble,
} from "./client.ts";

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

/** What the step after an unfinished authentication needs; which of it is there depends on the reason. */
export interface StepUpDetails {
  readonly emailAddress?: string;
  /** For `email_verification_required`. */
  readonly emailVerificationId?: string;
  /** For `mfa_challenge`, where WorkOS has sent the challenge already. */
  readonly authenticationChallengeId?: string;
  /** For `mfa_challenge`: the factors that can be challenged. */
  readonly authenticationFactors?: readonly { readonly id: string; readonly type: string }[];
  /** For `radar_email_challenge`. */
  readonly radarChallengeId?: string;
  /** For `sso_required`: the connections one of which must be used. */
  readonly connectionIds?: readonly string[];
  /** For `organization_authentication_methods_required`: the methods that the organization allows. */
  readonly authenticationMethods?: readonly string[];
}

/** Reads what a refusal says of the next step. */
export function readStepUpDetails(body: JsonObject): StepUpDetails {
  const challengeId = isObject(body["authentication_challenge"])
    ? body["authentication_challenge"]["id"]
    : undefined;
  const details = {
    emailAddress: textOf(body["email"]),
    emailVerificationId: textOf(body["email_verification_id"]),
    authenticationChallengeId: textOf(challengeId),
    authenticationFactors: readFactors(body["authentication_factors"]),
    radarChallengeId: textOf(body["radar_challenge_id"]),
    connectionIds: listOf(body["connection_ids"] ?? body["sso_connection_ids"]),
    authenticationMethods: readMethods(body["auth_methods"]),
  };
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}

function textOf(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}

function listOf(value: unknown): readonly string[] | undefined {
  return isTextList(value) ? value : undefined;
}

function readFactors(value: unknown): StepUpDetails["authenticationFactors"] {
  if (!Array.isArray(value)) return undefined;
  return value.flatMap((factor: unknown) => {
    if (!isObject(factor)) return [];
    const { id, type } = factor;
    return isText(id) && isText(type) ? [{ id, type }] : [];
  });
}

function readMethods(value: unknown): readonly string[] | undefined {
  if (!isObject(value)) return undefined;
  return Object.entries(value).flatMap(([method, isAllowed]) => (isAllowed === true ? [method] : []));
}

/** A session as WorkOS has just handed it out. */
export interface Authentication extends SealedSession {
  readonly refreshToken: string;
  readonly user: { readonly id: string; readonly [field: string]: unknown };
}

/** WorkOS's fields of a user, and their names in the sealed session: those of its SDKs. */
const USER_FIELDS: readonly (readonly [wire: string, sealed: string])[] = [
  ["object", "object"],
  ["id", "id"],
  ["email", "email"],
  ["email_verified", "emailVerified"],
  ["name", "name"],
  ["first_name", "firstName"],
  ["profile_picture_url", "profilePictureUrl"],
  ["last_name", "lastName"],
  ["last_sign_in_at", "lastSignInAt"],
  ["locale", "locale"],
  ["created_at", "createdAt"],
  ["updated_at", "updatedAt"],
  ["external_id", "externalId"],
];

/** Up to 30 KB of metadata are allowed; a cookie holds less. */
const MOST_METADATA = 1024;

/**
 * Reads the answer to a grant, as it is sealed: the fields of WorkOS's SDKs and no others, for whatever else an answer
 * carries (provider tokens, a seal of somebody else's) would only fill the cookie.
 *
 * @returns `undefined` for whatever is not a complete answer.
 */
export function readAuthentication(body: JsonObject): Authentication | undefined {
  const { access_token: accessToken, refresh_token: refreshToken, user } = body;
  if (!isText(accessToken) || !isText(refreshToken) || !isObject(user) || !isText(user["id"]))
    return undefined;
  const { organization_id: organizationId, authentication_method: authenticationMethod, impersonator } = body;
  return {
    ...(isText(organizationId) && { organizationId }),
    user: toSealedUser(user, user["id"]),
    accessToken,
    refreshToken,
    ...(isText(authenticationMethod) && { authenticationMethod }),
    ...toSealedImpersonator(impersonator),
  };
}

function toSealedUser(user: JsonObject, id: string): Authentication["user"] {
  const fields = USER_FIELDS.filter(([wire]) => isScalar(user[wire]));
  const { metadata } = user;
  const isSmall = isObject(metadata) && JSON.stringify(metadata).length <= MOST_METADATA;
  return {
    ...Object.fromEntries(fields.map(([wire, sealed]) => [sealed, user[wire]])),
    id,
    ...(isSmall && { metadata }),
  };
}

function toSealedImpersonator(value: unknown): Pick<SealedSession, "impersonator"> {
  if (!isObject(value) || !isText(value["email"])) return {};
  const { email, reason } = value;
  return { impersonator: { email, ...(isText(reason) && { reason }) } };
}

function isScalar(value: unknown): boolean {
  return value === null || typeof value === "string" || typeof value === "boolean";
}

const LONGEST = 2048;

/** A URL that WorkOS wants the browser to go to; `undefined` for whatever a browser should not be sent to. */
export function readRedirectUrl(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > LONGEST || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return isConfidential(url) ? url.href : undefined;
}
