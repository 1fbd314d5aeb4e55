import type { EventSink } from "../events.ts";
import {
  type ChannelListener,
  type Coordinator,
  type InvalidationMessage,
  type Lease,
  isInProcess,
} from "../fleet/coordinator.ts";
import type { Clock } from "../lib/clock.ts";
import { TIMED_OUT, backOffSeconds, limitTime, sleep } from "../lib/concurrency.ts";
import { reportMisconfigured } from "./request-auth.ts";

/** Seconds that one call to the coordinator may take. */
export const COORDINATOR_TIMEOUT = 0.8;
/** Seconds for which a process may renew alone. A call to the store is over by then. */
export const LEASE_SECONDS = 5;
/** Seconds after which a process looks for itself, in case a message did not arrive. */
const MAX_WAKE_SECONDS = 1;
/** Seconds for which a coordinator that failed is left alone: 1, doubling. */
const MAX_COORDINATOR_PAUSE = 30;
const MAX_UNSENT = 10_000;

/** The lease of this process on a key. */
export interface HeldLease {
  /** What was kept when the lease was taken; `undefined` where the coordinator does not tell. */
  readonly kept: Lease["kept"];
  /** Keeps a result. `late`: another process has kept one since, because this one slept past its lease. */
  remember(sealed: string, seconds: number): Promise<"kept" | "late" | "failed">;
  /** Lets the next process have it. Nobody waits for that. */
  release(): void;
}

/**
 * The coordinator as one instance uses it: each call has 800 ms, a failure is reported as `coordinator_failed`, and a coordinator
 * that failed is left alone for a while. No method rejects: without it each process goes on alone.
 */
export interface Coordination {
  /** Whether there may be other processes. */
  readonly isShared: boolean;
  /** Takes the lease on a key. `taken`: another process has it. `undefined`: the coordinator fails. */
  acquire(key: string): Promise<HeldLease | "taken" | undefined>;
  /** The result that a process kept; `undefined` also where the coordinator fails. */
  recall(key: string): Promise<string | undefined>;
  remember(key: string, sealed: string, seconds: number): Promise<void>;
  /**
   * Waits until it is worth looking again: a result was kept, or the lease is free.
   *
   * @param pause - seconds to wait where the coordinator sends no messages
   */
  awaken(key: string, pause: number, signal: AbortSignal): Promise<void>;
  /** Tells the other processes; later, if the coordinator fails. */
  publish(message: InvalidationMessage): Promise<void>;
  subscribe(listener: (message: InvalidationMessage) => void, channel: ChannelListener): () => void;
  /** Whether messages of the other processes may be missed now. */
  readonly isChannelLost: boolean;
  /** Asks the coordinator whether it answers; absent where it cannot be asked. Rejects as the coordinator does. */
  readonly ping: (() => Promise<unknown>) | undefined;
  /** Tries once more to send the unsent messages, and closes the coordinator. */
  close(): Promise<void>;
}

const CALL_FAILED: unique symbol = Symbol("the coordinator failed");

/** Makes the {@link Coordination} of an instance. */
export function createCoordination(
  coordinator: Coordinator,
  circumstances: { readonly clock: Clock; readonly events: EventSink },
): Coordination {
  return new GuardedCoordinator(coordinator, circumstances);
}

class GuardedCoordinator implements Coordination {
  readonly isShared: boolean;
  readonly ping: (() => Promise<unknown>) | undefined;
  isChannelLost = false;
  readonly #coordinator: Coordinator;
  readonly #clock: Clock;
  readonly #events: EventSink;
  #failures = 0;
  #failedAt = -Infinity;
  /** Messages that could not be sent, the oldest first. A later one about the same target replaces the earlier. */
  readonly #unsent = new Map<string, InvalidationMessage>();
  #resend: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(coordinator: Coordinator, { clock, events }: { clock: Clock; events: EventSink }) {
    this.#coordinator = coordinator;
    this.#clock = clock;
    this.#events = events;
    this.isShared = !isInProcess(coordinator);
    this.ping = coordinator.ping && (async () => coordinator.ping?.());
  }

  async acquire(key: string): Promise<HeldLease | "taken" | undefined> {
    let isLate = false;
    const lease = await this.#ask(async (coordinator) => {
      const taken = await coordinator.acquire(key, LEASE_SECONDS);
      // Nobody waits for it any more: the others must not wait for its end.
      if (isLate) await taken?.release();
      return taken;
    });
    if (lease === CALL_FAILED) {
      isLate = true;
      return undefined;
    }
    return lease === undefined ? "taken" : this.#hold(key, lease);
  }

  async recall(key: string): Promise<string | undefined> {
    const sealed = await this.#ask((coordinator) => coordinator.recall(key));
    return sealed === CALL_FAILED ? undefined : sealed;
  }

  async remember(key: string, sealed: string, seconds: number): Promise<void> {
    await this.#ask((coordinator) => coordinator.remember(key, sealed, seconds));
  }

  async awaken(key: string, pause: number, signal: AbortSignal): Promise<void> {
    const coordinator = this.#coordinator;
    if (coordinator.settled === undefined) {
      await sleep(pause);
      return;
    }
    try {
      await limitTime(MAX_WAKE_SECONDS, async (over) => coordinator.settled?.(key, over.signal), { signal });
    } catch (cause) {
      this.#fail(cause);
    }
  }

  async publish(message: InvalidationMessage): Promise<void> {
    // Tried at once in any case, because the others should hear of it as soon as they can; but nobody waits for a failure twice.
    const isFailing = this.#secondsToWait() > 0;
    const sending = this.#sendOrKeep(message);
    if (!isFailing) await sending;
  }

  async #sendOrKeep(message: InvalidationMessage): Promise<void> {
    if (!(await this.#send(message))) this.#sendLater(message);
  }

  async #send(message: InvalidationMessage): Promise<boolean> {
    return (await this.#call((coordinator) => coordinator.publish(message))) !== CALL_FAILED;
  }

  subscribe(listener: (message: InvalidationMessage) => void, channel: ChannelListener): () => void {
    return this.#coordinator.subscribe(listener, {
      lost: (cause) => {
        this.isChannelLost = true;
        channel.lost(cause);
      },
      restored: () => {
        this.isChannelLost = false;
        channel.restored();
      },
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.#resend);
    await limitTime(COORDINATOR_TIMEOUT, () => this.#sendUnsent());
    this.#isClosed = true;
    clearTimeout(this.#resend);
    if (this.#unsent.size > 0) {
      const cause = new Error(
        `Other processes were not told of ${this.#unsent.size} changes before close().`,
      );
      reportMisconfigured(this.#events, { reason: "coordinator_failed", cause });
    }
    await this.#coordinator.close();
  }

  #hold(key: string, lease: Lease): HeldLease {
    const takenAt = this.#clock();
    const remember = async (
      coordinator: Coordinator,
      sealed: string,
      seconds: number,
    ): Promise<"kept" | "late"> => {
      if (lease.remember !== undefined) return (await lease.remember(sealed, seconds)) ? "kept" : "late";
      // Without fencing, a process that slept past its lease looks first.
      const age = this.#clock() - takenAt;
      const isOver = age < 0 || age >= LEASE_SECONDS;
      if (isOver && (await coordinator.recall(key)) !== undefined) return "late";
      await coordinator.remember(key, sealed, seconds);
      return "kept";
    };
    return {
      kept: lease.kept,
      remember: async (sealed, seconds) => {
        const kept = await this.#ask((coordinator) => remember(coordinator, sealed, seconds));
        return kept === CALL_FAILED ? "failed" : kept;
      },
      release: () => void this.#ask(() => lease.release()),
    };
  }

  /** Calls the coordinator, unless it failed a moment ago. */
  async #ask<Value>(call: (coordinator: Coordinator) => Promise<Value>): Promise<Value | typeof CALL_FAILED> {
    return this.#secondsToWait() > 0 ? CALL_FAILED : this.#call(call);
  }

  async #call<Value>(
    call: (coordinator: Coordinator) => Promise<Value>,
  ): Promise<Value | typeof CALL_FAILED> {
    try {
      const value = await limitTime(COORDINATOR_TIMEOUT, () => call(this.#coordinator));
      if (value === TIMED_OUT) {
        this.#fail(new Error(`The coordinator did not answer within ${COORDINATOR_TIMEOUT} s.`));
        return CALL_FAILED;
      }
      this.#failures = 0;
      return value;
    } catch (cause) {
      this.#fail(cause);
      return CALL_FAILED;
    }
  }

  /** Notes a failure, and reports it. Calls that were under way when the first of them failed count as one. */
  #fail(cause: unknown): void {
    if (this.#secondsToWait() > 0) return;
    this.#failures += 1;
    this.#failedAt = this.#clock();
    reportMisconfigured(this.#events, { reason: "coordinator_failed", cause });
  }

  #secondsToWait(): number {
    if (this.#failures === 0) return 0;
    const pause = backOffSeconds(this.#failures, MAX_COORDINATOR_PAUSE);
    const left = this.#failedAt + pause - this.#clock();
    // More than the whole pause is left only if the clock was set back.
    return left > pause ? 0 : Math.max(left, 0);
  }

  #sendLater(message: InvalidationMessage): void {
    if (this.#isClosed) return;
    const key = JSON.stringify([message.target, message.effect]);
    this.#unsent.delete(key);
    this.#unsent.set(key, message);
    for (const oldest of this.#unsent.keys()) {
      if (this.#unsent.size <= MAX_UNSENT) break;
      this.#unsent.delete(oldest);
    }
    this.#resendLater();
  }

  #resendLater(): void {
    const wait = Math.max(this.#secondsToWait(), 1);
    this.#resend ??= setTimeout(() => {
      this.#resend = undefined;
      void this.#sendUnsent();
    }, wait * 1000).unref();
  }

  /** Sends what could not be sent, the oldest first; the first failure keeps the rest for later. */
  async #sendUnsent(): Promise<void> {
    for (const [key, message] of this.#unsent) {
      // oxlint-disable-next-line no-await-in-loop -- in their order
      const isSent = await this.#send(message);
      if (this.#isClosed) return;
      if (!isSent) {
        this.#resendLater();
        return;
      }
      if (this.#unsent.get(key) === message) this.#unsent.delete(key);
    }
  }
}
