import type { Repository, WriteOptions } from "../../authority/repository.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { functionLike, optional, readOptions, schema, seconds } from "../../lib/options.ts";
import { readGiven } from "../../lib/problems.ts";
import { isString } from "../../lib/values.ts";
import type { PostgresSource } from "./connection.ts";
import {
  DEFAULT_TIMEOUT,
  Database,
  POOL,
  type PoolArgument,
  type DatabaseRow,
  withPool,
} from "./database.ts";
import { schemaName, tablesIn } from "./schema.ts";
import { readName, readStoredValue, readStoredValueOrText, storeName } from "./stored-values.ts";

/** Options of {@link postgresRepository}. */
export interface PostgresRepositoryOptions {
  /** The schema that `migrate` made. @defaultValue `orgate` */
  readonly schema?: string | undefined;
  /** Seconds after which a statement is given up, the wait for a connection of the pool included. @defaultValue 0.8 */
  readonly timeout?: number | undefined;
  /** Tells which documents have expired: that of the authority. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
}

/** The longest time limit, in seconds. */
const MAX_TIMEOUT = 60;

/** Accepts time limits of statements. */
export const statementTimeout = seconds(
  { above: 0, max: MAX_TIMEOUT },
  "Pass seconds, for example { timeout: 0.8 }.",
);

const REPOSITORY_ARGUMENTS = schema<PostgresRepositoryOptions & PoolArgument>()({
  pool: POOL,
  schema: optional(schemaName, "orgate"),
  timeout: optional(statementTimeout, DEFAULT_TIMEOUT),
  clock: optional(functionLike<Clock>(), systemClock),
});

/**
 * Keeps the authority's documents in PostgreSQL 12 or later, or in PGlite: after a restart, and on every other process, everybody
 * is still signed in. Run `migrate` first.
 *
 * Each operation is one statement and one round trip. The first one of a process also asks for the version of the tables. An
 * insert deletes some expired documents of others, so that no job is needed. Trouble is a `StoreUnavailableError` whose
 * `reason` begins with `postgres_`. `close()` leaves the pool to the application.
 *
 * @param pool - a `Pool` of `pg`, also one that goes through PgBouncer in transaction mode; or a `PGlite`
 * @throws ConfigurationError
 */
export function postgresRepository(
  pool: PostgresSource,
  options: PostgresRepositoryOptions = {},
): Repository {
  const owner = "postgresRepository";
  const suggestion = "Pass { schema, timeout }, or nothing.";
  const read = readGiven(owner, () =>
    readOptions(REPOSITORY_ARGUMENTS, withPool(options, pool), owner, suggestion, `${owner}.`).complete(),
  );
  const database = new Database(read.pool, read);
  return makeRepository(database, statementsFor(read.schema), read.clock);
}

function makeRepository(database: Database, sql: Statements, clock: Clock): Repository {
  const isAnyRow = async (text: string, values: readonly unknown[]): Promise<boolean> =>
    (await database.query(text, values)).length > 0;
  return {
    durability: "shared",
    async read(collection, id) {
      const [row] = await database.query(sql.read, [collection, storeName(id).key, clock()]);
      return row && { value: readStoredValue(textIn(row, "value")), version: Number(row["version"]) };
    },
    insert(collection, id, value, write) {
      const { key, long } = storeName(id);
      const { indexes, expiresAt } = columnsOf(collection, write);
      const now = clock();
      const stored = [JSON.stringify(value), indexes, expiresAt];
      return isAnyRow(sql.insert, [collection, key, long, ...stored, now, now - PURGE_AFTER]);
    },
    compareAndSet(collection, id, version, value, write) {
      const { indexes, expiresAt } = columnsOf(collection, write);
      const stored = [JSON.stringify(value), indexes, expiresAt];
      return isAnyRow(sql.compareAndSet, [collection, storeName(id).key, version, ...stored, clock()]);
    },
    async consume(collection, id) {
      const [row] = await database.query(sql.consume, [collection, storeName(id).key, clock()]);
      return row && valueOrTextIn(row);
    },
    touchIfExists: (collection, id, expiresAt) =>
      isAnyRow(sql.touch, [collection, storeName(id).key, expiresAt, clock()]),
    async find(collection, index) {
      const rows = await database.query(sql.find, [indexEntryOf(collection, index), clock()]);
      return rows.map((row) => ({ id: readName(textIn(row, "id")), value: valueOrTextIn(row) }));
    },
    ping: () => database.check(),
    close: async () => database.close(),
  };
}

/** Documents that an insert deletes at most: more than it adds, so that none stay for ever. */
const PURGED_PER_INSERT = 8;

/** Seconds after its end that a document may be deleted: the clock of another host may be behind. */
const PURGE_AFTER = 60;

type Statements = ReturnType<typeof statementsFor>;

function statementsFor(schemaGiven: string) {
  const { documents } = tablesIn(schemaGiven);
  return {
    read: `
SELECT version::text, value FROM ${documents}
WHERE collection = $1::text AND id = $2::text AND expires_at > $3::float8`,
    // A document that has expired does not exist: it is overwritten. What is purged beside it is never waited for.
    insert: `
WITH purged AS (
  DELETE FROM ${documents} WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${documents}
    WHERE expires_at <= $8::float8 AND (collection, id) <> ($1::text, $2::text)
    ORDER BY expires_at LIMIT ${PURGED_PER_INSERT} FOR UPDATE SKIP LOCKED
  ))
)
INSERT INTO ${documents} AS document (collection, id, long_id, value, indexes, expires_at)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::text[], $6::float8)
ON CONFLICT (collection, id) DO UPDATE SET
  version = excluded.version, value = excluded.value, indexes = excluded.indexes, expires_at = excluded.expires_at
WHERE document.expires_at <= $7::float8
RETURNING true`,
    compareAndSet: `
UPDATE ${documents} SET version = DEFAULT, value = $4::text, indexes = $5::text[], expires_at = $6::float8
WHERE collection = $1::text AND id = $2::text AND version = $3::float8 AND expires_at > $7::float8
RETURNING true`,
    consume: `
DELETE FROM ${documents} WHERE collection = $1::text AND id = $2::text AND expires_at > $3::float8
RETURNING value`,
    touch: `
UPDATE ${documents} SET expires_at = $3::float8
WHERE collection = $1::text AND id = $2::text AND expires_at > $4::float8
RETURNING true`,
    find: `
SELECT coalesce(long_id, id) AS id, value FROM ${documents}
WHERE indexes @> ARRAY[$1::text] AND expires_at > $2::float8
ORDER BY version`,
  };
}

/** An index entry names its collection too, so that one index answers `find` alone. */
function indexEntryOf(collection: string, index: string): string {
  return storeName(`${collection} ${index}`).key;
}

function columnsOf(
  collection: string,
  { expiresAt, indexes = [] }: WriteOptions,
): { readonly indexes: readonly string[]; readonly expiresAt: number } {
  return { indexes: indexes.map((index) => indexEntryOf(collection, index)), expiresAt };
}

function valueOrTextIn(row: DatabaseRow): unknown {
  return readStoredValueOrText(textIn(row, "value"));
}

function textIn(row: DatabaseRow, column: string): string {
  const text = row[column];
  return isString(text) ? text : "";
}
