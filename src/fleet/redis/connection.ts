import { TIMED_OUT, type TimeLimit, limitTime } from "../../lib/concurrency.ts";
import { type Check, matching, optional, seconds } from "../../lib/options.ts";
import { configurationError } from "../../lib/problems.ts";
import {
  type ClientKind,
  ClientMonitor,
  type RedisClient,
  type SendCommand,
  kindOfClient,
  senderOf,
} from "./client.ts";
import { isUnknownScript, redisError, timedOut } from "./redis-error.ts";
import { NODE_SCRIPTS, type RedisScript } from "./scripts.ts";

/** Options that `redisRepository` and `redisCoordinator` share. */
export interface RedisOptions {
  /**
   * What every key and channel begins with, before a colon. Applications that share a Redis, also in different databases of it,
   * need different ones. @defaultValue "orgate"
   */
  readonly prefix?: string | undefined;
  /** Seconds after which a call that Redis has not answered counts as failed. @defaultValue 0.8 */
  readonly timeout?: number | undefined;
}

// A brace would be a hash tag: every key would lie in one slot of a cluster.
const KEY_PREFIX: Check<string> = matching(
  "up to 64 letters, digits and characters of _ . : / -",
  /^[\w.:/-]{1,64}$/,
  'Use the name of your application, like "shop".',
);

/** How the shared options are read. */
export const REDIS_OPTIONS = {
  prefix: optional(KEY_PREFIX, "orgate"),
  timeout: optional(seconds({ min: 0.05, max: 5 }, "Leave it out for 0.8."), 0.8),
};

/** Runs scripts over the application's client, each within the time limit. */
export class RedisConnection {
  readonly client: RedisClient;
  readonly kind: ClientKind;
  readonly #timeout: number;
  readonly #monitor: ClientMonitor;
  readonly #send: SendCommand;

  /** @throws ConfigurationError if the client is of neither package */
  constructor(owner: string, client: RedisClient, timeout: number) {
    const kind = kindOfClient(client);
    if (kind === undefined) {
      const suggestion = "Pass new Redis() or new Cluster() of ioredis, or createClient() of redis.";
      throw configurationError("option_invalid", owner, "needs a client of ioredis or redis.", suggestion);
    }
    this.client = client;
    this.kind = kind;
    this.#timeout = timeout;
    this.#monitor = new ClientMonitor(client);
    this.#send = senderOf(client, kind, this.#monitor);
  }

  /** Whether keys lie on several nodes, so that one script can name one key only. */
  get isCluster(): boolean {
    return this.kind === "cluster" || this.kind === "ioredis_cluster";
  }

  /**
   * Runs a script in one round trip; in two the first time that a server is asked to.
   *
   * @throws StoreUnavailableError
   */
  run({ sha, text }: RedisScript, keys: readonly string[], args: readonly string[] = []): Promise<unknown> {
    const [key = ""] = keys;
    const parameters = [String(keys.length), ...keys, ...args];
    return this.limit(async (limit) => {
      try {
        return await this.#send(key, ["EVALSHA", sha, ...parameters], limit);
      } catch (error) {
        // The caller was told that the call failed: a late reply must not make it after all.
        if (limit.isOver || !isUnknownScript(error)) throw error;
        return this.#send(key, ["EVAL", text, ...parameters], limit);
      }
    });
  }

  /** Publishes a text. All texts of a channel go over one node, which keeps their order. @throws StoreUnavailableError */
  async publish(channel: string, text: string): Promise<void> {
    await this.run(NODE_SCRIPTS.publish, [channel], [channel, text]);
  }

  /** Shows that Redis answers and takes writes. @throws StoreUnavailableError */
  async probe(prefix: string): Promise<void> {
    await this.run(NODE_SCRIPTS.probe, [`${prefix}:probe`]);
  }

  /** Does something over the client within the time limit. @throws StoreUnavailableError */
  async limit<Value>(work: (limit: TimeLimit) => Promise<Value>): Promise<Value> {
    let answer;
    try {
      answer = await limitTime(this.#timeout, work);
    } catch (error) {
      throw redisError(error);
    }
    if (answer === TIMED_OUT) throw timedOut(this.#monitor.lastError);
    this.#monitor.succeed();
    return answer;
  }

  /** Stops listening to the client, which stays open. */
  close(): void {
    this.#monitor.close();
  }
}
