import { ConfigurationError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Coordinator, Invalidation, InvalidationMessage } from "../fleet/coordinator.ts";
import { type BoundedMap, createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
import { isObject, isText } from "../lib/predicates.ts";
import type { Profile, SessionStore } from "../store.ts";
import type { VerifiedSession } from "./cache.ts";
import { reportMisconfigured } from "./resolution.ts";

const MAX_TARGETS = 50_000;

/** Why a session is over: a sign-out, or another session that took its place in the same browser. */
export type Ending = "refuse" | "supersede";

/** Knows which sessions must not be served on the strength of their token alone, in this process and in the others. */
export interface Invalidations {
  /** Makes the target's next requests ask the store, here and in every other process. */
  invalidate(target: Invalidation): Promise<void>;
  /** Ends a session, whatever its token says and also while the store is down, here and in every other process. */
  end(sessionId: string, because: Ending): Promise<void>;
  endingOf(sessionId: string): Ending | undefined;
  /** Whether something that the session belongs to was invalidated after the session was confirmed. */
  mustAsk(session: VerifiedSession): boolean;
  /** Counts what was added: a session checked at this epoch need not be checked again. */
  readonly epoch: number;
  /** Stops listening to the store and to the other processes. */
  close(): void;
}

/** What invalidations are made of. */
export interface InvalidationSources {
  readonly clock: Clock;
  readonly events: EventSink;
  readonly coordinator: Coordinator;
  readonly store: Pick<SessionStore, "onInvalidated">;
  /** Full profiles by session id; an invalidation drops those that it concerns. */
  readonly profiles: BoundedMap<string, Profile>;
}

/**
 * Keeps invalidations by session, member, user and organization, bounded.
 *
 * A token whose `iat` lies in the second of the invalidation counts as older, because `iat` has no fractions.
 */
export function createInvalidations(sources: InvalidationSources): Invalidations {
  const { clock, events, coordinator, store, profiles } = sources;
  const askedAt = createBoundedMap<string, number>(MAX_TARGETS);
  const endings = createBoundedMap<string, Ending>(MAX_TARGETS);
  let epoch = 0;

  const ask = (target: Invalidation, at: number): void => {
    const name = nameOf(target);
    // A message that arrives late must not move the time back.
    askedAt.set(name, Math.max(at, askedAt.get(name) ?? at));
    epoch++;
  };
  const end = (sessionId: string, because: Ending): void => {
    endings.set(sessionId, because);
    epoch++;
  };
  const isOlder = (name: string, confirmedAt: number): boolean => {
    const at = askedAt.get(name);
    return at !== undefined && confirmedAt <= at;
  };
  /** A failure here is not the caller's: the age of their tokens bounds what the other processes miss. */
  const broadcast = async (message: InvalidationMessage): Promise<void> => {
    try {
      await coordinator.publish(message);
    } catch (cause) {
      reportMisconfigured(events, { reason: "coordinator_failed", cause });
    }
  };
  const unsubscribe = [
    store.onInvalidated?.((target) => ask(target, clock())),
    coordinator.subscribe(({ target, at, effect }) => {
      if (effect !== "ask" && "sessionId" in target) end(target.sessionId, effect);
      else ask(target, at);
    }),
  ];

  return {
    invalidate(target) {
      const at = clock();
      ask(target, at);
      if ("sessionId" in target) profiles.delete(target.sessionId);
      else profiles.clear();
      return broadcast({ target, at, effect: "ask" });
    },
    end(sessionId, because) {
      end(sessionId, because);
      profiles.delete(sessionId);
      return broadcast({ target: { sessionId }, at: clock(), effect: because });
    },
    endingOf: (sessionId) => endings.get(sessionId),
    mustAsk({ memberSession, member, iat, verifiedAt }) {
      if (askedAt.size === 0) return false;
      const confirmedAt = Math.max(iat, verifiedAt ?? iat);
      return (
        isOlder(`session ${memberSession.id}`, confirmedAt) ||
        isOlder(`member ${member.id}`, confirmedAt) ||
        (member.userId !== undefined && isOlder(`user ${member.userId}`, confirmedAt)) ||
        (memberSession.organizationId !== undefined &&
          isOlder(`organization ${memberSession.organizationId}`, confirmedAt))
      );
    },
    get epoch() {
      return epoch;
    },
    close() {
      for (const stop of unsubscribe) stop?.();
    },
  };
}

function nameOf(target: Invalidation): string {
  if ("sessionId" in target) return `session ${target.sessionId}`;
  if ("memberId" in target) return `member ${target.memberId}`;
  if ("userId" in target) return `user ${target.userId}`;
  return `organization ${target.organizationId}`;
}

/**
 * Invalidates what the application names, and reports it.
 *
 * @throws ConfigurationError where it does not name exactly one target.
 */
export async function invalidateNamed(
  { invalidations, events }: { readonly invalidations: Invalidations; readonly events: EventSink },
  given: unknown,
): Promise<void> {
  const { by, target } = readTarget(given);
  const told = invalidations.invalidate(target);
  events.emit({ type: "revoked", by });
  await told;
}

const SCOPES = ["session", "member", "user", "organization"] as const;

/** Reads the one id that is there: a webhook's handler may pass others that are `undefined`. */
function readTarget(given: unknown): { by: (typeof SCOPES)[number]; target: Invalidation } {
  const { sessionId, memberId, userId, organizationId } = isObject(given) ? given : {};
  const named = [
    ...(isText(sessionId) ? [{ by: "session", target: { sessionId } } as const] : []),
    ...(isText(memberId) ? [{ by: "member", target: { memberId } } as const] : []),
    ...(isText(userId) ? [{ by: "user", target: { userId } } as const] : []),
    ...(isText(organizationId) ? [{ by: "organization", target: { organizationId } } as const] : []),
  ];
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const suggestion = `Pass exactly one of ${SCOPES.map((by) => `${by}Id`).join(", ")}.`;
  const message = "does not say whose sessions.";
  throw new ConfigurationError([{ code: "option_invalid", option: "invalidate", message, suggestion }]);
}
