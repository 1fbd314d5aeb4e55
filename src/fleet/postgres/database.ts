import { isOrgateError } from "../../errors.ts";
import { TIMED_OUT, type TimeLimit, limitTime } from "../../lib/concurrency.ts";
import { type Check, type Option, required } from "../../lib/options.ts";
import { isFiniteNumber, isObject } from "../../lib/values.ts";
import {
  type Connection,
  type ConnectionListener,
  type ListeningConnection,
  type PostgresSource,
  type RunStatement,
  connectionOf,
  isPGlite,
  isPostgresPool,
  sqlStateOf,
} from "./connection.ts";
import { toPostgresError, toSchemaMismatch, toTimeout } from "./database-error.ts";
import { SCHEMA_VERSION, nextVersionIn, tablesIn } from "./schema.ts";

/** Accepts what orgate can use of the application's connection to Postgres. */
export const postgresSource: Check<PostgresSource> = (given, report) => {
  if (isPGlite(given) || isPostgresPool(given)) return given;
  return report.invalid("is neither a Pool of pg nor a PGlite.", "Pass new Pool({ connectionString }).");
};

/** What the functions of this entry point take beside their options. */
export interface PoolArgument {
  readonly pool: PostgresSource;
}

/** How the pool is read, together with the options. */
export const POOL: Option<PostgresSource, "required"> = required(postgresSource);

/** Puts the pool beside the options, so that one error names the mistakes in both. */
export function withPool(options: unknown, pool: unknown): unknown {
  return isObject(options) ? { ...options, pool } : options;
}

/** Seconds that a statement may take, the wait for a connection included. */
export const DEFAULT_TIMEOUT = 0.8;

/** How a database is opened. */
export interface DatabaseOptions {
  readonly schema: string;
  /** Seconds. */
  readonly timeout: number;
}

/** A row, by the names of its columns. */
export type DatabaseRow = Readonly<Record<string, unknown>>;

/** Runs statements against the tables of one schema. Every error is a `StoreUnavailableError` with a reason. */
export class Database {
  readonly #connection: Connection;
  readonly #options: DatabaseOptions;
  /** Whether the tables were found to be of a version that this release can use. */
  #isChecked = false;

  constructor(source: PostgresSource, options: DatabaseOptions) {
    this.#connection = connectionOf(source);
    this.#options = options;
  }

  /** Runs one statement, in one round trip. The first one also asks for the version of the tables. */
  async query(text: string, values: readonly unknown[]): Promise<readonly DatabaseRow[]> {
    if (!this.#isChecked) await this.check();
    return this.#run(text, values);
  }

  /** Checks that the database answers, can be written to, and has tables that this release can use. */
  async check(): Promise<void> {
    const { schema } = this.#options;
    // Taking a version is a write: a server that is read-only refuses it.
    const [found] = await this.#run(
      `SELECT version, readable_from, ${nextVersionIn(schema)} FROM ${tablesIn(schema).schemaInfo}`,
      [],
    );
    const version = isFiniteNumber(found?.["version"]) ? found["version"] : undefined;
    const readableFrom = found?.["readable_from"];
    if (!isFiniteNumber(readableFrom) || readableFrom > SCHEMA_VERSION) throw toSchemaMismatch(version);
    this.#isChecked = true;
  }

  /** Runs statements in one transaction, for at most so many seconds. */
  transact(seconds: number, work: (run: RunStatement) => Promise<void>): Promise<void> {
    return this.#limited(seconds, (limit) => this.#connection.transact(limit, work));
  }

  /** Opens a connection that listens to a channel. */
  async listen(channel: string, { message, ended }: ConnectionListener): Promise<ListeningConnection> {
    const { timeout } = this.#options;
    const listener = { message, ended: (cause: Error) => ended(toPostgresError(cause)) };
    const opened = await this.#limited(LISTEN_TIMEOUT, (limit) =>
      this.#connection.listen(limit, channel, listener),
    );
    return { check: () => this.#limited(timeout, () => opened.check()), close: () => opened.close() };
  }

  /** Lets go of the application's pool, which it may go on using. */
  close(): void {
    this.#connection.close();
  }

  async #run(text: string, values: readonly unknown[]): Promise<readonly DatabaseRow[]> {
    const rows = await this.#limited(this.#options.timeout, (limit) =>
      this.#runAgainAfterConflict(limit, text, values),
    );
    return rows.filter(isObject);
  }

  /** Repeats a statement that the server rolled back because of another: it has changed nothing. */
  async #runAgainAfterConflict(
    limit: TimeLimit,
    text: string,
    values: readonly unknown[],
    attempts = MAX_TRIES,
  ): Promise<readonly unknown[]> {
    try {
      return await this.#connection.run(limit, text, values);
    } catch (error) {
      const isConflict = CONFLICTS.has(sqlStateOf(error) ?? "");
      if (!isConflict || attempts === 1 || limit.isOver) throw error;
      return this.#runAgainAfterConflict(limit, text, values, attempts - 1);
    }
  }

  async #limited<Value>(seconds: number, work: (limit: TimeLimit) => Promise<Value>): Promise<Value> {
    try {
      const result = await limitTime(seconds, work);
      if (result === TIMED_OUT) throw toTimeout(seconds);
      return result;
    } catch (error) {
      throw isOrgateError(error) ? error : toPostgresError(error);
    }
  }
}

/** Seconds for a new connection and its first statement. */
const LISTEN_TIMEOUT = 3;

const MAX_TRIES = 3;

/** Serialization failure and deadlock. */
const CONFLICTS: ReadonlySet<string> = new Set(["40001", "40P01"]);
