import { randomBytes } from "node:crypto";
import { OrgateError, StoreUnavailableError } from "../errors.ts";
import { assertTokenFits } from "./access-token.ts";
import type { AuthorityContext } from "./context.ts";
import { mintRefreshToken } from "./refresh-token.ts";
import type { ParsedRefreshToken } from "./refresh-token.ts";
import { makeSessionId, parseSessionId } from "./session-id.ts";
import { findEnd, readSessionRecord, writeOptionsOf } from "./session-record.ts";
import type { SessionRecord } from "./session-record.ts";
import { memberIdOf } from "./subject.ts";
import type { Subject } from "./subject.ts";
import { mayUse } from "./wire-client.ts";

/** How often a decision is made anew after somebody else's write came first. */
const MAX_ATTEMPTS = 512;

/** Why a session is over. */
export type EndReason =
  | "revoked"
  | "expired"
  | "idle"
  | "reuse_detected"
  | "membership_removed"
  | "user_removed";

/** The session has ended. */
export function sessionEnded(reason: EndReason): OrgateError {
  return new OrgateError("session_revoked", { reason });
}

/** What a new session takes from the sign-in, or from the session before it. */
export type SessionOrigin = Omit<
  SessionRecord,
  "version" | "id" | "userId" | "organizationId" | "memberIds" | "lastAccessedAt" | "family"
>;

/** Stores a new session under a new id; answers with it and with its first refresh token. */
export async function openSession(
  context: AuthorityContext,
  subject: Subject,
  origin: SessionOrigin,
): Promise<{ record: SessionRecord; refreshToken: ParsedRefreshToken }> {
  const id = makeSessionId();
  const key = randomBytes(32).toString("base64url");
  const refreshToken = mintRefreshToken(bytesOf(id), 0, key);
  const client = origin.client ?? context.wire?.client;
  const record: SessionRecord = {
    ...origin,
    ...context.wire?.amend?.(origin),
    ...(client !== undefined && { client }),
    version: 1,
    id,
    userId: subject.user.id,
    ...(subject.place !== undefined && { organizationId: subject.place.organization.id }),
    memberIds: [memberIdOf(subject)],
    lastAccessedAt: Math.floor(context.clock()),
    family: { key, generation: 0, current: refreshToken.hash, predecessors: [] },
  };
  assertTokenFits(context, record, subject);
  const isNew = await context.repository.insert("sessions", id, record, writeOptionsOf(record));
  if (!isNew) throw new StoreUnavailableError({ reason: "session_id_taken" });
  return { record, refreshToken };
}

/** The bytes of an id that {@link makeSessionId} made. */
export function bytesOf(sessionId: string): Buffer {
  const bytes = parseSessionId(sessionId);
  if (bytes === undefined) throw new StoreUnavailableError({ reason: "session_unreadable" });
  return bytes;
}

/** Reads a session that is alive; throws `session_revoked` where it is not, `invalid_token` where it is another client's. */
export async function readLiveSession(
  context: AuthorityContext,
  sessionId: string,
): Promise<{ record: SessionRecord; version: number }> {
  if (parseSessionId(sessionId) === undefined) throw sessionEnded("revoked");
  const found = await context.repository.read("sessions", sessionId);
  if (found === undefined) throw sessionEnded("revoked");
  const record = readSessionRecord(sessionId, found.value);
  if (record === undefined) {
    // Not ours to repair or to delete: it is no session, and somebody should look at it.
    context.events.emit({ type: "misconfigured", reason: "session_unreadable" });
    throw sessionEnded("revoked");
  }
  if (!mayUse(record.client, context.wire?.client)) throw new OrgateError("invalid_token");
  const end = findEnd(record, context.clock(), context.settings.idleTimeout);
  if (end === undefined) return { record, version: found.version };
  await removeSession(context, sessionId);
  throw sessionEnded(end);
}

/** What was decided of a session: its answer, and the record to store unless nothing changed. */
export interface Decision<Answer> {
  readonly answer: Answer;
  readonly record: SessionRecord;
}

/**
 * Reads, decides, and writes by compare-and-set; where somebody wrote in between, decides anew on what they wrote.
 *
 * This is the one place where a live session changes: rotation, extension and access all meet at the record's version,
 * and a session that was ended meanwhile is never written back.
 */
export async function changeSession<Answer>(
  context: AuthorityContext,
  sessionId: string,
  decide: (record: SessionRecord) => Decision<Answer> | Promise<Decision<Answer>>,
): Promise<Decision<Answer>> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const { record, version } = await readLiveSession(context, sessionId);
    const decision = await decide(record);
    if (decision.record === record) return decision;
    const options = writeOptionsOf(decision.record);
    const { repository } = context;
    if (await repository.compareAndSet("sessions", sessionId, version, decision.record, options)) {
      return decision;
    }
  }
  throw new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}

/** Ends a session; of several at once, exactly one is told `true`. Its tokens are asked about from now on. */
export async function removeSession(context: AuthorityContext, sessionId: string): Promise<boolean> {
  const ended = await context.repository.consume("sessions", sessionId);
  context.invalidations.announce({ sessionId });
  return ended !== undefined;
}
