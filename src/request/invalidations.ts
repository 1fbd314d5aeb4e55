import type { Invalidation, InvalidationMessage } from "../fleet/coordinator.ts";
import { createBoundedMap } from "../lib/bounded-map.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Instance } from "./instance.ts";

const MAX_TARGETS = 50_000;

/** Why a session is over: a sign-out, or another session that took its place in the same browser. */
export type Ending = "refuse" | "supersede";

/** What is known of sessions that must not be served on the strength of their token alone. */
export interface Invalidations {
  /** From `at` on (seconds since the epoch), tokens of the target confirmed earlier must be asked about. */
  ask(target: Invalidation, at: number): void;
  /** The session is over here, whatever its token says, also while the store cannot be reached. */
  refuse(sessionId: string, because: Ending): void;
  endingOf(sessionId: string): Ending | undefined;
  /** Whether the session was confirmed before something it belongs to was invalidated. */
  mustAsk(session: VerifiedSession): boolean;
  /** Moves whenever something was added: a session checked at this epoch need not be checked again. */
  readonly epoch: number;
}

/**
 * Keeps invalidations by session, member, user and organization, bounded.
 *
 * A token whose `iat` lies in the second of the invalidation counts as older, because `iat` has no fractions.
 */
export function createInvalidations(): Invalidations {
  const askedAt = createBoundedMap<string, number>(MAX_TARGETS);
  const refused = createBoundedMap<string, Ending>(MAX_TARGETS);
  let epoch = 0;

  const isNewer = (name: string, confirmedAt: number): boolean => {
    const at = askedAt.get(name);
    return at !== undefined && confirmedAt <= at;
  };

  return {
    ask(target, at) {
      const name = nameOf(target);
      // A message that comes late takes nothing back.
      askedAt.set(name, Math.max(at, askedAt.get(name) ?? at));
      epoch++;
    },
    refuse(sessionId, because) {
      refused.set(sessionId, because);
      epoch++;
    },
    endingOf: (sessionId) => refused.get(sessionId),
    mustAsk({ memberSession, member, iat, verifiedAt }) {
      if (askedAt.size === 0) return false;
      const confirmedAt = Math.max(iat, verifiedAt ?? iat);
      return (
        isNewer(`session ${memberSession.id}`, confirmedAt) ||
        isNewer(`member ${member.id}`, confirmedAt) ||
        (member.userId !== undefined && isNewer(`user ${member.userId}`, confirmedAt)) ||
        (memberSession.organizationId !== undefined &&
          isNewer(`organization ${memberSession.organizationId}`, confirmedAt))
      );
    },
    get epoch() {
      return epoch;
    },
  };
}

function nameOf(target: Invalidation): string {
  if ("sessionId" in target) return `session ${target.sessionId}`;
  if ("memberId" in target) return `member ${target.memberId}`;
  if ("userId" in target) return `user ${target.userId}`;
  return `organization ${target.organizationId}`;
}

/** Tells the other processes. Trouble with that is no reason to fail: their bound is the age of a token. */
export async function broadcastInvalidation(
  { options, events }: Instance,
  message: InvalidationMessage,
): Promise<void> {
  try {
    await options.coordinator.publish(message);
  } catch {
    events.emit({ type: "misconfigured", reason: "coordinator_failed" });
  }
}
