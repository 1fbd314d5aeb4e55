import { ConfigurationError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import {
  type Invalidation,
  type InvalidationMessage,
  isInvalidationMessage,
  nameOfTarget,
} from "../fleet/coordinator.ts";
import type { Clock } from "../lib/clock.ts";
import { isObject, isText } from "../lib/values.ts";
import type { SessionStore } from "../store.ts";
import type { TokenTimes } from "../tokens/verify-token.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Coordination } from "./coordination.ts";
import { reportMisconfigured } from "./request-auth.ts";

const MAX_TARGETS = 50_000;
/** Seconds. */
const DEFAULT_TOKEN_LIFETIME = 86_400;

/** Why a session is over: a sign-out, or another session that took its place in the same browser. */
export type Ending = "refuse" | "supersede";

/** Knows which sessions must not be served on the strength of their token alone, in this process and in the others. */
export interface Invalidations {
  /** Makes the target's next requests ask the store, here and in every other process. */
  invalidate(target: Invalidation): Promise<void>;
  /**
   * Ends a session, whatever its token says and also while the store is down, here and in every other process.
   *
   * @param times - of the session's token; the ending lasts until no such token can be good. @defaultValue `maxTokenLifetime`
   */
  end(sessionId: string, because: Ending, times?: Pick<TokenTimes, "iat" | "exp">): Promise<void>;
  endingOf(sessionId: string): Ending | undefined;
  /**
   * Whether something that the session belongs to was invalidated after the session was confirmed. Without `verifiedAt`, its
   * `iat` decides: a time of a foreign clock, which may be ahead by `clockTolerance`.
   *
   * @param options - `afterGap: false` leaves out what may have been missed while the other processes could not be heard
   */
  mustAsk(session: VerifiedSession, options?: { readonly afterGap?: boolean }): boolean;
  /** Calls the listener for each target, whoever named it. Returns a function that stops it. */
  listen(listener: (target: Invalidation) => void): () => void;
  /**
   * Notes the result of a store call. An invalidation that landed during the call counts as made now, because the token that the
   * call returned may have been issued after it with what the store knew before.
   */
  overtake(session: VerifiedSession): void;
  /** Counts what was added: a session checked at this epoch need not be checked again. */
  readonly epoch: number;
  /** Begins to listen to the store and to the other processes. Throws as they do. */
  start(): void;
  /** Stops listening. */
  close(): void;
}

/** What invalidations are made of. */
export interface InvalidationSources {
  readonly clock: Clock;
  readonly events: EventSink;
  /** The way to the other processes. */
  readonly channel: Pick<Coordination, "isShared" | "publish" | "subscribe">;
  readonly store: Pick<SessionStore, "onInvalidated" | "hearInvalidation">;
  /** Seconds by which a foreign clock may be ahead. */
  readonly clockTolerance: number;
  /** Seconds that a token can be good at most, where it is not known better. @defaultValue unknown: 24 hours for an ended session */
  readonly maxTokenLifetime?: number | undefined;
  /** Seconds for which a token is served beyond that while the store is down. @defaultValue 0 */
  readonly staleIfUnavailable?: number | undefined;
}

/**
 * Keeps invalidations by session, member, user and organization, bounded.
 *
 * A token whose `iat` lies in the second of the invalidation counts as older, because `iat` has no fractions. No invalidation
 * expires early: it goes when no token from before it can be served any more, and where the list is full, the oldest become
 * "everything issued before must be asked about".
 */
export function createInvalidations(sources: InvalidationSources): Invalidations {
  return new BoundedInvalidations(sources);
}

class BoundedInvalidations implements Invalidations {
  // A plain field: every request reads it.
  epoch = 0;
  readonly #sources: InvalidationSources;
  readonly #listeners = new Set<(target: Invalidation) => void>();
  /** When each name was last invalidated, by our own clock, oldest first. */
  readonly #askedAt = new Map<string, number>();
  /** Sessions that ended, the one that ended first is first. */
  readonly #endings = new Map<string, EndedSession>();
  /** Everything confirmed until then must be asked about. */
  #everythingUntil = -Infinity;
  /** Messages about what was confirmed until then may have been missed. */
  #gapUntil = -Infinity;
  readonly #unsubscribe: (() => void)[] = [];

  constructor(sources: InvalidationSources) {
    this.#sources = sources;
  }

  start(): void {
    const { channel, store, events } = this.#sources;
    const stopStore = store.onInvalidated?.((target) => this.#passOn(target));
    if (stopStore !== undefined) this.#unsubscribe.push(stopStore);
    const stopChannel = channel.subscribe((message) => this.#hear(message), {
      lost: (cause) => reportMisconfigured(events, { reason: "coordinator_channel_lost", cause }),
      restored: () => this.#askAboutEverything(),
    });
    this.#unsubscribe.push(stopChannel);
  }

  invalidate(target: Invalidation): Promise<void> {
    const at = this.#sources.clock();
    this.#ask(target, at);
    return this.#broadcast({ target, at, effect: "ask" });
  }

  end(sessionId: string, because: Ending, times?: Pick<TokenTimes, "iat" | "exp">): Promise<void> {
    const { clock, clockTolerance } = this.#sources;
    const at = clock();
    // A renewal under way may bring a token that lives as long as the last one, from now.
    const until = times && Math.max(times.exp, at + times.exp - times.iat) + clockTolerance;
    this.#end(sessionId, because, until);
    const message = { target: { sessionId }, at, effect: because } as const;
    return this.#broadcast(until === undefined ? message : { ...message, until });
  }

  endingOf(sessionId: string): Ending | undefined {
    const ended = this.#endings.get(sessionId);
    return ended !== undefined && this.#sources.clock() < ended.until ? ended.because : undefined;
  }

  mustAsk(session: VerifiedSession, { afterGap = true }: { readonly afterGap?: boolean } = {}): boolean {
    if (this.epoch === 0) return false;
    const confirmedAt = session.verifiedAt ?? session.iat - this.#sources.clockTolerance;
    return (
      confirmedAt <= this.#everythingUntil ||
      (afterGap && confirmedAt <= this.#gapUntil) ||
      namesOf(session).some((name) => this.#isOlder(name, confirmedAt))
    );
  }

  listen(listener: (target: Invalidation) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  overtake(session: VerifiedSession): void {
    if (!this.mustAsk(session)) return;
    const now = this.#sources.clock();
    for (const name of namesOf(session)) {
      if (this.#askedAt.has(name)) this.#remember(name, now);
    }
  }

  close(): void {
    this.#listeners.clear();
    for (const stop of this.#unsubscribe) stop();
  }

  #ask(target: Invalidation, at: number): void {
    this.#remember(nameOfTarget(target), at);
    this.#tell(target);
  }

  /** A store tells what changed through this process alone: the other processes hear of it from here. */
  #passOn(target: Invalidation): void {
    // Everybody has heard already of a session that a sign-out has ended.
    if ("sessionId" in target && this.endingOf(target.sessionId) !== undefined) return;
    const at = this.#sources.clock();
    this.#ask(target, at);
    void this.#broadcast({ target, at, effect: "ask" });
  }

  /** By our own clock: the change was made before its message arrived, and the other process's clock may differ. */
  #hear(message: unknown): void {
    const { clock, events, store } = this.#sources;
    if (!isInvalidationMessage(message)) {
      reportMisconfigured(events, { reason: "coordinator_message_unreadable" });
      this.#askAboutEverything();
      return;
    }
    const { target, effect, until } = message;
    this.#tellOne(target, (heard) => store.hearInvalidation?.(heard));
    if ("sessionId" in target && (effect === "refuse" || effect === "supersede")) {
      this.#end(target.sessionId, effect, until);
    } else {
      this.#ask(target, clock());
    }
  }

  /** Messages were missed: whatever was confirmed before now may have changed. */
  #askAboutEverything(): void {
    this.#gapUntil = Math.max(this.#gapUntil, this.#sources.clock());
    this.epoch++;
  }

  /** Records a time, never an earlier one than before. */
  #remember(name: string, at: number): void {
    const latest = Math.max(at, this.#askedAt.get(name) ?? at);
    this.#askedAt.delete(name);
    this.#askedAt.set(name, latest);
    this.epoch++;
    const { clock, clockTolerance, maxTokenLifetime = Infinity, staleIfUnavailable = 0 } = this.#sources;
    // Foreign clocks may be ahead where a token is issued and behind where it expires.
    const oldestServed = clock() - maxTokenLifetime - staleIfUnavailable - 2 * clockTolerance;
    for (const [oldest, askedAt] of this.#askedAt) {
      const isOver = askedAt < oldestServed;
      if (!isOver && this.#askedAt.size <= MAX_TARGETS) break;
      if (!isOver) this.#everythingUntil = Math.max(this.#everythingUntil, askedAt);
      this.#askedAt.delete(oldest);
    }
  }

  #end(sessionId: string, because: Ending, goodUntil: number | undefined): void {
    const { clock, maxTokenLifetime = DEFAULT_TOKEN_LIFETIME, clockTolerance } = this.#sources;
    const at = clock();
    const until = goodUntil ?? at + maxTokenLifetime + clockTolerance;
    const before = this.#endings.get(sessionId);
    this.#endings.delete(sessionId);
    this.#endings.set(sessionId, { because, at, until: Math.max(until, before?.until ?? until) });
    this.epoch++;
    this.#tell({ sessionId });
    for (const [oldest, ended] of this.#endings) {
      const isOver = ended.until <= at;
      if (!isOver && this.#endings.size <= MAX_TARGETS) break;
      if (!isOver) this.#everythingUntil = Math.max(this.#everythingUntil, ended.at);
      this.#endings.delete(oldest);
    }
  }

  /** Tells the application's listeners; one that throws keeps nobody from hearing of it. */
  #tell(target: Invalidation): void {
    for (const listener of this.#listeners) this.#tellOne(target, listener);
  }

  #tellOne(target: Invalidation, listener: (target: Invalidation) => void): void {
    try {
      listener(target);
    } catch (cause) {
      reportMisconfigured(this.#sources.events, { reason: "invalidation_listener_failed", cause });
    }
  }

  #isOlder(name: string, confirmedAt: number): boolean {
    const at = this.#askedAt.get(name);
    return at !== undefined && confirmedAt <= at;
  }

  /** Tells the other processes. Until they hear of it, the age of a token bounds what they miss. */
  async #broadcast(message: InvalidationMessage): Promise<void> {
    await this.#sources.channel.publish(message);
  }
}

/** A session that ended, and until when a token of it could be good. */
interface EndedSession {
  readonly because: Ending;
  readonly at: number;
  readonly until: number;
}

/** Everything by which a session can be invalidated. */
function namesOf({ memberSession, member }: VerifiedSession): readonly string[] {
  const { organizationId } = memberSession;
  return [
    `session ${memberSession.id}`,
    `member ${member.id}`,
    ...(member.userId === undefined ? [] : [`user ${member.userId}`]),
    ...(organizationId === undefined ? [] : [`organization ${organizationId}`]),
  ];
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
