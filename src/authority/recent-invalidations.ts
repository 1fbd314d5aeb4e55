import type { Clock } from "../clock.ts";
import type { Invalidation } from "../coordination/coordinator.ts";
import type { Interpretation } from "../stores/session-store.ts";

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
