import { configurationError, readGiven } from "../../lib/problems.ts";
import { optional, readOptions, schema } from "../../lib/options.ts";
import { isFiniteNumber, isObject } from "../../lib/values.ts";
import type { PostgresSource, RunStatement } from "./connection.ts";
import { DEFAULT_TIMEOUT, Database, POOL, type PoolArgument, withPool } from "./database.ts";
import { SCHEMA_VERSION, createSchemaStatement, schemaName, schemaStatements, tablesIn } from "./schema.ts";

/** Options of {@link migrate} and {@link schemaSql}. */
export interface MigrateOptions {
  /** The schema that holds orgate's tables. @defaultValue `orgate` */
  readonly schema?: string | undefined;
}

const SQL_OPTIONS = schema<MigrateOptions>()({ schema: optional(schemaName, "orgate") });

const MIGRATE_ARGUMENTS = schema<MigrateOptions & PoolArgument>()({ ...SQL_OPTIONS, pool: POOL });

/** Seconds. Another host may be at it, and making an index takes time. */
const MIGRATION_TIMEOUT = 60;

/**
 * Makes orgate's tables, or brings them to the version of this release. Run it before the application starts.
 *
 * It may run again, and on several hosts at once: they wait for each other. Where nothing is to be done, it takes no lock and
 * needs no privilege to make tables.
 *
 * @throws ConfigurationError if the tables are of a version that this release cannot use. `StoreUnavailableError` with the
 * reason if Postgres refuses, or does not answer within 60 seconds.
 */
export async function migrate(pool: PostgresSource, options: MigrateOptions = {}): Promise<void> {
  const suggestion = "Pass { schema }, or nothing.";
  const read = readGiven("migrate", () =>
    readOptions(MIGRATE_ARGUMENTS, withPool(options, pool), "migrate", suggestion, "migrate.").complete(),
  );
  const database = new Database(read.pool, { schema: read.schema, timeout: DEFAULT_TIMEOUT });
  try {
    await database.transact(MIGRATION_TIMEOUT, async (run) => {
      if (await isCurrent(run, read.schema)) return;
      // Released at the end of the transaction, so that it works behind PgBouncer in transaction mode.
      await run("SELECT pg_advisory_xact_lock(hashtextextended($1::text, 0))", [`orgate ${read.schema}`]);
      if (await isCurrent(run, read.schema)) return;
      const [found] = await run("SELECT 1 FROM pg_namespace WHERE nspname = $1::text", [read.schema]);
      if (found === undefined) await run(createSchemaStatement(read.schema));
      // One after the other: each needs the one before.
      for (const statement of schemaStatements(read.schema)) await run(statement);
    });
  } finally {
    database.close();
  }
}

/**
 * Returns what `migrate` does as SQL, for the application's own migration tool. It may run again.
 *
 * @throws ConfigurationError
 */
export function schemaSql(options: MigrateOptions = {}): string {
  const suggestion = "Pass { schema }, or nothing.";
  const read = readGiven("schemaSql", () =>
    readOptions(SQL_OPTIONS, options, "schemaSql", suggestion, "schemaSql.").complete(),
  );
  const statements = [createSchemaStatement(read.schema), ...schemaStatements(read.schema)];
  return statements.map((statement) => `${statement};\n`).join("\n");
}

/** Whether the tables are there and nothing is to be done. */
async function isCurrent(run: RunStatement, schemaGiven: string): Promise<boolean> {
  const { schemaInfo } = tablesIn(schemaGiven);
  const [there] = await run("SELECT to_regclass($1::text) IS NOT NULL AS is_there", [schemaInfo]);
  if (!isObject(there) || there["is_there"] !== true) return false;
  const [found] = await run(`SELECT version, readable_from FROM ${schemaInfo}`);
  const { version, readable_from: readableFrom } = isObject(found) ? found : {};
  if (!isFiniteNumber(version) || !isFiniteNumber(readableFrom)) return false;
  if (readableFrom <= SCHEMA_VERSION) return version >= SCHEMA_VERSION;
  const message = `finds tables of version ${version}; this release knows version ${SCHEMA_VERSION}.`;
  throw configurationError("schema_newer", "migrate", message, "Deploy the newer release of orgate.");
}
