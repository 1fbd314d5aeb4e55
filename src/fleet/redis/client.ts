import type { TimeLimit } from "../../lib/concurrency.ts";
import { isFunction, isObject } from "../../lib/values.ts";

/** A client of `ioredis`: a `Redis` (also one with Sentinels) or a `Cluster`. */
export interface IoredisClient {
  readonly isCluster: boolean;
  call(command: string, args: string[]): Promise<unknown>;
  duplicate(): object;
}

/** A client of `redis` from `createClient`. It must be connected: `await client.connect()`. */
export interface NodeRedisClient {
  sendCommand(args: string[]): Promise<unknown>;
  duplicate(): object;
}

/** A pool of `redis` from `createClientPool`. */
export interface NodeRedisPool {
  sendCommand(args: string[]): Promise<unknown>;
  execute(task: never): Promise<unknown>;
}

/** A client of `redis` from `createCluster`. */
export interface NodeRedisCluster {
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    args: string[],
  ): Promise<unknown>;
  duplicate(): object;
  getRandomNode(): object;
}

/** A client of `redis` from `createSentinel`. */
export interface NodeRedisSentinel {
  sendCommand(isReadonly: boolean | undefined, args: string[]): Promise<unknown>;
  duplicate(): object;
  getMasterNode(): object | undefined;
}

/**
 * A client that the application made, of the packages `ioredis` or `redis`. Orgate imports neither, sends commands over it, never
 * closes it, and listens to its errors. Commands that subscribe go over a duplicate of it.
 */
export type RedisClient =
  | IoredisClient
  | NodeRedisClient
  | NodeRedisPool
  | NodeRedisCluster
  | NodeRedisSentinel;

/** Which client it is. */
export type ClientKind = "ioredis" | "ioredis_cluster" | "client" | "pool" | "cluster" | "sentinel";

/** Tells a client by its methods. Returns `undefined` for what is none. */
export function kindOfClient(client: unknown): ClientKind | undefined {
  if (!isObject(client)) return undefined;
  const has = (name: string): boolean => isFunction(client[name]);
  if (has("call") && has("duplicate")) return client["isCluster"] === true ? "ioredis_cluster" : "ioredis";
  if (!has("sendCommand")) return undefined;
  if (has("getMasterNode")) return "sentinel";
  if (!has("duplicate")) return has("execute") ? "pool" : undefined;
  return has("getRandomNode") ? "cluster" : "client";
}

/** What every client has beside its commands, as far as it is used. */
export interface ClientEvents {
  on(event: string, listener: (error?: unknown) => void): unknown;
  off(event: string, listener: (error?: unknown) => void): unknown;
}

/** Sends one command to the node that holds a key. */
export type SendCommand = (key: string, command: readonly string[], limit: TimeLimit) => Promise<unknown>;

/** Commands go to the primary alone: what a replica says may be older than a revocation. */
const READONLY = false;

/** What the clients of the two packages have for a command that orgate writes itself. */
interface Sending {
  call(name: string, args: readonly string[]): Promise<unknown>;
  sendCommand(...parameters: readonly unknown[]): Promise<unknown>;
}

/** Makes the function that sends commands over a client. */
export function senderOf(client: RedisClient, kind: ClientKind, monitor: ClientMonitor): SendCommand {
  // Which of its methods is there, and what it takes, follows from the kind.
  const sending = client as unknown as Sending;
  const senders: Readonly<Record<ClientKind, SendCommand>> = {
    ioredis: async (_key, [name = "", ...args], limit) => {
      await monitor.whenReady(limit);
      return sending.call(name, args);
    },
    ioredis_cluster: (...command) => senders.ioredis(...command),
    client: (_key, command, limit) => sending.sendCommand([...command], over(limit)),
    pool: (...command) => senders.client(...command),
    cluster: (key, command, limit) => {
      return sending.sendCommand(key, READONLY, [...command], over(limit));
    },
    sentinel: (_key, command, limit) => sending.sendCommand(READONLY, [...command], over(limit)),
  };
  return senders[kind];
}

/** Strings whatever the client maps replies to; and a command that was not sent in its time is never sent. */
function over({ signal }: TimeLimit): object {
  return { abortSignal: signal, typeMapping: {} };
}

interface Ioredis extends ClientEvents {
  readonly status?: string;
  connect?(): Promise<unknown>;
}

/** Hears what a client says of its connection. */
export class ClientMonitor {
  readonly #client: Ioredis;
  readonly #waiting = new Set<() => void>();
  readonly #listeners: Readonly<Record<string, (error?: unknown) => void>> = {
    // Without a listener, node-redis would end the process when it loses its connection.
    error: (error) => this.#fail(error),
    "node error": (error) => this.#fail(error),
    ready: () => {
      this.succeed();
      this.#release();
    },
    end: () => this.#release(),
  };
  #lastError: unknown;

  constructor(client: RedisClient) {
    this.#client = client as unknown as Ioredis;
    for (const [event, listener] of Object.entries(this.#listeners)) this.#client.on(event, listener);
  }

  /** Why the connection is down, as the client told last; `undefined` after it worked again. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Tells that a command was answered. */
  succeed(): void {
    this.#lastError = undefined;
  }

  /**
   * Holds a command back while an ioredis client has no connection. The client's own queue never gives a command up, so that a
   * write whose caller was told that it failed would still be made later.
   */
  async whenReady(limit: TimeLimit): Promise<void> {
    const { status } = this.#client;
    // A client that was closed refuses the command by itself.
    if (status === "ready" || status === "end") return;
    // A failure to connect is also an `error` event.
    if (status === "wait") void this.#client.connect?.().catch((error: unknown) => this.#fail(error));
    await new Promise<void>((resolve) => {
      this.#waiting.add(resolve);
      limit.onOver(() => {
        this.#waiting.delete(resolve);
        resolve();
      });
    });
    // The caller has been answered: this ends the work and nothing else.
    if (limit.isOver) throw new Error("The connection did not come in time.");
  }

  #fail(error: unknown): void {
    this.#lastError = error;
  }

  #release(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Stops listening. */
  close(): void {
    for (const [event, listener] of Object.entries(this.#listeners)) this.#client.off(event, listener);
  }
}
