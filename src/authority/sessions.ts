import { OrgateError, StoreUnavailableError } from "../errors.ts";
import { type Claims, makeClaims } from "./access-token.ts";
import type { AuthorityContext } from "./context.ts";
import { type Subject, type SubjectProblem, loadSubject, memberIdOf } from "./directory.ts";
import { type AuthenticationRecord, type SessionRecord, deadlineOf } from "./records.ts";
import {
  type FamilyExchange,
  type RefreshResult,
  type RefreshToken,
  exchangeRefreshToken,
  mintRefreshToken,
} from "./refresh-token.ts";
import type { Versioned } from "./repository.ts";
import { latestEnd, requireRulesStill } from "./rules/rules.ts";
import { isSessionId, makeSecret, makeSessionId } from "./secrets.ts";
import { mayUse } from "./wire-client.ts";

/** How often a change is decided anew because another write came first. */
const MAX_WRITE_ATTEMPTS = 512;

/** Why a session is over. */
export type EndReason = "revoked" | "expired" | "idle" | "reuse_detected" | SubjectProblem;

/** Makes the error for a session that has ended. */
export function sessionEnded(reason: EndReason): OrgateError {
  return new OrgateError("session_revoked", { reason });
}

/** What a new session is made of, from the sign-in or from the session before it. */
export type NewSession = AuthenticationRecord & Pick<SessionRecord, "startedAt" | "expiresAt">;

/** A session after its use, and the user and organization that it acts for. */
export interface UsedSession {
  readonly record: SessionRecord;
  readonly subject: Subject;
  /** Those of its access token. */
  readonly claims: Claims;
  /** What the member holds from now on; absent if no refresh token was presented. */
  readonly refreshToken: string | undefined;
}

/** Spends a record for the session of this id. */
export type SpendForSession = (sessionId: string) => Promise<void>;

/** A session that was opened, with its first refresh token. */
export type OpenedSession = UsedSession & { readonly refreshToken: string };

/**
 * Stores a new session under a new id.
 *
 * @param spend - spends what the session is opened in exchange for, in the name of the new session, and throws if another caller
 * was first. It comes last, so that a failure before it spends nothing. It throws only if the record was not spent for this
 * session, or if that cannot be known: the new session is then removed before anybody has its tokens.
 */
export async function openSession(
  context: AuthorityContext,
  subject: Subject,
  session: NewSession,
  spend?: SpendForSession,
): Promise<OpenedSession> {
  const id = makeSessionId();
  const key = makeSecret();
  const { token, hash } = mintRefreshToken(id, 0, key);
  const client = session.client ?? context.wire?.client;
  const { customClaims, expiresAt } = context.wire?.amend?.(session) ?? session;
  const record: SessionRecord = {
    ...session,
    customClaims,
    expiresAt: Math.min(expiresAt, latestEnd(subject.organization, session.startedAt)),
    ...(client !== undefined && { client }),
    version: 1,
    id,
    userId: subject.user.id,
    ...(subject.organization !== undefined && { organizationId: subject.organization.id }),
    memberIds: [memberIdOf(subject)],
    lastAccessedAt: Math.floor(context.clock()),
    family: { key, generation: 0, current: hash, predecessors: [] },
  };
  const claims = makeClaims(context, record, subject);
  await context.records.sessions.insert(record);
  try {
    await spend?.(id);
  } catch (error) {
    await removeSession(context, id);
    throw error;
  }
  return { record, subject, claims, refreshToken: token };
}

/**
 * Reads a live session, and the version that a change of it must name.
 *
 * @throws `session_revoked` if it has ended; `invalid_token` if it is bound to another client; `store_unavailable` if its record
 * cannot be read
 */
export async function readLiveSession(
  context: AuthorityContext,
  sessionId: string,
): Promise<Versioned<SessionRecord>> {
  const found = isSessionId(sessionId) ? await context.records.sessions.read(sessionId) : undefined;
  if (found === undefined) throw sessionEnded("revoked");
  if (!mayUse(found.value.client, context.wire?.client)) throw new OrgateError("invalid_token");
  const end = findEnd(context, found.value);
  if (end === undefined) return found;
  await removeSession(context, sessionId);
  throw sessionEnded(end);
}

/** Tells whether a session has ended by itself. */
export function findEnd({ clock, settings }: AuthorityContext, record: SessionRecord): EndReason | undefined {
  const now = clock();
  if (now >= record.expiresAt) return "expired";
  return now >= deadlineOf(record, settings.idleTimeout) ? "idle" : undefined;
}

/** Ends a session: its tokens are no longer served without asking. Of several callers at once exactly one gets `true`. */
export async function removeSession(context: AuthorityContext, sessionId: string): Promise<boolean> {
  const isRemoved = await context.records.sessions.remove(sessionId);
  context.invalidations.announce({ sessionId });
  return isRemoved;
}

/**
 * Ends a session that another one replaces. Of several callers at once exactly one succeeds.
 *
 * @throws `session_revoked` if the session was ended or replaced by another caller; `store_unavailable` if that cannot be known
 */
export async function endReplacedSession(
  context: AuthorityContext,
  replaced: Versioned<SessionRecord>,
  successorId: string,
): Promise<void> {
  try {
    if (await context.records.sessions.spend(replaced, successorId)) return;
  } finally {
    // Also where the outcome is unknown: the store must be asked then.
    context.invalidations.announce({ sessionId: replaced.value.id });
  }
  throw sessionEnded("revoked");
}

/** Ends a session whose credential was copied; reports it once. */
export async function endStolenSession(context: AuthorityContext, sessionId: string): Promise<void> {
  if (await removeSession(context, sessionId)) context.events.emit({ type: "reuse_detected", sessionId });
}

type AcceptedToken = Extract<RefreshResult, { status: "accepted" }>;

/** Exchanges a refresh token. A retired token ends the session: it was copied. */
export async function acceptRefreshToken(
  context: AuthorityContext,
  { id, family, organizationId }: SessionRecord,
  refreshToken: RefreshToken,
  request: Omit<FamilyExchange, "mostRecent">,
): Promise<AcceptedToken> {
  const time = { now: context.clock(), grace: context.settings.refreshGrace };
  const mostRecent = organizationId ?? null;
  const result = exchangeRefreshToken(family, refreshToken, { ...request, mostRecent }, time);
  if (result.status === "accepted") return result;
  if (result.status === "foreign") throw new OrgateError("invalid_token");
  await endStolenSession(context, id);
  throw sessionEnded("reuse_detected");
}

/** How a session is used. */
export interface SessionUse {
  /** The refresh token that was presented; absent if the access token alone names the session. */
  readonly refreshToken?: RefreshToken | undefined;
  /** Whether a current refresh token is rotated. */
  readonly rotate: boolean;
  /** The organization to act in; `null`: none, `undefined`: the one used most recently. */
  readonly organizationId: string | null | undefined;
  /** The user that the credential names; a session of another user is refused. */
  readonly userId?: string | undefined;
  /**
   * Whether a user who is no member of the organization loses the session, or is only refused; `end_if_current`: refused,
   * unless it is the organization used most recently.
   */
  readonly withoutMembership: "end" | "refuse" | "end_if_current";
  /** Seconds from now that the session lasts at least. */
  readonly extendBy?: number | undefined;
  /** Throws to refuse, before anything is written. */
  readonly authorize?: ((subject: Subject, record: SessionRecord) => void) | undefined;
}

/**
 * Uses a live session once: exchanges the refresh token, reads the user and the membership as they are now, extends, and
 * stores what changed.
 *
 * This is the one place where a live session changes. It writes by compare-and-set; if another write came first, it decides
 * anew on the record that was written, so that an ended session is never written back.
 *
 * @throws `session_revoked`, `invalid_token` (not a token of this session), `organization_not_available`, `StepUpRequiredError`
 * for a session that does not meet the rules any more, and what {@link readLiveSession} throws
 */
export async function useSession(
  context: AuthorityContext,
  sessionId: string,
  use: SessionUse,
): Promise<UsedSession> {
  const load = createSubjectLoader(context);
  let admitted: Subject | undefined;
  for (let attempt = 0; attempt < MAX_WRITE_ATTEMPTS; attempt += 1) {
    const { value: before, version } = await readLiveSession(context, sessionId);
    if (use.userId !== undefined && use.userId !== before.userId) throw new OrgateError("invalid_token");
    const { refreshToken } = use;
    const accepted = refreshToken && (await acceptRefreshToken(context, before, refreshToken, use));
    const organizationId = use.organizationId === undefined ? before.organizationId : use.organizationId;
    const subject = await load(before, organizationId ?? undefined);
    if (typeof subject === "string") {
      const isCurrent = organizationId === before.organizationId;
      throw await refuseWithoutSubject(context, sessionId, { problem: subject, isCurrent, use });
    }
    if (admitted !== subject) await requireMayGoOn(context, subject, before);
    admitted = subject;
    use.authorize?.(subject, before);
    const record = advance(context, before, { subject, accepted, extendBy: use.extendBy });
    const claims = makeClaims(context, record, subject);
    if (record === before || (await context.records.sessions.replace(record, version))) {
      return { record, subject, claims, refreshToken: accepted?.token.token };
    }
  }
  throw new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}

/** Requires that a session still meets the rules. One that outlived its organization's `sessionLifetime` has ended. */
async function requireMayGoOn(
  context: AuthorityContext,
  subject: Subject,
  record: SessionRecord,
): Promise<void> {
  const { organization } = subject;
  const isCurrent = organization?.id === record.organizationId;
  if (isCurrent && context.clock() >= latestEnd(organization, record.startedAt)) {
    await removeSession(context, record.id);
    throw sessionEnded("expired");
  }
  const from = record.organizationId;
  await requireRulesStill(context, { phase: "renewal", subject, session: record, from });
}

/** Asks the directory once for each question of one operation, however often the write is attempted. The factors of a session never change. */
function createSubjectLoader(
  context: AuthorityContext,
): (record: SessionRecord, organizationId: string | undefined) => ReturnType<typeof loadSubject> {
  const loaded = new Map<string | undefined, ReturnType<typeof loadSubject>>();
  return ({ userId, authenticationFactors }, organizationId) => {
    const subject =
      loaded.get(organizationId) ?? loadSubject(context, userId, organizationId, authenticationFactors);
    loaded.set(organizationId, subject);
    return subject;
  };
}

async function refuseWithoutSubject(
  context: AuthorityContext,
  sessionId: string,
  { problem, isCurrent, use }: { problem: SubjectProblem; isCurrent: boolean; use: SessionUse },
): Promise<OrgateError> {
  const mayEnd = isCurrent || problem === "user_removed";
  const isOnlyRefused =
    use.withoutMembership === "refuse" || (use.withoutMembership === "end_if_current" && !mayEnd);
  if (problem === "membership_removed" && isOnlyRefused) return new OrgateError("organization_not_available");
  if (mayEnd) await removeSession(context, sessionId);
  return sessionEnded(problem);
}

interface Advance {
  readonly subject: Subject;
  readonly accepted: AcceptedToken | undefined;
  readonly extendBy: number | undefined;
}

/** Returns the record after a use; the same object if nothing changed, so that a storm of readers writes once a second. */
function advance(
  { clock, wire }: AuthorityContext,
  before: SessionRecord,
  { subject, accepted, extendBy = 0 }: Advance,
): SessionRecord {
  const now = clock();
  const { customClaims, expiresAt } = wire?.amend?.(before) ?? before;
  const { family } = accepted ?? before;
  const isRotated = family.generation !== before.family.generation;
  const current = subject.organization?.id;
  const organizationId = isRotated ? (current ?? before.organizationId) : before.organizationId;
  const after: SessionRecord = {
    ...before,
    family,
    lastAccessedAt: Math.max(before.lastAccessedAt, Math.floor(now)),
    expiresAt: Math.min(
      Math.max(expiresAt, Math.floor(now + extendBy)),
      current === organizationId ? latestEnd(subject.organization, before.startedAt) : Infinity,
    ),
    customClaims,
    memberIds: addMember(before.memberIds, memberIdOf(subject), current === organizationId),
    ...(organizationId !== undefined && { organizationId }),
  };
  const changing = [
    "family",
    "lastAccessedAt",
    "expiresAt",
    "customClaims",
    "memberIds",
    "organizationId",
  ] as const;
  return changing.every((name) => after[name] === before[name]) ? before : after;
}

/** Adds a member to those that the session has acted as; the member of the most recent organization comes first. */
function addMember(memberIds: readonly string[], memberId: string, isFirst: boolean): readonly string[] {
  const isKnown = isFirst ? memberIds[0] === memberId : memberIds.includes(memberId);
  if (isKnown) return memberIds;
  const others = memberIds.filter((id) => id !== memberId);
  return isFirst ? [memberId, ...others] : [...others, memberId];
}
