import type { EventSink } from "../events.ts";
import type { Invalidation } from "../fleet/coordinator.ts";
import type { Clock } from "../lib/clock.ts";
import type { Interpretation } from "../store.ts";

const MAX_INVALIDATIONS = 50_000;

/** What stopped being valid in this process while tokens that say otherwise are still fresh. */
export interface RecentInvalidations {
  /** Records an invalidation, and tells every listener before it returns. */
  announce(target: Invalidation): void;
  /** Tells whether the store must be asked about a token issued at `iat`, even if it is fresh. */
  concern(session: Interpretation, iat: number): boolean;
  /** Adds a listener; returns the way to stop. */
  listen(listener: (target: Invalidation) => void): () => void;
  close(): void;
}

/**
 * Makes an empty list of recent invalidations. An entry is kept for as long as a token issued before it can be fresh.
 *
 * @param lifetime - of an access token, in seconds.
 */
export function createRecentInvalidations(
  { clock, events }: { readonly clock: Clock; readonly events: EventSink },
  lifetime: number,
): RecentInvalidations {
  const recent = new RecentTimes(lifetime);
  const listeners = new Set<(target: Invalidation) => void>();
  return {
    announce(target) {
      recent.add(nameOf(target), clock());
      for (const listener of listeners) {
        try {
          listener(target);
        } catch {
          // The other listeners must hear of it too. Events carry no error yet, so only the fact is reported.
          events.emit({ type: "misconfigured", reason: "invalidation_listener_failed" });
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
    close: () => listeners.clear(),
  };
}

/** When things last happened, by name. Bounded: what does not fit counts for every name. */
class RecentTimes {
  readonly #lifetime: number;
  /** Oldest first. */
  readonly #times = new Map<string, number>();
  #everythingUntil = -Infinity;

  constructor(lifetime: number) {
    this.#lifetime = lifetime;
  }

  add(name: string, now: number): void {
    this.#times.delete(name);
    this.#times.set(name, now);
    for (const [oldest, at] of this.#times) {
      const isOver = at + this.#lifetime < now;
      if (!isOver && this.#times.size <= MAX_INVALIDATIONS) return;
      if (!isOver) this.#everythingUntil = Math.max(this.#everythingUntil, at);
      this.#times.delete(oldest);
    }
  }

  /** Tells whether any of the names was added at `time` or later; the same second counts as later. */
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
