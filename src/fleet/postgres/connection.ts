import type { TimeLimit } from "../../lib/concurrency.ts";
import { isFiniteNumber, isFunction, isObject } from "../../lib/values.ts";

/** The rows of one statement. */
export interface PostgresRows {
  readonly rows: readonly unknown[];
}

/** What orgate uses of a client of the package `pg`. */
export interface PostgresClient {
  query(text: string, values?: unknown[]): Promise<PostgresRows>;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
  release(error?: Error | boolean): void;
}

/** What orgate uses of a `Pool` of the package `pg`. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
  readonly totalCount: number;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** What orgate uses of a `PGlite` of the package `@electric-sql/pglite`. */
export interface PGliteDatabase {
  query(text: string, values?: unknown[]): Promise<PostgresRows>;
  exec(text: string): Promise<unknown>;
  transaction(
    work: (transaction: { query(text: string, values?: unknown[]): Promise<PostgresRows> }) => Promise<void>,
  ): Promise<unknown>;
  listen(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>>;
}

/** The application's own connection to Postgres: a `Pool` of `pg`, or a `PGlite`. */
export type PostgresSource = PostgresPool | PGliteDatabase;

/** Runs one statement in one round trip. */
export type RunStatement = (text: string, values?: readonly unknown[]) => Promise<readonly unknown[]>;

/** A connection that listens to one channel. */
export interface ListeningConnection {
  /** Rejects if the connection no longer answers. */
  check(): Promise<void>;
  close(): void;
}

/** What a listening connection tells. */
export interface ConnectionListener {
  readonly message: (payload: string) => void;
  /** Called once, when the connection has ended by itself. */
  readonly ended: (cause: Error) => void;
}

/**
 * One way to Postgres. Rejects as the client does; `database.ts` classifies the errors and limits the time.
 *
 * Statements are unnamed and keep nothing in the session, so that they run behind PgBouncer in transaction mode.
 */
export interface Connection {
  /** @param limit - gives the statement up, and its connection with it */
  run(limit: TimeLimit, text: string, values: readonly unknown[]): Promise<readonly unknown[]>;
  /** Runs statements in one transaction. */
  transact(limit: TimeLimit, work: (run: RunStatement) => Promise<void>): Promise<void>;
  /** Opens a connection of its own that listens. */
  listen(limit: TimeLimit, channel: string, listener: ConnectionListener): Promise<ListeningConnection>;
  close(): void;
}

/** Whether a value is a `PGlite`. */
export function isPGlite(value: unknown): value is PGliteDatabase {
  return hasMethods(value, ["query", "exec", "transaction", "listen"]);
}

/** Whether a value is a `Pool` of `pg`. A single `Client` is none: it cannot run two statements at once. */
export function isPostgresPool(value: unknown): value is PostgresPool {
  return hasMethods(value, ["connect", "query", "on"]) && isFiniteNumber(Reflect.get(value, "totalCount"));
}

function hasMethods(value: unknown, names: readonly string[]): value is object {
  return isObject(value) && names.every((name) => isFunction(value[name]));
}

/** Makes the connection for what the application passed. */
export function connectionOf(source: PostgresSource): Connection {
  return isPGlite(source) ? new PGliteConnection(source) : new PoolConnection(source);
}

class PGliteConnection implements Connection {
  readonly #database: PGliteDatabase;

  constructor(database: PGliteDatabase) {
    this.#database = database;
  }

  async run(_limit: TimeLimit, text: string, values: readonly unknown[]): Promise<readonly unknown[]> {
    return (await this.#database.query(text, [...values])).rows;
  }

  async transact(_limit: TimeLimit, work: (run: RunStatement) => Promise<void>): Promise<void> {
    await this.#database.transaction((transaction) =>
      work(async (text, values = []) => (await transaction.query(text, [...values])).rows),
    );
  }

  async listen(
    _limit: TimeLimit,
    channel: string,
    listener: ConnectionListener,
  ): Promise<ListeningConnection> {
    const stop = await this.#database.listen(channel, (payload) => listener.message(payload));
    return {
      // Within one process there is nothing that could break.
      check: () => Promise.resolve(),
      close: () => {
        // A database that is closed already listens no more.
        stop().catch((error: unknown) => listener.ended(asError(error)));
      },
    };
  }

  close(): void {
    // The database is the application's.
  }
}

/** How many of us use a pool. */
const poolUsers = new WeakMap<PostgresPool, number>();

class PoolConnection implements Connection {
  readonly #pool: PostgresPool;
  #isClosed = false;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
    const users = poolUsers.get(pool) ?? 0;
    poolUsers.set(pool, users + 1);
    // A pool tells of idle connections that broke. Without a listener, that would end the process.
    if (users === 0) pool.on("error", ignoreIdleError);
  }

  run(limit: TimeLimit, text: string, values: readonly unknown[]): Promise<readonly unknown[]> {
    return this.#withClient(limit, async (client) => (await client.query(text, [...values])).rows);
  }

  transact(limit: TimeLimit, work: (run: RunStatement) => Promise<void>): Promise<void> {
    const transact = async (client: PostgresClient): Promise<void> => {
      await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
      await work(async (text, values = []) => (await client.query(text, [...values])).rows);
      await client.query("COMMIT");
    };
    // Closing the connection rolls back, also where the connection no longer answers.
    return this.#withClient(limit, transact, () => true);
  }

  async listen(
    limit: TimeLimit,
    channel: string,
    listener: ConnectionListener,
  ): Promise<ListeningConnection> {
    const client = await openListeningClient(this.#pool);
    let isOver = limit.isOver;
    const end = (cause: Error): void => {
      if (isOver) return;
      isOver = true;
      client.end();
      listener.ended(cause);
    };
    client.onError(end);
    client.onEnd(() => end(new Error("The connection that listens has ended.")));
    client.onNotification((message) => {
      if (!isOver && message.channel === channel) listener.message(message.payload ?? "");
    });
    const close = (): void => {
      isOver = true;
      client.end();
    };
    const stopWatching = limit.onOver(close);
    try {
      if (limit.isOver) throw new Error("Listening was given up.");
      await client.query(`LISTEN "${channel}"`);
    } catch (error) {
      close();
      throw error;
    } finally {
      stopWatching();
    }
    return { check: async () => void (await client.query("SELECT 1")), close };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const users = poolUsers.get(this.#pool) ?? 0;
    poolUsers.set(this.#pool, users - 1);
    if (users === 1) this.#pool.removeListener("error", ignoreIdleError);
  }

  async #withClient<Value>(
    limit: TimeLimit,
    work: (client: PostgresClient) => Promise<Value>,
    closesAfter: (error: unknown) => boolean = leavesConnectionUnusable,
  ): Promise<Value> {
    const client = await this.#pool.connect();
    if (limit.isOver) {
      // Nothing was sent over it: the pool can go on using it.
      client.release();
      throw new Error("The statement was given up before it was sent.");
    }
    let isReleased = false;
    const release = (error?: Error): void => {
      if (isReleased) return;
      isReleased = true;
      client.release(error);
      client.removeListener("error", release);
    };
    // An error closes the connection: its next statement would wait for the answer to this one.
    const giveUp = (): void => release(new Error("The statement took too long."));
    client.on("error", release);
    const stopWatching = limit.onOver(giveUp);
    try {
      return await work(client);
    } catch (error) {
      if (closesAfter(error)) release(asError(error));
      throw error;
    } finally {
      stopWatching();
      release();
    }
  }
}

function ignoreIdleError(): void {
  // The next statement gets another connection. If that fails, its own error tells why.
}

/**
 * Whether a connection must not be used again: it broke, the server shuts down, or the server has become a replica, so that a
 * new connection may lead to the new primary.
 */
function leavesConnectionUnusable(error: unknown): boolean {
  const state = sqlStateOf(error);
  return state === undefined || /^(?:08|57P|25006)/.test(state);
}

/** The SQLSTATE of an error that the server answered; `undefined` for trouble on the way to it. */
export function sqlStateOf(error: unknown): string | undefined {
  const code: unknown = isObject(error) ? error["code"] : undefined;
  return typeof code === "string" && /^[\dA-Z]{5}$/.test(code) ? code : undefined;
}

/** What was thrown, as an error. */
export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(`${typeof value} thrown`);
}

interface Notification {
  readonly channel: string;
  readonly payload?: string | undefined;
}

/** A client that is used for nothing but listening. */
interface ListeningClient {
  query(text: string): Promise<unknown>;
  onError(listener: (error: Error) => void): void;
  onEnd(listener: () => void): void;
  onNotification(listener: (notification: Notification) => void): void;
  end(): void;
}

/** What a pool keeps beside its documented methods: how it makes its clients. */
interface ClientMaker {
  readonly Client: new (options: object) => RawClient;
  readonly options: { readonly password?: unknown };
}

interface RawClient {
  connect(): Promise<unknown>;
  query(text: string): Promise<unknown>;
  on(event: string, listener: (value: never) => void): unknown;
  end(): Promise<unknown>;
  unref?(): void;
}

/** Milliseconds. */
const CONNECT_TIMEOUT = 2_000;

/** Opens a connection beside the pool's, so that listening takes none of the application's. */
async function openListeningClient(pool: PostgresPool): Promise<ListeningClient> {
  if (!canMakeClients(pool)) return takeListeningClient(pool);
  const { password } = pool.options;
  const client = new pool.Client({
    ...pool.options,
    // The pool hides it from copies.
    ...(password !== undefined && { password }),
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
  });
  await client.connect();
  // Listening alone keeps no process alive.
  client.unref?.();
  return {
    query: (text) => client.query(text),
    onError: (listener) => client.on("error", listener),
    onEnd: (listener) => client.on("end", listener),
    onNotification: (listener) => client.on("notification", listener),
    end: () => void client.end(),
  };
}

function canMakeClients(pool: object): pool is ClientMaker {
  return isFunction(Reflect.get(pool, "Client")) && isObject(Reflect.get(pool, "options"));
}

/** For pools that do not tell how they make their clients. */
async function takeListeningClient(pool: PostgresPool): Promise<ListeningClient> {
  const client = await pool.connect();
  // The same client, with the events that the narrow type leaves out.
  const raw = client as unknown as RawClient;
  let isReleased = false;
  return {
    query: (text) => client.query(text),
    onError: (listener) => client.on("error", listener),
    onEnd: (listener) => raw.on("end", listener),
    onNotification: (listener) => raw.on("notification", listener),
    end() {
      if (isReleased) return;
      isReleased = true;
      client.release(true);
    },
  };
}
