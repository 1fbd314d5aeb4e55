import { StoreUnavailableError } from "../errors.ts";
import { type EventSink, type OrgateEvent, createEventSink, tellListener } from "../events.ts";
import type { Invalidation } from "../fleet/coordinator.ts";
import type { Clock } from "../lib/clock.ts";
import type { Interpretation } from "../store.ts";
import { checkId, invalidRequest } from "./check-input.ts";
import type { RevokeTarget, SessionSummary, SessionsTarget } from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { describeMemberSession } from "./results.ts";
import { type SessionRecord, findEnd, readSessionRecord, removeSession } from "./sessions.ts";
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

const MAX_REMEMBERED = 50_000;

/** What stopped being valid in this process while tokens that say otherwise are still fresh. */
export interface RecentInvalidations {
  /** Remembers, and tells every listener before it returns. */
  announce(target: Invalidation): void;
  /** Whether a token issued at `iat` must be asked about, fresh as it may be. */
  concern(session: Interpretation, iat: number): boolean;
  listen(listener: (target: Invalidation) => void): () => void;
  close(): void;
}

/**
 * Makes the memory of recent invalidations. An entry is needed for as long as a token issued before it can be fresh.
 *
 * @param lifetime - of an access token, in seconds.
 */
export function createRecentInvalidations(clock: Clock, lifetime: number): RecentInvalidations {
  const recent = new RecentTimes(lifetime);
  const listeners = new Set<(target: Invalidation) => void>();
  return {
    announce(target) {
      recent.note(nameOf(target), clock());
      for (const listener of listeners) {
        try {
          listener(target);
        } catch {
          // One listener's trouble must not keep the others from hearing.
        }
      }
    },
    concern: ({ memberSession, member }, iat) =>
      recent.hasSince(iat, [
        `session ${memberSession.id}`,
        `member ${member.id}`,
        `user ${member.userId ?? ""}`,
        `organization ${memberSession.organizationId ?? ""}`,
      ]),
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      listeners.clear();
    },
  };
}

/** When things last happened, by name; bounded, and never forgetful to anybody's advantage. */
class RecentTimes {
  readonly #lifetime: number;
  /** Oldest first. */
  readonly #times = new Map<string, number>();
  #everythingUntil = -Infinity;

  constructor(lifetime: number) {
    this.#lifetime = lifetime;
  }

  note(name: string, now: number): void {
    this.#times.delete(name);
    this.#times.set(name, now);
    for (const [oldest, at] of this.#times) {
      const isOver = at + this.#lifetime < now;
      if (!isOver && this.#times.size <= MAX_REMEMBERED) return;
      // What does not fit is held against every token of its time.
      if (!isOver) this.#everythingUntil = Math.max(this.#everythingUntil, at);
      this.#times.delete(oldest);
    }
  }

  /** Whether any of the names was noted at `time` or later; in the same second counts as later. */
  hasSince(time: number, names: readonly string[]): boolean {
    if (time <= this.#everythingUntil) return true;
    return this.#times.size > 0 && names.some((name) => time <= (this.#times.get(name) ?? -Infinity));
  }
}

function nameOf(target: Invalidation): string {
  if ("sessionId" in target) return `session ${target.sessionId}`;
  if ("memberId" in target) return `member ${target.memberId}`;
  if ("userId" in target) return `user ${target.userId}`;
  return `organization ${target.organizationId}`;
}

type Listener = (event: OrgateEvent) => void;

/** What an authority notices: told to its own listener; where it has none, to those of the middleware it is the store of. */
export interface AuthorityEvents extends EventSink {
  /** For what the middleware asked for: it tells its listener of that itself. */
  readonly own: EventSink;
  /** Returns the way to stop. */
  listen(listener: Listener): () => void;
}

/** Makes them. An application that listens to the authority and to the middleware hears of nothing twice. */
export function createAuthorityEvents(listener: Listener | undefined): AuthorityEvents {
  const own = createEventSink(listener);
  if (listener !== undefined) return { ...own, own, listen: () => () => undefined };
  const listeners = new Set<Listener>();
  const relay = createEventSink((event) => {
    for (const one of listeners) tellListener(one, event);
  });
  return {
    ...relay,
    own,
    listen(one) {
      listeners.add(one);
      return () => listeners.delete(one);
    },
  };
}
