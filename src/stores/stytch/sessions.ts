import type { JsonObject } from "../../lib/json-client.ts";
import { isObject, isText, isTextList } from "../../lib/values.ts";
import type { MemberSession } from "../../model.ts";
import type {
  EndSessionTarget,
  PresentedEnd,
  RenewContext,
  Renewal,
  SealedSession,
  StaleCredential,
  StoreContext,
} from "../../store.ts";
import { asText, readKnownFields } from "../hosted-store.ts";
import {
  type SessionIdentity,
  identityOfCredential,
  interpretStytchClaims,
  readSessionFields,
} from "./claims.ts";
import {
  STYTCH_TYPES,
  type StytchClient,
  type StytchReply,
  stytchRejected,
  foreignRenewal,
  stytchUnavailable,
} from "./client.ts";
import { toSessionMinutes } from "./options.ts";
import { readSealedSession } from "./outcome.ts";
import {
  type StytchMember,
  type StytchOrganization,
  type StytchProfile,
  readMember,
  readOrganization,
} from "./profile.ts";

/** What names a session to Stytch: exactly one of the two. */
export type SessionSecret = { readonly session_jwt: string } | { readonly session_token: string };

/** A call of `POST /v1/b2b/sessions/authenticate`. */
export interface SessionRequest {
  readonly secret: SessionSecret;
  /** Whose session it is, as far as that is known: an answer about another session is refused. */
  readonly identity: SessionIdentity;
  /** What changes the session, if the session can be changed. Members that are `undefined` change nothing. */
  readonly changes: JsonObject;
  readonly authorization_check?: JsonObject | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Stytch's answer about a session. */
export type SessionReply =
  | { readonly status: "active"; readonly session: AuthenticatedSession }
  | Extract<StytchReply, { readonly status: "refused" }>;

/** A session that Stytch has just authenticated. */
export interface AuthenticatedSession {
  readonly credential: SealedSession;
  readonly memberSession: MemberSession;
  readonly member: StytchMember;
  readonly organization: StytchOrganization;
  /** The answer to the authorization check; `undefined` where Stytch gave none. */
  readonly verdict: { readonly authorized: boolean; readonly grantingRoles: readonly string[] } | undefined;
}

/**
 * Authenticates a session, and compares the answer with what was asked.
 *
 * @throws StoreUnavailableError for an answer about another session, or about none.
 */
export async function authenticateStytchSession(
  client: StytchClient,
  { secret, changes, authorization_check: check, identity, signal }: SessionRequest,
): Promise<SessionReply> {
  const post = (body: JsonObject): Promise<StytchReply> =>
    client.post("/v1/b2b/sessions/authenticate", body, { signal });
  const unchanged = { ...secret, authorization_check: check };
  const hasChanges = Object.values(changes).some((change) => change !== undefined);
  let reply = await post({ ...unchanged, ...changes });
  // That an impersonated session cannot be changed is no reason to end it.
  if (reply.status === "refused" && STYTCH_TYPES.notMutable.has(reply.type) && hasChanges) {
    reply = await post(unchanged);
  }
  if (reply.status === "refused") return reply;
  const session = readSession(reply.body);
  if (session === undefined) throw stytchUnavailable("nonsense", reply.requestId);
  // The new JWT decides who is signed in: it must be of the session that the rest of the answer is about.
  const { accessToken } = session.credential;
  const isExpected = isOf(session, identity) && isOf(session, identityOfCredential({ accessToken }));
  if (!isExpected) throw foreignRenewal(reply.requestId);
  return { status: "active", session };
}

function readSession(body: JsonObject): AuthenticatedSession | undefined {
  const { member_session: fields, member: memberFields, organization: organizationFields } = body;
  if (!isObject(fields) || !isObject(memberFields) || !isObject(organizationFields)) return undefined;
  const credential = readSealedSession(body);
  const memberSession = readMemberSession(fields);
  const member = memberSession && readMember(memberFields, memberSession.roles);
  const organization = readOrganization(organizationFields);
  if (!credential || !memberSession || !member || !organization) return undefined;
  const isOfOneMember =
    memberSession.memberId === member.id &&
    memberSession.organizationId === organization.id &&
    member.organizationId === organization.id;
  if (!isOfOneMember) return undefined;
  return { credential, memberSession, member, organization, verdict: readVerdict(body["verdict"]) };
}

function readMemberSession(session: JsonObject): MemberSession | undefined {
  const { member_session_id: id, member_id: memberId, organization_id: organizationId } = session;
  const { custom_claims: custom } = session;
  const fields = readSessionFields(session);
  if (!isText(id) || !isText(memberId) || !isText(organizationId) || fields === undefined) return undefined;
  return {
    id,
    memberId,
    organizationId,
    ...readKnownFields(session, { organizationSlug: asText }),
    ...fields,
    customClaims: isObject(custom) && Object.keys(custom).length > 0 ? custom : null,
  };
}

function readVerdict(value: unknown): AuthenticatedSession["verdict"] {
  if (!isObject(value)) return undefined;
  const { authorized, granting_roles: grantingRoles } = value;
  if (typeof authorized !== "boolean" || !isTextList(grantingRoles)) return undefined;
  return { authorized, grantingRoles };
}

/** Whether a session is the one that was asked about, as far as that is known. */
function isOf({ memberSession }: AuthenticatedSession, asked: SessionIdentity): boolean {
  const { memberId, organizationId, sessionId } = asked;
  return (
    (memberId === undefined || memberId === memberSession.memberId) &&
    (organizationId === undefined || organizationId === memberSession.organizationId) &&
    (sessionId === undefined || sessionId === memberSession.id)
  );
}

/**
 * Renews by `POST /v1/b2b/sessions/authenticate`: by the JWT that was presented, else by the session token.
 *
 * @throws StoreUnavailableError for an answer that says nothing about the session.
 */
export async function renewStytchCredential(
  client: StytchClient,
  stale: StaleCredential,
  context: RenewContext,
): Promise<Renewal<StytchProfile>> {
  const secret = secretOf(stale);
  if (secret === undefined) return { status: "unrenewable" };
  const reply = await authenticateStytchSession(client, {
    secret,
    identity: identityOfCredential(stale),
    changes: changesOf(client, stale, context),
    signal: context.signal,
  });
  if (reply.status === "active") {
    const { credential, member, organization } = reply.session;
    return { status: "active", credential, verifiedAt: client.settings.clock(), member, organization };
  }
  const { type: reason } = reply;
  if (STYTCH_TYPES.ended.has(reason)) return { status: "ended", reason };
  if (STYTCH_TYPES.stepUp.has(reason)) return { status: "reauthenticate", reason };
  const isVerified = stale.claims !== undefined || stale.sealed !== undefined;
  if (!isVerified && STYTCH_TYPES.notOurs.has(reason)) return { status: "rejected", reason };
  throw stytchRejected(reply);
}

/**
 * Chooses what names a session to Stytch. The JWT, because it was presented and the answer is compared with it; the session
 * token where the JWT's key is no longer known, for then Stytch may not know it either.
 */
export function secretOf(stale: StaleCredential): SessionSecret | undefined {
  const { claims, accessToken, sealed, opaqueToken } = stale;
  const sessionToken = opaqueToken ?? sealed?.refreshToken;
  if (isText(accessToken) && (claims !== undefined || !isText(sessionToken))) {
    return { session_jwt: accessToken };
  }
  return isText(sessionToken) ? { session_token: sessionToken } : undefined;
}

function changesOf(
  { settings: { sessionCustomClaims } }: StytchClient,
  { claims, sealed }: StaleCredential,
  { extendBy }: RenewContext,
): SessionRequest["changes"] {
  const session = claims && interpretStytchClaims(claims, sealed)?.memberSession;
  if (session?.impersonator !== undefined) return {};
  const minutes = extendBy === undefined ? undefined : toSessionMinutes(extendBy);
  return { session_duration_minutes: minutes, session_custom_claims: sessionCustomClaims };
}

/** Revokes a session, or all sessions of a member. A session that does not exist any more counts as revoked. */
export async function endStytchSession(
  client: StytchClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  // Stytch has no users: a target never names one, because no member has a `userId`.
  const body =
    "sessionId" in target
      ? { member_session_id: target.sessionId }
      : { member_id: "memberId" in target ? target.memberId : target.userId };
  const reply = await client.post("/v1/b2b/sessions/revoke", body, { signal });
  if (reply.status === "refused" && !STYTCH_TYPES.ended.has(reply.type)) {
    throw stytchRejected(reply);
  }
  return {};
}

/** Revokes the session of a session token or a JWT; or, once Stytch has said whose it is, all sessions of the member. */
export async function endPresentedToStytch(
  client: StytchClient,
  of: StaleCredential,
  scope: "session" | "member" | "user",
  context: StoreContext,
): Promise<PresentedEnd> {
  const secret = secretOf(of);
  if (secret === undefined) return { status: "unknown" };
  const { signal } = context;
  if (scope === "session") {
    const reply = await client.post("/v1/b2b/sessions/revoke", secret, { signal });
    return reply.status === "refused" ? toUnknown(reply) : { status: "ended" };
  }
  const request = { secret, identity: identityOfCredential(of), changes: {}, signal };
  const reply = await authenticateStytchSession(client, request);
  if (reply.status === "refused") return toUnknown(reply);
  const { id: sessionId, memberId } = reply.session.memberSession;
  await endStytchSession(client, { memberId }, context);
  return { status: "ended", sessionId, memberId };
}

function toUnknown(reply: Extract<StytchReply, { status: "refused" }>): PresentedEnd {
  const { type } = reply;
  if (STYTCH_TYPES.ended.has(type) || STYTCH_TYPES.notOurs.has(type)) return { status: "unknown" };
  throw stytchRejected(reply);
}
