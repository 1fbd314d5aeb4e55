import { randomUUID } from "node:crypto";
import { limitTime, sleep } from "../../lib/concurrency.ts";
import { readOptions, schema } from "../../lib/options.ts";
import { readGiven } from "../../lib/problems.ts";
import { parseStrictJson } from "../../lib/strict-json.ts";
import { isListOf, isString, isText, objectWith } from "../../lib/values.ts";
import {
  type ChannelListener,
  type Coordinator,
  type InvalidationMessage,
  type Lease,
  MAX_WAIT_WITHOUT_MESSAGES,
  isInvalidationMessage,
} from "../coordinator.ts";
import { RedisBus } from "./bus.ts";
import type { RedisClient } from "./client.ts";
import { REDIS_OPTIONS, RedisConnection, type RedisOptions } from "./connection.ts";
import { escapeName } from "./keys.ts";
import { LEASE_SCRIPTS } from "./scripts.ts";

const COORDINATOR_OPTIONS = schema<RedisOptions>()(REDIS_OPTIONS);

/**
 * Connects the processes of one application over Redis 6.2 or later, or Valkey: one renewal for the whole fleet, and one
 * broadcast of what is no longer valid.
 *
 * Leases and results are kept under one key for each credential. Processes that wait are woken by a message. Each operation is
 * one round trip; `settled` takes one more to subscribe. It opens one connection of its own, a duplicate of the client, which
 * `close` ends; the client stays open. Redis keeps no messages, so a gap is told: at the latest three seconds after it began.
 *
 * Its methods throw a `StoreUnavailableError` with the reasons of `redisRepository`.
 *
 * @param client - of `ioredis` or `redis`; a client of `redis` must be connected
 * @throws ConfigurationError
 */
export function redisCoordinator(client: RedisClient, options: RedisOptions = {}): Coordinator {
  return readGiven("redisCoordinator", () => {
    const suggestion = "Pass { prefix }, or nothing.";
    const { prefix, timeout } = readOptions(
      COORDINATOR_OPTIONS,
      options,
      "redisCoordinator",
      suggestion,
      "redisCoordinator.",
    ).complete();
    return new RedisCoordinator(new RedisConnection("redisCoordinator", client, timeout), prefix);
  });
}

/** Seconds after which a caller that waits looks for itself. */
const MAX_WAIT = 60;

class RedisCoordinator implements Coordinator {
  readonly #id = randomUUID();
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #bus: RedisBus;

  constructor(connection: RedisConnection, prefix: string) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#bus = new RedisBus(connection, prefix);
  }

  async acquire(key: string, seconds: number): Promise<Lease | undefined> {
    const owner = randomUUID();
    const leaseKey = this.#leaseKey(key);
    const answer = await this.#connection.run(
      LEASE_SCRIPTS.acquire,
      [leaseKey],
      [owner, milliseconds(seconds)],
    );
    if (!isListOf(answer, isString)) return undefined;
    const [fence = "", result = ""] = answer;
    const channel = this.#settledChannel(key);
    let isOver = false;
    return {
      kept: { sealed: result === "" ? undefined : result },
      remember: async (sealed, keptFor) => {
        const parameters = [owner, fence, sealed, milliseconds(keptFor), channel];
        const isKept = hasHappened(
          await this.#connection.run(LEASE_SCRIPTS.remember, [leaseKey], parameters),
        );
        // Whoever takes the lease next recalls the result first, so that the script has ended it: a round trip is saved.
        isOver ||= isKept;
        return isKept;
      },
      release: async () => {
        if (isOver) return;
        await this.#connection.run(LEASE_SCRIPTS.release, [leaseKey], [owner, channel]);
        isOver = true;
      },
    };
  }

  async remember(key: string, sealed: string, seconds: number): Promise<void> {
    const parameters = ["", "", sealed, milliseconds(seconds), this.#settledChannel(key)];
    await this.#connection.run(LEASE_SCRIPTS.remember, [this.#leaseKey(key)], parameters);
  }

  async recall(key: string): Promise<string | undefined> {
    const sealed = await this.#connection.run(LEASE_SCRIPTS.recall, [this.#leaseKey(key)]);
    return isString(sealed) ? sealed : undefined;
  }

  async settled(key: string, signal: AbortSignal): Promise<void> {
    await limitTime(MAX_WAIT, (limit) => this.#waitUntilSettled(key, limit.signal), { signal });
  }

  async publish(message: InvalidationMessage): Promise<void> {
    const text = JSON.stringify({ from: this.#id, message });
    await this.#connection.publish(this.#broadcastChannel, text);
  }

  subscribe(listener: (message: InvalidationMessage) => void, channel?: ChannelListener): () => void {
    const leave = this.#bus.join(this.#broadcastChannel, (text) => {
      const broadcast = readBroadcast(text);
      if (broadcast === undefined) {
        // Of a newer release, or foreign: whatever it says is missed.
        channel?.lost(new TypeError("A message on the broadcast channel cannot be read."));
        channel?.restored();
      } else if (broadcast.from !== this.#id) {
        listener(broadcast.message);
      }
    });
    const unwatch = channel && this.#bus.watch(channel);
    return () => {
      unwatch?.();
      leave();
    };
  }

  ping(): Promise<void> {
    return this.#connection.probe(this.#prefix);
  }

  async close(): Promise<void> {
    this.#bus.close();
    this.#connection.close();
  }

  async #waitUntilSettled(key: string, stop: AbortSignal): Promise<void> {
    const channel = this.#settledChannel(key);
    const waiting = new AbortController();
    const wake = (): void => waiting.abort();
    const leave = this.#bus.add(channel, wake);
    const forget = this.#bus.onceLost(wake);
    try {
      // First the subscription, then the look: what happens in between is not missed.
      const [confirmed] = await Promise.allSettled([this.#bus.confirm(channel)]);
      const canBeWoken = confirmed.status === "fulfilled";
      const parameters = [canBeWoken ? "wake" : "look"];
      const answer = await this.#connection.run(LEASE_SCRIPTS.wait, [this.#leaseKey(key)], parameters);
      const left = Number(answer) / 1000;
      // A holder that was killed sends no message: its lease expires.
      if (canBeWoken) await sleep(left, AbortSignal.any([stop, waiting.signal]));
      // The bus tells those who watch it why no message arrives. Leases need none.
      else await sleep(Math.min(left, MAX_WAIT_WITHOUT_MESSAGES), stop);
    } finally {
      forget();
      leave();
    }
  }

  get #broadcastChannel(): string {
    return `${this.#prefix}:broadcast`;
  }

  #leaseKey(key: string): string {
    return `${this.#prefix}:lease:${escapeName(key)}`;
  }

  #settledChannel(key: string): string {
    return `${this.#prefix}:settled:${escapeName(key)}`;
  }
}

function milliseconds(seconds: number): string {
  return String(Math.max(1, seconds * 1000));
}

/** Integers come as text from a client with the option `stringNumbers`. */
function hasHappened(answer: unknown): boolean {
  return Number(answer) === 1;
}

interface Broadcast {
  readonly from: string;
  readonly message: InvalidationMessage;
}

const isBroadcast = objectWith<Broadcast>({
  from: isText,
  message: isInvalidationMessage,
});

function readBroadcast(text: string): Broadcast | undefined {
  const parsed = parseStrictJson(text);
  return parsed.status === "parsed" && isBroadcast(parsed.value) ? parsed.value : undefined;
}
