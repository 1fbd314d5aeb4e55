import { randomUUID } from "node:crypto";
import { TIMED_OUT, limitTime } from "../../lib/concurrency.ts";
import type { ChannelListener } from "../coordinator.ts";
import type { RedisConnection } from "./connection.ts";
import { redisError } from "./redis-error.ts";
import { type Subscriber, openSubscriber } from "./subscriber.ts";

/** Seconds between two proofs that messages arrive; while none does, between two attempts. */
const BEAT_INTERVAL = 2;
const RETRY_INTERVAL = 0.25;
/** Seconds within which a message to ourselves must arrive. */
const ECHO_LIMIT = 1;
/** After so many failures in a row the connection is opened anew: not every client finds back by itself. */
const FAILURES_UNTIL_REOPENED = 8;

type TextListener = (text: string) => void;

/**
 * Hears messages of other processes over a connection of its own.
 *
 * Redis keeps no messages: those that are sent while the connection is lost are gone. A connection can be lost without a sign,
 * so the bus sends a message to itself every two seconds, and tells of a gap when it does not arrive.
 */
export class RedisBus {
  readonly #connection: RedisConnection;
  readonly #echoChannel: string;
  readonly #listeners = new Map<string, Set<TextListener>>();
  readonly #pinned = new Set<string>();
  readonly #watchers = new Set<ChannelListener>();
  /** Calls that wait for one message, and must not wait for one that is gone. */
  readonly #waiting = new Set<() => void>();
  readonly #echoes = new Map<string, () => void>();
  #subscriber: Subscriber | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** `undefined` until the first proof. */
  #isUp: boolean | undefined;
  #hasListened = false;
  #failures = 0;
  #beats = 0;
  #isClosed = false;

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#echoChannel = `${prefix}:echo:${randomUUID()}`;
  }

  /** Listens on a channel from now on, and again after each gap. Returns a function that stops it. */
  add(channel: string, listener: TextListener): () => void {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      const isInUse = listeners.size > 0 || this.#pinned.has(channel);
      if (isInUse || this.#listeners.get(channel) !== listeners) return;
      this.#listeners.delete(channel);
      this.#subscriber?.unsubscribe(channel).catch((error: unknown) => this.#lose(error));
    };
  }

  /** Listens on a channel that stays subscribed; failures are gaps. Returns a function that stops it. */
  join(channel: string, listener: TextListener): () => void {
    this.#pinned.add(channel);
    const leave = this.add(channel, listener);
    this.confirm(channel).catch((error: unknown) => this.#lose(error));
    return leave;
  }

  /** Resolves when messages on the channel arrive. @throws StoreUnavailableError */
  async confirm(channel: string): Promise<void> {
    await this.#connection.limit(() => this.#open().subscribe(channel));
    this.#hasListened = true;
  }

  /** Tells of gaps from now on. Returns a function that stops it. */
  watch(watcher: ChannelListener): () => void {
    this.#watchers.add(watcher);
    if (this.#isUp === false) watcher.lost();
    if (this.#timer === undefined) this.#schedule(0);
    return () => this.#watchers.delete(watcher);
  }

  /** Calls back once when messages may have been lost. Returns a function that stops it. */
  onceLost(callback: () => void): () => void {
    this.#waiting.add(callback);
    return () => this.#waiting.delete(callback);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#drop();
    this.#wake();
  }

  #open(): Subscriber {
    // Nothing would ever close it.
    if (this.#isClosed) throw new Error("The coordinator was closed.");
    if (this.#subscriber !== undefined) return this.#subscriber;
    const isCurrent = (): boolean => !this.#isClosed && this.#subscriber === opened;
    const opened: Subscriber = openSubscriber(this.#connection.client, this.#connection.kind, {
      message: (channel, text) => {
        if (isCurrent()) this.#hear(channel, text);
      },
      down: (cause) => {
        // While it connects for the first time there is nothing to lose.
        if (isCurrent() && (this.#hasListened || this.#isUp !== undefined)) this.#lose(cause);
      },
      ended: (cause) => {
        if (!isCurrent()) return;
        this.#drop();
        this.#lose(cause);
      },
      up: () => {
        if (isCurrent() && this.#timer !== undefined) this.#schedule(0);
      },
    });
    this.#subscriber = opened;
    // One channel for the whole life of the connection: a cluster's client closes one that has none.
    opened.subscribe(this.#echoChannel).catch((error: unknown) => this.#lose(error));
    return opened;
  }

  #hear(channel: string, text: string): void {
    if (channel === this.#echoChannel) this.#echoes.get(text)?.();
    for (const listener of this.#listeners.get(channel) ?? []) listener(text);
  }

  #schedule(seconds: number): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => void this.#beat(), seconds * 1000).unref();
  }

  async #beat(): Promise<void> {
    this.#beats += 1;
    const beat = this.#beats;
    const proof = await this.#prove(this.#open());
    // A reconnection has started a newer one.
    if (beat !== this.#beats) return;
    if (proof === true) this.#restore();
    else this.#lose(proof);
    this.#schedule(this.#isUp === true ? BEAT_INTERVAL : this.#pauseAfterFailure());
  }

  /** Sends a message to ourselves. Returns why it did not arrive. */
  async #prove(subscriber: Subscriber): Promise<true | Error> {
    const token = randomUUID();
    try {
      const proof = await limitTime(ECHO_LIMIT, async (limit) => {
        if (this.#isUp !== true) await this.#subscribeAgain(subscriber);
        // A client that was offline subscribes when it is back, long after this proof has failed.
        if (limit.isOver) return;
        const echo = new Promise<void>((resolve) => void this.#echoes.set(token, resolve));
        await this.#connection.publish(this.#echoChannel, token);
        await echo;
      });
      return proof === TIMED_OUT ? new Error("A message to this process itself did not arrive.") : true;
    } catch (error) {
      return redisError(error);
    } finally {
      this.#echoes.delete(token);
    }
  }

  /** The echo's channel comes last: when it is confirmed, all others are. */
  async #subscribeAgain(subscriber: Subscriber): Promise<void> {
    await Promise.all([...this.#listeners.keys()].map((channel) => subscriber.subscribe(channel)));
    await subscriber.subscribe(this.#echoChannel);
    this.#hasListened = true;
  }

  #pauseAfterFailure(): number {
    this.#failures += 1;
    if (this.#failures % FAILURES_UNTIL_REOPENED === 0) this.#drop();
    return RETRY_INTERVAL;
  }

  /** The next use opens another connection. */
  #drop(): void {
    this.#subscriber?.close();
    this.#subscriber = undefined;
  }

  #lose(thrown: unknown): void {
    if (this.#isClosed) return;
    this.#wake();
    if (this.#isUp === false) return;
    this.#isUp = false;
    const cause = redisError(thrown);
    for (const watcher of this.#watchers) watcher.lost(cause);
    if (this.#timer !== undefined) this.#schedule(RETRY_INTERVAL);
  }

  #restore(): void {
    this.#failures = 0;
    const wasLost = this.#isUp === false;
    this.#isUp = true;
    if (!wasLost || this.#isClosed) return;
    for (const watcher of this.#watchers) watcher.restored();
  }

  #wake(): void {
    for (const callback of this.#waiting) callback();
    this.#waiting.clear();
  }
}
