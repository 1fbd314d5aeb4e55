import { OrgateError } from "../errors.ts";
import { assertTokenFits } from "./access-token.ts";
import type { AuthorityContext } from "./context.ts";
import { type ParsedRefreshToken, type Presentation, presentRefreshToken } from "./refresh-token.ts";
import { type SessionRecord, changeSession, removeSession, sessionEnded } from "./sessions.ts";
import { type Subject, type SubjectProblem, loadSubject, memberIdOf } from "./subject.ts";

/** How a session is used. */
export interface SessionUse {
  /** The refresh token that was presented; absent where the access token alone names the session. */
  readonly refreshToken?: ParsedRefreshToken | undefined;
  /** Whether a current refresh token is rotated. */
  readonly rotate: boolean;
  /** The organization to act in; `null`: none, `undefined`: the one used most recently. */
  readonly organizationId: string | null | undefined;
  /** The user that the credential names; a session of anybody else is not meant. */
  readonly userId?: string | undefined;
  /**
   * Whether a user who is no member of it loses the session, or is only refused; `end_if_current`: refused, unless it is the
   * organization used most recently.
   */
  readonly withoutMembership: "end" | "refuse" | "end_if_current";
  /** Seconds from now that the session lasts at least. */
  readonly extendBy?: number | undefined;
  /** Throws to refuse, before anything is written. */
  readonly authorize?: ((subject: Subject, record: SessionRecord) => void) | undefined;
}

/** A session after it was used. */
export interface UsedSession {
  readonly record: SessionRecord;
  readonly subject: Subject;
  /** What the member holds from now on; absent where no refresh token was presented. */
  readonly refreshToken?: string;
}

type Answer =
  | { readonly status: "used"; readonly subject: Subject; readonly refreshToken?: string }
  | { readonly status: "retired" }
  | { readonly status: "no_subject"; readonly problem: SubjectProblem; readonly mayEnd: boolean };

/**
 * Uses a live session once: presents the refresh token, reads the user and the membership as they are now, extends, and
 * stores what changed in one compare-and-set.
 *
 * Throws `session_revoked`, `invalid_token` (not a token of this session) or `organization_not_available`.
 */
export async function useSession(
  context: AuthorityContext,
  sessionId: string,
  use: SessionUse,
): Promise<UsedSession> {
  const load = rememberSubjects(context);
  const { answer, record } = await changeSession<Answer>(context, sessionId, async (before) => {
    if (use.userId !== undefined && use.userId !== before.userId) throw new OrgateError("invalid_token");
    const presentation = present(context, before, use);
    if (presentation?.status === "foreign") throw new OrgateError("invalid_token");
    if (presentation?.status === "retired") return { answer: { status: "retired" }, record: before };
    const wanted = use.organizationId === undefined ? before.organizationId : use.organizationId;
    const subject = await load(before.userId, wanted ?? undefined);
    if (typeof subject === "string") {
      const mayEnd = subject === "user_removed" || wanted === before.organizationId;
      return { answer: { status: "no_subject", problem: subject, mayEnd }, record: before };
    }
    use.authorize?.(subject, before);
    const after = advance(context, before, { use, subject, presentation });
    assertTokenFits(context, after, subject);
    const refreshToken = presentation?.token.token;
    return {
      answer: { status: "used", subject, ...(refreshToken !== undefined && { refreshToken }) },
      record: after,
    };
  });
  if (answer.status === "used") return { ...answer, record };
  if (answer.status === "retired") throw await endStolenSession(context, sessionId);
  throw await endWithoutSubject(context, sessionId, { ...answer, use });
}

/** Ends the session of a refresh token that came back after its time; of several at once, one tells. */
export async function endStolenSession(context: AuthorityContext, sessionId: string): Promise<OrgateError> {
  if (await removeSession(context, sessionId)) context.events.emit({ type: "reuse_detected", sessionId });
  return sessionEnded("reuse_detected");
}

async function endWithoutSubject(
  context: AuthorityContext,
  sessionId: string,
  { problem, mayEnd, use }: { problem: SubjectProblem; mayEnd: boolean; use: SessionUse },
): Promise<OrgateError> {
  const isRefused = use.withoutMembership === "refuse" || (use.withoutMembership !== "end" && !mayEnd);
  if (problem === "membership_removed" && isRefused) {
    return new OrgateError("organization_not_available");
  }
  if (mayEnd) await removeSession(context, sessionId);
  return sessionEnded(problem);
}

function present(
  { clock, settings }: AuthorityContext,
  record: SessionRecord,
  { refreshToken, rotate, organizationId }: SessionUse,
): Presentation | undefined {
  if (refreshToken === undefined) return undefined;
  return presentRefreshToken(
    record.family,
    refreshToken,
    { rotate, organizationId, mostRecent: record.organizationId ?? null },
    { now: clock(), grace: settings.refreshGrace },
  );
}

/** The record after the use; the same object where nothing changed, so that storms of readers write once a second at most. */
function advance(
  { clock, wire }: AuthorityContext,
  record: SessionRecord,
  {
    use,
    subject,
    presentation,
  }: { use: SessionUse; subject: Subject; presentation: Presentation | undefined },
): SessionRecord {
  const now = clock();
  const accepted = presentation?.status === "accepted" ? presentation : undefined;
  const family = accepted?.family ?? record.family;
  const lastAccessedAt = Math.max(record.lastAccessedAt, Math.floor(now));
  const { customClaims, ...amended } = wire?.amend?.(record) ?? record;
  const expiresAt = Math.max(amended.expiresAt, Math.floor(now + (use.extendBy ?? 0)));
  const organizationId =
    accepted?.isRotated === true
      ? (subject.place?.organization.id ?? record.organizationId)
      : record.organizationId;
  const isMostRecent = subject.place?.organization.id === organizationId;
  const memberIds = actAs(record.memberIds, memberIdOf(subject), isMostRecent);
  const isSame =
    family === record.family &&
    lastAccessedAt === record.lastAccessedAt &&
    expiresAt === record.expiresAt &&
    customClaims === record.customClaims &&
    organizationId === record.organizationId &&
    memberIds === record.memberIds;
  if (isSame) return record;
  return {
    ...record,
    family,
    lastAccessedAt,
    expiresAt,
    customClaims,
    memberIds,
    ...(organizationId !== undefined && { organizationId }),
  };
}

/** The members that the session acts or has acted as, that of the organization used most recently first. */
function actAs(memberIds: readonly string[], memberId: string, isMostRecent: boolean): readonly string[] {
  const isKnown = isMostRecent ? memberIds[0] === memberId : memberIds.includes(memberId);
  if (isKnown) return memberIds;
  const others = memberIds.filter((id) => id !== memberId);
  return isMostRecent ? [memberId, ...others] : [...others, memberId];
}

/** The directory is asked once for each question of one operation, however often the write is attempted. */
function rememberSubjects({
  directory,
}: AuthorityContext): (
  userId: string,
  organizationId: string | undefined,
) => Promise<Subject | SubjectProblem> {
  const loaded = new Map<string | undefined, Promise<Subject | SubjectProblem>>();
  return (userId, organizationId) => {
    const known = loaded.get(organizationId) ?? loadSubject(directory, userId, organizationId);
    loaded.set(organizationId, known);
    return known;
  };
}
