/** Says that tokens issued before `at` must not be served without asking the store. */
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
   * `ask`: the next request asks the store. `refuse`: the session is over, also while the store is down (sign-out).
   * `supersede`: over as well, but another session took its place in the same browser, so its cookie is not cleared.
   */
  readonly effect: "ask" | "refuse" | "supersede";
}

/** The right to make one call, held until released or until its time is over. */
export interface Lease {
  release(): Promise<void>;
}

/**
 * Joins the processes that serve one application: who renews, what came of it, and what is no longer valid.
 *
 * A lease is for economy only. Correctness rests on the store's compare-and-set: two holders at once, after a
 * lease ran out, do no harm. A coordinator that fails must throw; orgate then goes on as if alone and says so in an event.
 */
export interface Coordinator {
  /** Takes the lease on a key for at most `seconds`; `undefined` while another process holds it. */
  acquire(key: string, seconds: number): Promise<Lease | undefined>;
  /** Leaves a settled result for the other processes, sealed by the caller. */
  remember(key: string, sealed: string, seconds: number): Promise<void>;
  /** The result another process left, if any. */
  recall(key: string): Promise<string | undefined>;
  /** Tells every other process. */
  publish(message: InvalidationMessage): Promise<void>;
  /** Hears what other processes tell; returns the way to stop. */
  subscribe(listener: (message: InvalidationMessage) => void): () => void;
  close(): Promise<void>;
}

const FREE: Lease = { release: () => Promise.resolve() };

/**
 * The coordinator of an application that runs in one process: every lease is granted, because the process's own
 * single flight has already gathered the requests, and there is nobody to tell.
 */
export function inProcessCoordinator(): Coordinator {
  return {
    acquire: () => Promise.resolve(FREE),
    remember: () => Promise.resolve(),
    recall: () => Promise.resolve(undefined),
    publish: () => Promise.resolve(),
    subscribe: () => () => undefined,
    close: () => Promise.resolve(),
  };
}
