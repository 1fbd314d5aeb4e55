import { StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { MemberSession } from "../model.ts";
import { checkId, checkOneOf } from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { loadSubject, toMemberSession } from "./directory.ts";
import type { SessionRecord } from "./records.ts";
import { findEnd, removeSession } from "./sessions.ts";

/** Sessions that appear while others are being ended are looked for again, this often. */
const MAX_PASSES = 16;

const KINDS = { sessionId: "session", memberId: "member", userId: "user" } as const;

/** Whose sessions are meant; exactly one of them. */
export interface SessionsTarget {
  readonly memberId?: string | undefined;
  readonly userId?: string | undefined;
}

/** Which sessions to end; exactly one of them. */
export interface RevokeTarget extends SessionsTarget {
  readonly sessionId?: string | undefined;
}

/** A live session, as lists show it. */
export interface SessionSummary extends MemberSession {
  readonly userId: string;
  readonly ipAddress?: string;
  readonly userAgent?: string;
}

/** Ends sessions, at once within this process. Sessions that are over already are no error. */
export async function revoke(
  context: AuthorityContext,
  target: RevokeTarget,
  events: EventSink = context.events,
): Promise<void> {
  const [name, value] = checkOneOf(target, ["sessionId", "memberId", "userId"]);
  const [by, id] = [KINDS[name], checkId(name, value)];
  const hasEnded = by === "session" ? await removeSession(context, id) : await removeAll(context, by, id);
  if (hasEnded) events.emit({ type: "revoked", by, reason: "revoked" });
}

/** Lists the live sessions of a member or a user. */
export async function listSessions(
  context: AuthorityContext,
  target: SessionsTarget,
): Promise<SessionSummary[]> {
  const [name, value] = checkOneOf(target, ["memberId", "userId"]);
  const [by, id] = [KINDS[name], checkId(name, value)];
  const records = await context.records.sessions.listBy(by, id);
  const live = records.filter(
    (record) => findEnd(context, record) === undefined && (by === "user" || record.memberIds[0] === id),
  );
  const summaries = await Promise.all(live.map((record) => summarize(context, record)));
  return summaries.filter((summary) => summary !== undefined);
}

async function summarize(
  context: AuthorityContext,
  record: SessionRecord,
): Promise<SessionSummary | undefined> {
  const { userId, organizationId, authenticationFactors } = record;
  const subject = await loadSubject(context, userId, organizationId, authenticationFactors);
  if (typeof subject === "string") return undefined;
  return {
    ...toMemberSession(record, subject),
    userId: record.userId,
    ...(record.ipAddress !== undefined && { ipAddress: record.ipAddress }),
    ...(record.userAgent !== undefined && { userAgent: record.userAgent }),
  };
}

/** A session that is being switched has two ids for a moment: only after a pass that finds none, there is none. */
async function removeAll(context: AuthorityContext, by: "member" | "user", id: string): Promise<boolean> {
  let hasEnded = false;
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const sessionIds = await context.records.sessions.listIdsBy(by, id);
    if (sessionIds.length === 0) return hasEnded;
    const ended = await Promise.all(sessionIds.map((sessionId) => removeSession(context, sessionId)));
    hasEnded ||= ended.includes(true);
  }
  throw new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}
