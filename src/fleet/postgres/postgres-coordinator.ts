import { randomUUID } from "node:crypto";
import type { Clock } from "../../lib/clock.ts";
import { sleep } from "../../lib/concurrency.ts";
import { sha256 } from "../../lib/crypto.ts";
import { functionLike, optional, readOptions, schema } from "../../lib/options.ts";
import { readGiven } from "../../lib/problems.ts";
import { isString } from "../../lib/values.ts";
import {
  type ChannelListener,
  type Coordinator,
  type InvalidationMessage,
  type Lease,
  MAX_WAIT_WITHOUT_MESSAGES,
} from "../coordinator.ts";
import { Channel } from "./channel.ts";
import type { PostgresSource } from "./connection.ts";
import { DEFAULT_TIMEOUT, Database, POOL, type PoolArgument, postgresSource, withPool } from "./database.ts";
import { MessageReader, splitMessage } from "./messages.ts";
import { statementTimeout } from "./postgres-repository.ts";
import { nextVersionIn, schemaName, tablesIn } from "./schema.ts";
import { storeName } from "./stored-values.ts";

/** Options of {@link postgresCoordinator}. */
export interface PostgresCoordinatorOptions {
  /** The schema that `migrate` made. @defaultValue `orgate` */
  readonly schema?: string | undefined;
  /** Seconds after which a statement is given up, the wait for a connection of the pool included. @defaultValue 0.8 */
  readonly timeout?: number | undefined;
  /**
   * A pool that reaches Postgres directly, where `pool` goes through PgBouncer in transaction mode: LISTEN does not work there.
   * @defaultValue `pool`
   */
  readonly listenPool?: PostgresSource | undefined;
  /** For tests: tells when leases and results end. @defaultValue the clock of the database, which all processes share */
  readonly clock?: Clock | undefined;
}

const COORDINATOR_ARGUMENTS = schema<PostgresCoordinatorOptions & PoolArgument>()({
  pool: POOL,
  schema: optional(schemaName, "orgate"),
  timeout: optional(statementTimeout, DEFAULT_TIMEOUT),
  listenPool: optional(postgresSource),
  clock: optional(functionLike<Clock>()),
});

/**
 * Connects the processes of an application through PostgreSQL 12 or later, or through PGlite. Run `migrate` first.
 *
 * A lease is a row with a fence, which grows with each holder. Waiters and invalidations are told by NOTIFY, which is heard on one
 * connection beside the pool's. When that breaks, the coordinator connects again, at least every two seconds, and reports the gap.
 * Each operation is one statement and one round trip. Trouble is a `StoreUnavailableError` whose `reason` begins with
 * `postgres_`. `close()` leaves the pool to the application.
 *
 * @param pool - a `Pool` of `pg`, or a `PGlite`
 * @throws ConfigurationError
 */
export function postgresCoordinator(
  pool: PostgresSource,
  options: PostgresCoordinatorOptions = {},
): Coordinator {
  const owner = "postgresCoordinator";
  const suggestion = "Pass { schema, timeout, listenPool }, or nothing.";
  const read = readGiven(owner, () =>
    readOptions(COORDINATOR_ARGUMENTS, withPool(options, pool), owner, suggestion, `${owner}.`).complete(),
  );
  const database = new Database(read.pool, read);
  const listening = read.listenPool === undefined ? database : new Database(read.listenPool, read);
  return new PostgresCoordinator(database, listening, read);
}

/** Seconds that a row is kept after its last use, so that a holder that slept past its lease still meets a newer result. */
const KEPT_AFTER_USE = 3_600;

/** Rows that `acquire` deletes at most: more than it adds. */
const PURGED_PER_LEASE = 8;

/** What the payloads of the two kinds of messages begin with. */
const SETTLED = "settled ";
const INVALIDATED = "invalidated ";

class PostgresCoordinator implements Coordinator {
  readonly #database: Database;
  readonly #listeningDatabase: Database;
  readonly #clock: Clock | undefined;
  readonly #sql: ReturnType<typeof statementsFor>;
  readonly #channelName: string;
  readonly #channel: Channel;
  /** Names this process among those that send messages. */
  readonly #self = randomUUID();
  readonly #reader = new MessageReader(this.#self);
  readonly #subscribers = new Set<Subscriber>();
  /** What wakes those who wait for a renewal, by its key. */
  readonly #waiters = new Map<string, Set<() => void>>();
  #messagesSent = 0;

  constructor(
    database: Database,
    listeningDatabase: Database,
    options: { readonly schema: string; readonly clock: Clock | undefined },
  ) {
    this.#database = database;
    this.#listeningDatabase = listeningDatabase;
    this.#clock = options.clock;
    this.#sql = statementsFor(options.schema);
    // Names in Postgres have 63 bytes at most.
    this.#channelName = `orgate_${sha256(options.schema, "hex").slice(0, 32)}`;
    this.#channel = new Channel(database, listeningDatabase, this.#channelName, {
      message: (payload) => this.#receive(payload),
      lost: (cause) => {
        this.#wakeAll();
        for (const { channel } of this.#subscribers) channel?.lost(cause);
      },
      restored: () => {
        for (const { channel } of this.#subscribers) channel?.restored();
      },
    });
  }

  async acquire(key: string, seconds: number): Promise<Lease | undefined> {
    const stored = storeName(key).key;
    const [row] = await this.#query(this.#sql.acquire, [stored, seconds]);
    const fence = row?.["fence"];
    if (!isString(fence)) return undefined;
    const sealed = row?.["sealed"];
    let isOver = false;
    return {
      kept: { sealed: isString(sealed) ? sealed : undefined },
      // Ends the lease in the same round trip.
      remember: async (result, kept) => {
        isOver = await this.#keep(this.#sql.rememberAsHolder, [stored, kept, result], [fence]);
        return isOver;
      },
      release: async () => {
        if (isOver) return;
        const message = [this.#channelName, SETTLED + stored];
        await this.#database.query(this.#sql.release, [stored, fence, ...message]);
      },
    };
  }

  async remember(key: string, sealed: string, seconds: number): Promise<void> {
    await this.#keep(this.#sql.remember, [storeName(key).key, seconds, sealed]);
  }

  async recall(key: string): Promise<string | undefined> {
    const [row] = await this.#query(this.#sql.recall, [storeName(key).key]);
    return isString(row?.["sealed"]) ? row["sealed"] : undefined;
  }

  async settled(key: string, signal: AbortSignal): Promise<void> {
    this.#channel.start();
    const stored = storeName(key).key;
    const woken = new AbortController();
    const stopWaiting = this.#wait(stored, () => woken.abort());
    try {
      // Asked after the waiter is known, so that what happens in between wakes it.
      const [row] = await this.#query(this.#sql.secondsLeft, [stored]);
      const left = Number(row?.["seconds_left"] ?? 0);
      if (!(left > 0) || signal.aborted) return;
      const wait = this.#channel.isOpen ? left : Math.min(left, MAX_WAIT_WITHOUT_MESSAGES);
      await sleep(wait, AbortSignal.any([woken.signal, signal]));
    } finally {
      stopWaiting();
    }
  }

  async publish(message: InvalidationMessage): Promise<void> {
    this.#messagesSent += 1;
    const parts = splitMessage(this.#self, this.#messagesSent, message).map((part) => INVALIDATED + part);
    await this.#database.query("SELECT pg_notify($1::text, part) FROM unnest($2::text[]) AS part", [
      this.#channelName,
      parts,
    ]);
  }

  subscribe(listener: (message: InvalidationMessage) => void, channel?: ChannelListener): () => void {
    const subscriber = { listener, channel };
    this.#subscribers.add(subscriber);
    this.#channel.start();
    return () => void this.#subscribers.delete(subscriber);
  }

  ping(): Promise<void> {
    return this.#database.check();
  }

  async close(): Promise<void> {
    this.#channel.close();
    this.#subscribers.clear();
    this.#wakeAll();
    this.#database.close();
    if (this.#listeningDatabase !== this.#database) this.#listeningDatabase.close();
  }

  /** Runs a statement whose last parameter is the time. */
  #query(text: string, values: readonly unknown[]): ReturnType<Database["query"]> {
    return this.#database.query(text, [...values, this.#clock?.() ?? null]);
  }

  /** Keeps a result and wakes those who wait for it; `false` if a newer one is kept. */
  async #keep(
    text: string,
    result: readonly [stored: string, seconds: number, sealed: string],
    fence: readonly string[] = [],
  ): Promise<boolean> {
    const message = [this.#channelName, SETTLED + result[0]];
    return (await this.#query(text, [...result, ...message, ...fence])).length > 0;
  }

  #receive(payload: string): void {
    if (payload.startsWith(SETTLED)) this.#wake(payload.slice(SETTLED.length));
    else if (payload.startsWith(INVALIDATED)) this.#receiveInvalidation(payload.slice(INVALIDATED.length));
    else this.#reportGap();
  }

  #receiveInvalidation(payload: string): void {
    const received = this.#reader.read(payload);
    if (received.status === "unreadable") this.#reportGap();
    if (received.status !== "whole") return;
    for (const { listener } of this.#subscribers) listener(received.message);
  }

  /** A message that this release cannot read may be about anybody, as one that never arrived. */
  #reportGap(): void {
    const cause = new TypeError("A message on the channel cannot be read.");
    for (const { channel } of this.#subscribers) {
      channel?.lost(cause);
      channel?.restored();
    }
  }

  #wait(stored: string, wake: () => void): () => void {
    const waiters = this.#waiters.get(stored) ?? new Set();
    this.#waiters.set(stored, waiters.add(wake));
    return () => {
      waiters.delete(wake);
      if (waiters.size === 0 && this.#waiters.get(stored) === waiters) this.#waiters.delete(stored);
    };
  }

  #wake(stored: string): void {
    const waiters = this.#waiters.get(stored) ?? [];
    this.#waiters.delete(stored);
    for (const wake of waiters) wake();
  }

  #wakeAll(): void {
    for (const stored of this.#waiters.keys()) this.#wake(stored);
  }
}

interface Subscriber {
  readonly listener: (message: InvalidationMessage) => void;
  readonly channel: ChannelListener | undefined;
}

/** The time in seconds: the parameter, else that of the database. */
const now = (parameter: number): string =>
  `coalesce($${parameter}::float8, extract(epoch FROM clock_timestamp())::float8)`;

function statementsFor(schemaGiven: string) {
  const { renewals } = tablesIn(schemaGiven);
  const rememberWith = (fence: string, time: string): string => `
WITH kept AS (
  INSERT INTO ${renewals} AS renewal (key, fence, leased_until, sealed, sealed_until, sealed_fence, expires_at)
  SELECT $1::text, fence, 0, $3::text, ${time} + $2::float8, fence, ${time} + $2::float8 + ${KEPT_AFTER_USE}
  FROM (SELECT ${fence} AS fence) AS holder
  ON CONFLICT (key) DO UPDATE SET
    sealed = excluded.sealed, sealed_until = excluded.sealed_until, sealed_fence = excluded.sealed_fence,
    leased_until = CASE WHEN renewal.fence = excluded.fence THEN 0 ELSE renewal.leased_until END,
    expires_at = greatest(renewal.expires_at, excluded.expires_at)
  WHERE coalesce(renewal.sealed_fence, 0) <= excluded.sealed_fence
  RETURNING key
)
SELECT pg_notify($4::text, $5::text) FROM kept`;
  return {
    acquire: `
WITH purged AS (
  DELETE FROM ${renewals} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${renewals} WHERE expires_at <= ${now(3)} AND key <> $1::text
    ORDER BY expires_at LIMIT ${PURGED_PER_LEASE} FOR UPDATE SKIP LOCKED
  ))
)
INSERT INTO ${renewals} AS renewal (key, leased_until, expires_at)
VALUES ($1::text, ${now(3)} + $2::float8, ${now(3)} + $2::float8 + ${KEPT_AFTER_USE})
ON CONFLICT (key) DO UPDATE SET
  fence = excluded.fence, leased_until = excluded.leased_until,
  expires_at = greatest(renewal.expires_at, excluded.expires_at)
WHERE renewal.leased_until <= ${now(3)}
RETURNING fence::text, CASE WHEN sealed_until > ${now(3)} THEN sealed END AS sealed`,
    rememberAsHolder: rememberWith("$6::bigint", now(7)),
    remember: rememberWith(nextVersionIn(schemaGiven), now(6)),
    release: `
WITH freed AS (
  UPDATE ${renewals} SET leased_until = 0 WHERE key = $1::text AND fence = $2::bigint AND leased_until > 0
  RETURNING key
)
SELECT pg_notify($3::text, $4::text) FROM freed`,
    recall: `
SELECT sealed FROM ${renewals} WHERE key = $1::text AND sealed IS NOT NULL AND sealed_until > ${now(2)}`,
    secondsLeft: `
SELECT leased_until - ${now(2)} AS seconds_left FROM ${renewals}
WHERE key = $1::text AND NOT coalesce(sealed_until > ${now(2)}, false)`,
  };
}
