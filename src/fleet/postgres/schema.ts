import { type Check, must } from "../../lib/options.ts";
import { isWellFormedText } from "../../lib/values.ts";

/** The version of the tables that this release makes. */
export const SCHEMA_VERSION = 1;

/** The oldest release, by its own {@link SCHEMA_VERSION}, that works with the tables of this one. */
const READABLE_FROM = 1;

/** Bytes of a name in Postgres. Longer ones are cut, so that two could become the same. */
const MAX_NAME_BYTES = 63;

/** Accepts the names that Postgres accepts for schemas of applications. */
export const schemaName: Check<string> = must(
  `a name of 1 to ${MAX_NAME_BYTES} bytes that does not begin with "pg_"`,
  (given): given is string =>
    isWellFormedText(given) &&
    !given.includes("\0") &&
    !/^pg_/i.test(given) &&
    new TextEncoder().encode(given).length <= MAX_NAME_BYTES,
  'Leave it out for "orgate".',
);

/** Where orgate's tables are, as names for SQL. */
export interface TableNames {
  readonly documents: string;
  readonly renewals: string;
  readonly schemaInfo: string;
}

/** Names the tables of a schema, quoted. */
export function tablesIn(schema: string): TableNames {
  const quoted = quoteName(schema);
  return {
    documents: `${quoted}.documents`,
    renewals: `${quoted}.renewals`,
    schemaInfo: `${quoted}.schema_info`,
  };
}

function versionsIn(schema: string): string {
  return `${quoteName(schema)}.versions`;
}

/** The expression for the next version or fence, which is higher than all before. */
export function nextVersionIn(schema: string): string {
  return `nextval(${quoteText(versionsIn(schema))})`;
}

/** Quotes a name for SQL. */
function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a text for SQL. */
function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`;
  return text.includes("\\") ? `E${quoted}` : quoted;
}

/**
 * The statements that make the tables, or do nothing where they are.
 *
 * Documents are JSON as text, because `jsonb` changes numbers and the order of names. Versions come from a sequence and are
 * never used twice. Times are seconds since the epoch with fractions, by the authority's clock.
 */
export function schemaStatements(schema: string): readonly string[] {
  const { documents, renewals, schemaInfo } = tablesIn(schema);
  const nextVersion = nextVersionIn(schema);
  return [
    `CREATE TABLE IF NOT EXISTS ${schemaInfo} (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  version integer NOT NULL,
  readable_from integer NOT NULL
)`,
    `CREATE SEQUENCE IF NOT EXISTS ${versionsIn(schema)} AS bigint`,
    `CREATE TABLE IF NOT EXISTS ${documents} (
  collection text NOT NULL,
  id text NOT NULL,
  long_id text,
  version bigint NOT NULL DEFAULT ${nextVersion},
  value text NOT NULL,
  indexes text[] NOT NULL,
  expires_at double precision NOT NULL,
  PRIMARY KEY (collection, id)
) WITH (fillfactor = 85)`,
    `CREATE INDEX IF NOT EXISTS documents_by_index ON ${documents} USING gin (indexes) WITH (fastupdate = off)`,
    `CREATE INDEX IF NOT EXISTS documents_by_expiry ON ${documents} (expires_at)`,
    `CREATE TABLE IF NOT EXISTS ${renewals} (
  key text PRIMARY KEY,
  fence bigint NOT NULL DEFAULT ${nextVersion},
  leased_until double precision NOT NULL,
  sealed text,
  sealed_until double precision,
  sealed_fence bigint,
  expires_at double precision NOT NULL
)`,
    `CREATE INDEX IF NOT EXISTS renewals_by_expiry ON ${renewals} (expires_at)`,
    `INSERT INTO ${schemaInfo} (version, readable_from) VALUES (${SCHEMA_VERSION}, ${READABLE_FROM})
ON CONFLICT (only_row) DO NOTHING`,
  ];
}

/** The statement that makes the schema itself, which needs a privilege that an application's user may lack. */
export function createSchemaStatement(schema: string): string {
  return `CREATE SCHEMA IF NOT EXISTS ${quoteName(schema)}`;
}
