import type { JsonObject } from "../../lib/json-body.ts";
import { isObject, isText, isTextList } from "../../lib/predicates.ts";
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
import {
  type SessionIdentity,
  identityOf,
  interpretClaims,
  peekIdentity,
  readSessionFields,
} from "./claims.ts";
import { ENDED, NOT_MUTABLE, NOT_OURS, type StytchClient, type StytchReply, trouble } from "./client.ts";
import { type StytchMember, readMember } from "./member.ts";
import { toSessionMinutes } from "./options.ts";
import { type StytchOrganization, readOrganization } from "./organization.ts";

/** What is authenticated: exactly one of the two. */
export type SessionSecret = { readonly session_jwt: string } | { readonly session_token: string };

/** A call of `POST /v1/b2b/sessions/authenticate`. */
export interface SessionQuestion {
  readonly secret: SessionSecret;
  /** Whose session it is, as far as it is known: an answer about another is none. */
  readonly identity: SessionIdentity;
  /** What changes the session, where it can be changed. */
  readonly changes: {
    readonly session_duration_minutes?: number;
    readonly session_custom_claims?: JsonObject;
  };
  readonly authorization_check?: JsonObject;
  readonly signal: AbortSignal | undefined;
}

/** What Stytch says of a session. Trouble is thrown. */
export type SessionVerdict =
  | { readonly status: "active"; readonly answer: SessionAnswer; readonly requestId: string | undefined }
  | Extract<StytchReply, { readonly status: "refused" }>;

/** Authenticates a session, and holds the answer against what was asked. */
export async function authenticateSession(
  client: StytchClient,
  question: SessionQuestion,
): Promise<SessionVerdict> {
  const { secret, changes, authorization_check: check, identity, signal } = question;
  const post = (body: JsonObject): Promise<StytchReply> =>
    client.post("/v1/b2b/sessions/authenticate", body, { signal });
  const unchanged = { ...secret, ...(check !== undefined && { authorization_check: check }) };
  let reply = await post({ ...unchanged, ...changes });
  // That an impersonated session cannot be changed is no reason to end it.
  if (reply.status === "refused" && reply.type === NOT_MUTABLE && Object.keys(changes).length > 0) {
    reply = await post(unchanged);
  }
  if (reply.status === "refused") return reply;
  const answer = readSessionAnswer(reply.body);
  if (answer === undefined) throw trouble("nonsense", reply.requestId);
  // The new JWT decides who is signed in: it must be of the session that the rest of the answer tells of.
  const isOfOne = isAnswerFor(answer, identity) && isAnswerFor(answer, peekIdentity(answer.sessionJwt));
  if (!isOfOne) throw trouble("identity", reply.requestId);
  return { status: "active", answer, requestId: reply.requestId };
}

/**
 * Renews by `POST /v1/b2b/sessions/authenticate`: by the JWT that was presented, else by the session token.
 *
 * @throws StoreUnavailableError for every answer that does not say what became of the session.
 */
export async function renewCredential(
  client: StytchClient,
  stale: StaleCredential,
  context: RenewContext,
): Promise<Renewal> {
  const secret = secretOf(stale);
  if (secret === undefined) return { status: "unrenewable" };
  const verdict = await authenticateSession(client, {
    secret,
    identity: stale.claims === undefined ? peekIdentity(stale.accessToken) : identityOf(stale.claims),
    changes: changesOf(client, stale, context),
    signal: context.signal,
  });
  if (verdict.status === "active") {
    const { answer } = verdict;
    return {
      status: "active",
      credential: toCredential(answer),
      verifiedAt: client.settings.clock(),
      member: answer.member,
      organization: answer.organization,
    };
  }
  const { type, requestId } = verdict;
  if (ENDED.has(type)) return { status: "ended", reason: type };
  const isVouchedFor = stale.claims !== undefined || stale.sealed !== undefined;
  if (!isVouchedFor && NOT_OURS.has(type)) return { status: "rejected", reason: type };
  throw trouble("request_rejected", requestId);
}

/**
 * What names a session to Stytch. The JWT, because it is what was presented and what the answer is held against; the session
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
  { settings }: StytchClient,
  { claims, sealed }: StaleCredential,
  { extendBy }: RenewContext,
): SessionQuestion["changes"] {
  const isImpersonated =
    claims !== undefined && interpretClaims(claims, sealed)?.memberSession.impersonator !== undefined;
  if (isImpersonated) return {};
  const { sessionCustomClaims } = settings;
  return {
    ...(extendBy !== undefined && { session_duration_minutes: toSessionMinutes(extendBy) }),
    ...(sessionCustomClaims !== undefined && { session_custom_claims: sessionCustomClaims }),
  };
}

/** Revokes a session, or all of a member's. A session that is gone already is no trouble. */
export async function endSession(
  client: StytchClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  const body =
    "sessionId" in target ? { member_session_id: target.sessionId } : { member_id: target.memberId };
  const reply = await client.post("/v1/b2b/sessions/revoke", body, { signal });
  if (reply.status === "refused" && !ENDED.has(reply.type))
    throw trouble("request_rejected", reply.requestId);
  return {};
}

/** Revokes the session that a session token, or a JWT, is of; or, once Stytch has said whose it is, all of the member's. */
export async function endPresented(
  client: StytchClient,
  of: StaleCredential,
  scope: "session" | "member",
  context: StoreContext,
): Promise<PresentedEnd> {
  const secret = secretOf(of);
  if (secret === undefined) return { status: "unknown" };
  const { signal } = context;
  if (scope === "session") {
    const reply = await client.post("/v1/b2b/sessions/revoke", { ...secret }, { signal });
    return reply.status === "refused" ? readRefusal(reply) : { status: "ended" };
  }
  const identity = of.claims === undefined ? peekIdentity(of.accessToken) : identityOf(of.claims);
  const verdict = await authenticateSession(client, { secret, identity, changes: {}, signal });
  if (verdict.status === "refused") return readRefusal(verdict);
  const { id: sessionId, memberId } = verdict.answer.memberSession;
  await endSession(client, { memberId }, context);
  return { status: "ended", sessionId, memberId };
}

function readRefusal({ type, requestId }: Extract<StytchReply, { status: "refused" }>): PresentedEnd {
  if (ENDED.has(type) || NOT_OURS.has(type)) return { status: "unknown" };
  throw trouble("request_rejected", requestId);
}

/** A session as Stytch has just answered for it. */
export interface SessionAnswer {
  readonly sessionJwt: string;
  readonly sessionToken: string | undefined;
  readonly memberSession: MemberSession;
  readonly member: StytchMember;
  readonly organization: StytchOrganization;
  /** The roles that grant what was asked; `undefined` where Stytch gave no verdict. */
  readonly verdict: { readonly authorized: boolean; readonly grantingRoles: readonly string[] } | undefined;
}

/** Reads an answer with a session; `undefined` for whatever is not complete, or is not of one member. */
export function readSessionAnswer(body: JsonObject): SessionAnswer | undefined {
  const { session_jwt: sessionJwt, session_token: sessionToken, member_session: session } = body;
  if (!isText(sessionJwt) || !isObject(session) || !isObject(body["member"])) return undefined;
  const memberSession = readMemberSession(session);
  const member = memberSession && readMember(body["member"], memberSession.roles);
  const organization = isObject(body["organization"]) ? readOrganization(body["organization"]) : undefined;
  if (memberSession === undefined || member === undefined || organization === undefined) return undefined;
  const isOfOne =
    memberSession.memberId === member.id &&
    memberSession.organizationId === organization.id &&
    member.organizationId === organization.id;
  if (!isOfOne) return undefined;
  return {
    sessionJwt,
    sessionToken: isText(sessionToken) ? sessionToken : undefined,
    memberSession,
    member,
    organization,
    verdict: readVerdict(body["verdict"]),
  };
}

/** Whether an answer is of the session that was asked about, as far as it is known. */
export function isAnswerFor({ memberSession }: SessionAnswer, asked: SessionIdentity): boolean {
  const { memberId, organizationId, sessionId } = asked;
  return (
    (memberId === undefined || memberId === memberSession.memberId) &&
    (organizationId === undefined || organizationId === memberSession.organizationId) &&
    (sessionId === undefined || sessionId === memberSession.id)
  );
}

/** What is sealed of a session; the session token stands in the refresh token's place, and does not rotate. */
export function toCredential({ sessionJwt, sessionToken, member }: SessionAnswer): SealedSession {
  const { id, emailAddress, name, organizationId } = member;
  return {
    accessToken: sessionJwt,
    ...(sessionToken !== undefined && { refreshToken: sessionToken }),
    user: {
      id,
      ...(emailAddress !== undefined && { email: emailAddress }),
      ...(name !== undefined && { name }),
    },
    organizationId,
  };
}

function readMemberSession(session: JsonObject): (MemberSession & { organizationId: string }) | undefined {
  const { member_session_id: id, member_id: memberId, organization_id: organizationId } = session;
  const { organization_slug: slug, custom_claims: custom } = session;
  const fields = readSessionFields(session);
  if (!isText(id) || !isText(memberId) || !isText(organizationId) || fields === undefined) return undefined;
  return {
    id,
    memberId,
    organizationId,
    ...(isText(slug) && { organizationSlug: slug }),
    ...fields,
    customClaims: isObject(custom) && Object.keys(custom).length > 0 ? custom : null,
  };
}

function readVerdict(value: unknown): SessionAnswer["verdict"] {
  if (!isObject(value)) return undefined;
  const { authorized, granting_roles: grantingRoles } = value;
  if (typeof authorized !== "boolean" || !isTextList(grantingRoles)) return undefined;
  return { authorized, grantingRoles };
}
