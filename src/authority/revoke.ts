import { StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { checkId, invalidRequest } from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import type { SessionSummary } from "./answers.ts";
import type { RevokeTarget, SessionsTarget } from "./operations.ts";
import { describeMemberSession } from "./results.ts";
import { findEnd, readSessionRecord } from "./session-record.ts";
import type { SessionRecord } from "./session-record.ts";
import { removeSession } from "./sessions.ts";
import { loadSubject } from "./subject.ts";

/** Sessions that appear while others are being ended are looked for again, this often. */
const MAX_PASSES = 16;

/** Ends sessions, at once within this process; those already over are no error. */
export async function revoke(
  context: AuthorityContext,
  target: RevokeTarget,
  events: EventSink = context.events,
): Promise<void> {
  const [by, id] = checkTarget(target, ["sessionId", "memberId", "userId"]);
  const hasEnded =
    by === "sessionId" ? await removeSession(context, id) : await removeAll(context, `${indexOf(by)}:${id}`);
  if (hasEnded) events.emit({ type: "revoked", by: indexOf(by), reason: "revoked" });
}

/** Live sessions of a member or a user, as of now. */
export async function listSessions(
  context: AuthorityContext,
  target: SessionsTarget,
): Promise<SessionSummary[]> {
  const [by, id] = checkTarget(target, ["memberId", "userId"]);
  const found = await context.repository.find("sessions", `${indexOf(by)}:${id}`);
  const records = found
    .map((document) => readSessionRecord(document.id, document.value))
    .filter((record) => record !== undefined)
    .filter((record) => findEnd(record, context.clock(), context.settings.idleTimeout) === undefined)
    .filter((record) => by === "userId" || record.memberIds[0] === id);
  const summaries = await Promise.all(records.map((record) => summarize(context, record)));
  return summaries.filter((summary) => summary !== undefined);
}

async function summarize(
  context: AuthorityContext,
  record: SessionRecord,
): Promise<SessionSummary | undefined> {
  const subject = await loadSubject(context.directory, record.userId, record.organizationId);
  if (typeof subject === "string") return undefined;
  return {
    ...describeMemberSession(record, subject),
    userId: record.userId,
    ...(record.ipAddress !== undefined && { ipAddress: record.ipAddress }),
    ...(record.userAgent !== undefined && { userAgent: record.userAgent }),
  };
}

/** A session that is being switched is under two ids for a moment: after a pass that finds none, there is none. */
async function removeAll(context: AuthorityContext, index: string): Promise<boolean> {
  let hasEnded = false;
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const found = await context.repository.find("sessions", index);
    if (found.length === 0) return hasEnded;
    const ended = await Promise.all(found.map(({ id }) => removeSession(context, id)));
    hasEnded ||= ended.includes(true);
  }
  throw new StoreUnavailableError({ reason: "contention", retryAfter: 1 });
}

function checkTarget<Name extends keyof RevokeTarget>(
  target: RevokeTarget,
  names: readonly Name[],
): readonly [Name, string] {
  const given = names.filter((name) => target?.[name] !== undefined);
  const [name, ...others] = given;
  if (name === undefined || others.length > 0)
    throw invalidRequest(`Pass exactly one of ${names.join(", ")}.`);
  return [name, checkId(name, target[name])];
}

function indexOf(by: keyof RevokeTarget): "session" | "member" | "user" {
  return by === "sessionId" ? "session" : by === "memberId" ? "member" : "user";
}
