import { ConfigurationError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Coordinator, Invalidation, InvalidationMessage } from "../fleet/coordinator.ts";
import { type BoundedMap, createBoundedMap } from "../lib/bounded-map.ts";
import type { Clock } from "../lib/clock.ts";
import { isObject, isText } from "../lib/values.ts";
import type { Profile, SessionStore } from "../store.ts";
import type { VerifiedSession } from "./cache.ts";
import { reportMisconfigured } from "./request-auth.ts";

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
  /** Calls the listener for each target, whoever named it. Returns a function that stops it. */
  listen(listener: (target: Invalidation) => void): () => void;
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
  return new BoundedInvalidations(sources);
}

class BoundedInvalidations implements Invalidations {
  // A plain field: every request reads it.
  epoch = 0;
  readonly #sources: InvalidationSources;
  readonly #askedAt = createBoundedMap<string, number>(MAX_TARGETS);
  readonly #endings = createBoundedMap<string, Ending>(MAX_TARGETS);
  readonly #listeners = new Set<(target: Invalidation) => void>();
  readonly #unsubscribe: readonly ((() => void) | undefined)[];

  constructor(sources: InvalidationSources) {
    const { clock, coordinator, store } = sources;
    this.#sources = sources;
    this.#unsubscribe = [
      store.onInvalidated?.((target) => this.#ask(target, clock())),
      coordinator.subscribe(({ target, at, effect }) => {
        if (effect !== "ask" && "sessionId" in target) this.#end(target.sessionId, effect);
        else this.#ask(target, at);
      }),
    ];
  }

  invalidate(target: Invalidation): Promise<void> {
    const { clock, profiles } = this.#sources;
    const at = clock();
    this.#ask(target, at);
    if ("sessionId" in target) profiles.delete(target.sessionId);
    else profiles.clear();
    return this.#broadcast({ target, at, effect: "ask" });
  }

  end(sessionId: string, because: Ending): Promise<void> {
    const { clock, profiles } = this.#sources;
    this.#end(sessionId, because);
    profiles.delete(sessionId);
    return this.#broadcast({ target: { sessionId }, at: clock(), effect: because });
  }

  endingOf(sessionId: string): Ending | undefined {
    return this.#endings.get(sessionId);
  }

  mustAsk({ memberSession, member, iat, verifiedAt }: VerifiedSession): boolean {
    if (this.epoch === 0) return false;
    const confirmedAt = Math.max(iat, verifiedAt ?? iat);
    const { organizationId } = memberSession;
    return (
      this.#isOlder(`session ${memberSession.id}`, confirmedAt) ||
      this.#isOlder(`member ${member.id}`, confirmedAt) ||
      (member.userId !== undefined && this.#isOlder(`user ${member.userId}`, confirmedAt)) ||
      (organizationId !== undefined && this.#isOlder(`organization ${organizationId}`, confirmedAt))
    );
  }

  listen(listener: (target: Invalidation) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  close(): void {
    this.#listeners.clear();
    for (const stop of this.#unsubscribe) stop?.();
  }

  #ask(target: Invalidation, at: number): void {
    const name = nameOf(target);
    // A message that arrives late must not move the time back.
    this.#askedAt.set(name, Math.max(at, this.#askedAt.get(name) ?? at));
    this.epoch++;
    this.#tell(target);
  }

  #end(sessionId: string, because: Ending): void {
    this.#endings.set(sessionId, because);
    this.epoch++;
    this.#tell({ sessionId });
  }

  /** Tells the application's listeners; one that throws keeps nobody from hearing of it. */
  #tell(target: Invalidation): void {
    for (const listener of this.#listeners) {
      try {
        listener(target);
      } catch (cause) {
        reportMisconfigured(this.#sources.events, { reason: "invalidation_listener_failed", cause });
      }
    }
  }

  #isOlder(name: string, confirmedAt: number): boolean {
    const at = this.#askedAt.get(name);
    return at !== undefined && confirmedAt <= at;
  }

  /** Tells the other processes. If that fails, the age of a token bounds what they miss. */
  async #broadcast(message: InvalidationMessage): Promise<void> {
    const { coordinator, events } = this.#sources;
    try {
      await coordinator.publish(message);
    } catch (cause) {
      reportMisconfigured(events, { reason: "coordinator_failed", cause });
    }
  }
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
