import type { ChannelListener, Coordinator, InvalidationMessage, Lease } from "../fleet/coordinator.ts";
import { type Clock, systemClock } from "../lib/clock.ts";

/** Options of `sharedCoordinator()`. */
export interface SharedCoordinatorOptions {
  /** The time in seconds, for leases and results. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
}

/** A coordinator in memory that several instances of orgate in one test share, as processes would share Redis. */
export interface SharedCoordinator {
  /** Makes the coordinator of one more instance: pass it as `orgate({ coordinator })`. */
  join(): Coordinator;
  /** Makes every call fail from now on. */
  takeDown(): void;
  /** Makes calls succeed again. */
  bringBack(): void;
  /** Loses messages from now on, and tells every instance so. */
  loseChannel(): void;
  /** Delivers messages again. Those that were sent meanwhile are gone. */
  restoreChannel(): void;
  /** How often each method was called. */
  readonly calls: ReadonlyMap<keyof Coordinator | "release", number>;
}

interface Held {
  readonly fence: number;
  readonly until: number;
}

interface Kept extends Held {
  readonly sealed: string;
}

interface Subscription {
  readonly owner: Coordinator;
  readonly listener: (message: InvalidationMessage) => void;
  readonly channel: ChannelListener | undefined;
}

/**
 * Makes a coordinator in memory for tests of applications that run as several processes.
 *
 * @example
 * ```ts
 * const shared = sharedCoordinator();
 * const [a, b] = [orgate({ ...options, coordinator: shared.join() }), orgate({ ...options, coordinator: shared.join() })];
 * ```
 */
export function sharedCoordinator({ clock = systemClock }: SharedCoordinatorOptions = {}): SharedCoordinator {
  return new MemoryHub(clock);
}

class MemoryHub implements SharedCoordinator {
  readonly calls = new Map<keyof Coordinator | "release", number>();
  readonly #clock: Clock;
  readonly #leases = new Map<string, Held>();
  readonly #results = new Map<string, Kept>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #subscriptions = new Set<Subscription>();
  #fence = 0;
  #isDown = false;
  #losesMessages = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  takeDown(): void {
    this.#isDown = true;
  }

  bringBack(): void {
    this.#isDown = false;
  }

  loseChannel(): void {
    this.#losesMessages = true;
    for (const { channel } of this.#subscriptions) channel?.lost(new Error("the channel was lost"));
  }

  restoreChannel(): void {
    this.#losesMessages = false;
    for (const { channel } of this.#subscriptions) channel?.restored();
  }

  join(): Coordinator {
    const coordinator: Coordinator = {
      acquire: async (key, seconds) => {
        this.#begin("acquire");
        return this.#acquire(key, seconds);
      },
      remember: async (key, sealed, seconds) => {
        this.#begin("remember");
        this.#keep(key, sealed, seconds, ++this.#fence);
      },
      recall: async (key) => {
        this.#begin("recall");
        return this.#live(this.#results, key)?.sealed;
      },
      settled: async (key, signal) => {
        this.#begin("settled");
        await this.#whenSettled(key, signal);
      },
      publish: async (message) => {
        this.#begin("publish");
        this.#deliver(coordinator, message);
      },
      subscribe: (listener, channel) => {
        const subscription = { owner: coordinator, listener, channel };
        this.#subscriptions.add(subscription);
        return () => void this.#subscriptions.delete(subscription);
      },
      ping: async () => this.#begin("ping"),
      close: async () => {
        for (const one of this.#subscriptions) {
          if (one.owner === coordinator) this.#subscriptions.delete(one);
        }
      },
    };
    return coordinator;
  }

  /** Counts a call. */
  #begin(method: keyof Coordinator | "release"): void {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    if (this.#isDown) throw new Error("the coordinator is down");
  }

  #live<Entry extends Held>(entries: ReadonlyMap<string, Entry>, key: string): Entry | undefined {
    const entry = entries.get(key);
    return entry !== undefined && this.#clock() < entry.until ? entry : undefined;
  }

  #acquire(key: string, seconds: number): Lease | undefined {
    if (this.#live(this.#leases, key) !== undefined) return undefined;
    const fence = ++this.#fence;
    this.#leases.set(key, { fence, until: this.#clock() + seconds });
    return {
      kept: { sealed: this.#live(this.#results, key)?.sealed },
      remember: async (sealed, keptFor) => {
        this.#begin("remember");
        const before = this.#live(this.#results, key);
        if (before !== undefined && before.fence > fence) return false;
        this.#keep(key, sealed, keptFor, fence);
        return true;
      },
      release: async () => {
        this.#begin("release");
        if (this.#leases.get(key)?.fence !== fence) return;
        this.#leases.delete(key);
        this.#wake(key);
      },
    };
  }

  #keep(key: string, sealed: string, seconds: number, fence: number): void {
    this.#results.set(key, { sealed, fence, until: this.#clock() + seconds });
    this.#wake(key);
  }

  #whenSettled(key: string, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(key) ?? new Set();
      const end = (): void => {
        waiting.delete(end);
        if (waiting.size === 0) this.#waiting.delete(key);
        signal.removeEventListener("abort", end);
        resolve();
      };
      this.#waiting.set(key, waiting.add(end));
      signal.addEventListener("abort", end, { once: true });
    });
  }

  #wake(key: string): void {
    for (const end of this.#waiting.get(key) ?? []) end();
  }

  /** As text, as it would travel between processes. */
  #deliver(sender: Coordinator, message: InvalidationMessage): void {
    if (this.#losesMessages) return;
    const text = JSON.stringify(message);
    for (const { owner, listener } of this.#subscriptions) {
      if (owner !== sender) listener(JSON.parse(text) as InvalidationMessage);
    }
  }
}
