import { type EventSink, type OrgateEvent, createEventSink, describeCause } from "../events.ts";
import { type Invalidation, nameOfTarget } from "../fleet/coordinator.ts";
import type { Clock } from "../lib/clock.ts";
import type { Interpretation } from "../store.ts";

const MAX_INVALIDATIONS = 50_000;

/**
 * What stopped being valid in this process while tokens that say otherwise are still fresh.
 *
 * An entry is kept for as long as a token issued before it can be fresh. The number of entries is bounded: what does not fit
 * concerns every token.
 */
export class RecentInvalidations {
  readonly #clock: Clock;
  readonly #events: EventSink;
  readonly #lifetime: number;
  readonly #listeners = new Set<(target: Invalidation) => void>();
  /** When each name was last invalidated, oldest first. */
  readonly #times = new Map<string, number>();
  #everythingUntil = -Infinity;

  /** @param lifetime - of an access token, in seconds. */
  constructor({ clock, events }: { readonly clock: Clock; readonly events: EventSink }, lifetime: number) {
    this.#clock = clock;
    this.#events = events;
    this.#lifetime = lifetime;
  }

  /** Records an invalidation, and calls every listener before it returns. */
  announce(target: Invalidation): void {
    this.#record(nameOfTarget(target), this.#clock());
    for (const listener of this.#listeners) {
      try {
        listener(target);
      } catch (cause) {
        // The other listeners must hear of it too.
        const reason = "invalidation_listener_failed";
        this.#events.emit({ type: "misconfigured", reason, ...describeCause(cause) });
      }
    }
  }

  /** Records what another process invalidated. The middleware has told its own listeners already. */
  hear(target: Invalidation): void {
    this.#record(nameOfTarget(target), this.#clock());
  }

  /** Tells whether the store must be asked about a fresh token issued at `iat`. The same second counts as later. */
  concern({ memberSession, member }: Interpretation, iat: number): boolean {
    if (iat <= this.#everythingUntil) return true;
    if (this.#times.size === 0) return false;
    const { id, organizationId = "" } = memberSession;
    const names = [
      `session ${id}`,
      `member ${member.id}`,
      `user ${member.userId ?? ""}`,
      `organization ${organizationId}`,
    ];
    return names.some((name) => iat <= (this.#times.get(name) ?? -Infinity));
  }

  /** Adds a listener; returns the way to stop. */
  listen(listener: (target: Invalidation) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
  }

  #record(name: string, now: number): void {
    this.#times.delete(name);
    this.#times.set(name, now);
    for (const [oldest, at] of this.#times) {
      const isOver = at + this.#lifetime < now;
      if (!isOver && this.#times.size <= MAX_INVALIDATIONS) return;
      if (!isOver) this.#everythingUntil = Math.max(this.#everythingUntil, at);
      this.#times.delete(oldest);
    }
  }
}

type Listener = (event: OrgateEvent) => void;

/** The authority's events: they go to its own listener or, without one, to the middleware that it is the store of. */
export interface AuthorityEvents extends EventSink {
  /** For what the middleware asked for: the middleware tells its own listener about that. */
  readonly own: EventSink;
  /** Emits an event that each listener is to hear once, also those that are added later. */
  emitToAll(event: OrgateEvent): void;
  /** Adds a middleware's listener; returns the way to stop. */
  listen(listener: Listener): () => void;
}

/** Makes the authority's events. An application that listens to both the authority and the middleware gets each event once. */
export function createAuthorityEvents(listener: Listener | undefined): AuthorityEvents {
  const own = createEventSink(listener);
  if (listener !== undefined) {
    return { ...own, own, emitToAll: (event) => own.emit(event), listen: () => () => undefined };
  }
  const told: OrgateEvent[] = [];
  const listeners = new Set<Listener>();
  const relay = createEventSink((event) => {
    for (const one of listeners) one(event);
  });
  return {
    ...relay,
    own,
    emitToAll(event) {
      told.push(event);
      relay.emit(event);
    },
    listen(one) {
      for (const event of told) one(event);
      listeners.add(one);
      return () => listeners.delete(one);
    },
  };
}
