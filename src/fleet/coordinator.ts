import {
  type Predicate,
  absentOr,
  isFiniteNumber,
  isObject,
  isOneOf,
  isText,
  objectWith,
} from "../lib/values.ts";

/** What an invalidation is about. Tokens of it that were issued before must not be served without asking the store. */
export type Invalidation =
  | { readonly sessionId: string }
  | { readonly memberId: string }
  | { readonly userId: string }
  | { readonly organizationId: string };

/** What one process tells the others. */
export interface InvalidationMessage {
  readonly target: Invalidation;
  /** Seconds since the epoch. */
  readonly at: number;
  /**
   * `ask`: the next request asks the store. `refuse`: the session has ended, also while the store is down (sign-out).
   * `supersede`: it has ended because another session replaced it in the same browser, so its cookie is not cleared.
   */
  readonly effect: "ask" | "refuse" | "supersede";
  /** Until when a token of an ended session could be good, in seconds since the epoch. @defaultValue `maxTokenLifetime` from now */
  readonly until?: number;
}

const TARGET_NAMES = ["sessionId", "memberId", "userId", "organizationId"] as const;

/** Whether a value names one target, by the id of a session, a member, a user or an organization. */
export function isInvalidation(value: unknown): value is Invalidation {
  if (!isObject(value)) return false;
  const [name, ...others] = TARGET_NAMES.filter((one) => value[one] !== undefined);
  return name !== undefined && others.length === 0 && isText(value[name]);
}

/** Whether a value is a message that this release can read. */
export const isInvalidationMessage: Predicate<InvalidationMessage> = objectWith<InvalidationMessage>({
  target: isInvalidation,
  at: isFiniteNumber,
  effect: isOneOf("ask", "refuse", "supersede"),
  until: absentOr(isFiniteNumber),
});

/** The name under which an invalidation is kept: ids of different kinds may be equal. */
export function nameOfTarget(target: Invalidation): string {
  if ("sessionId" in target) return `session ${target.sessionId}`;
  if ("memberId" in target) return `member ${target.memberId}`;
  if ("userId" in target) return `user ${target.userId}`;
  return `organization ${target.organizationId}`;
}

/** The right to make one call, until it is released or expires. */
export interface Lease {
  /**
   * Keeps the call's result for the other processes, sealed by the caller, like {@link Coordinator.remember}.
   *
   * An implementation may end the lease at the same time, which saves a round trip: `release` is called all the same.
   *
   * @returns `false`, and keeps nothing, where another holder has kept a result since: this one slept past its lease. A
   * coordinator without this method is asked to `remember`.
   */
  remember?(sealed: string, seconds: number): Promise<boolean>;
  /** What was kept under the key when the lease was taken, where the coordinator tells: it need not be asked to `recall`. */
  readonly kept?: { readonly sealed: string | undefined } | undefined;
  release(): Promise<void>;
}

/** Hears of what happens to the channel on which the other processes are heard. */
export interface ChannelListener {
  /** Messages may be missed from now on. */
  lost(cause?: unknown): void;
  /** Messages arrive again; those that were sent meanwhile are gone. */
  restored(): void;
}

/**
 * Connects the processes that serve one application: which one renews, what the renewal came to, and what is no longer valid.
 *
 * A lease saves calls; it is not needed for correctness. The store's compare-and-set is: two holders at once, after a lease
 * expired, do no harm. A coordinator that fails must throw; orgate then continues alone and emits an event.
 */
export interface Coordinator {
  /** Takes the lease on a key for at most `seconds`. Returns `undefined` while another process holds it. */
  acquire(key: string, seconds: number): Promise<Lease | undefined>;
  /** Keeps a result for the other processes, sealed by the caller. */
  remember(key: string, sealed: string, seconds: number): Promise<void>;
  /** Returns the result that another process kept, if any. */
  recall(key: string): Promise<string | undefined>;
  /**
   * Resolves as soon as a result is kept under the key or its lease is released, or the signal aborts; it may resolve early.
   * A coordinator without this method is asked to `recall` a few times a second.
   */
  settled?(key: string, signal: AbortSignal): Promise<void>;
  /** Tells every other process. */
  publish(message: InvalidationMessage): Promise<void>;
  /**
   * Listens to the other processes. Returns a function that stops it.
   *
   * @param channel - is told of gaps, by a coordinator that can notice them
   */
  subscribe(listener: (message: InvalidationMessage) => void, channel?: ChannelListener): () => void;
  /** Whether the engine behind it answers; throws where it does not. Used by `auth.health()`. */
  ping?(): Promise<void>;
  close(): Promise<void>;
}

/** Seconds that one wait for another process lasts at most while no message can end it. */
export const MAX_WAIT_WITHOUT_MESSAGES = 0.25;

const FREE: Lease = { release: () => Promise.resolve() };

const inProcess = new WeakSet<Coordinator>();

/** Whether a coordinator was made by {@link inProcessCoordinator}: there is no other process. */
export function isInProcess(coordinator: Coordinator): boolean {
  return inProcess.has(coordinator);
}

/**
 * Makes the coordinator for an application that runs in one process. It grants every lease, because the process's own single
 * flight has coalesced the requests already, and tells nobody.
 */
export function inProcessCoordinator(): Coordinator {
  const coordinator: Coordinator = {
    acquire: () => Promise.resolve(FREE),
    remember: () => Promise.resolve(),
    recall: () => Promise.resolve(undefined),
    publish: () => Promise.resolve(),
    subscribe: () => () => undefined,
    close: () => Promise.resolve(),
  };
  inProcess.add(coordinator);
  return coordinator;
}
