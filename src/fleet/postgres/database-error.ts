import { StoreUnavailableError } from "../../errors.ts";
import { isObject, isString } from "../../lib/values.ts";
import { sqlStateOf } from "./connection.ts";

/** How one kind of trouble is told. */
interface Trouble {
  readonly reason: string;
  readonly message: string;
  /** Set where waiting does not help: somebody must change the configuration. */
  readonly misconfigured?: true;
}

const MISSING: Trouble = {
  reason: "postgres_schema_missing",
  message:
    "The tables of orgate are not in this database: run migrate(pool, { schema }) before the application starts.",
  misconfigured: true,
};

const ACCESS_DENIED: Trouble = {
  reason: "postgres_access_denied",
  message:
    "Postgres refuses the user, the password or the privilege: check the pool's connection string and the grants.",
  misconfigured: true,
};

/** By the beginning of the SQLSTATE (PostgreSQL, appendix A); the first match decides. */
const TROUBLES: readonly (readonly [sqlState: RegExp, trouble: Trouble])[] = [
  [/^(?:42P01|3F000|42703)/, MISSING],
  [/^(?:28|42501)/, ACCESS_DENIED],
  [
    /^3D000/,
    {
      reason: "postgres_database_missing",
      message: "Postgres has no database of this name: check the pool's connection string.",
      misconfigured: true,
    },
  ],
  [
    /^25006/,
    {
      reason: "postgres_read_only",
      message: "Postgres is read-only: it is a replica, or was made one. Connect to the primary.",
    },
  ],
  [
    /^53/,
    {
      reason: "postgres_exhausted",
      message: "Postgres lacks disk space, memory or connections.",
    },
  ],
  [/^(?:57014|55P03)/, { reason: "postgres_timeout", message: "Postgres gave up the statement." }],
  [/^(?:08|57P)/, { reason: "postgres_unreachable", message: "The connection to Postgres broke." }],
];

const UNREACHABLE: Trouble = { reason: "postgres_unreachable", message: "Postgres cannot be reached." };
const FAILED: Trouble = { reason: "postgres_failed", message: "Postgres refused the statement." };

/** Seconds. */
const RETRY_AFTER = 1;

/**
 * Makes the error for what a client of Postgres threw. It holds no statement and no parameter.
 *
 * An error without SQLSTATE is trouble on the way to the server.
 */
export function toPostgresError(error: unknown): StoreUnavailableError {
  return unavailable(troubleOf(sqlStateOf(error)), describeClientError(error));
}

function troubleOf(sqlState: string | undefined): Trouble {
  if (sqlState === undefined) return UNREACHABLE;
  return TROUBLES.find(([pattern]) => pattern.test(sqlState))?.[1] ?? FAILED;
}

/** Makes the error for a statement that was not answered in time. */
export function toTimeout(seconds: number): StoreUnavailableError {
  const message = `Postgres did not answer within ${seconds} s.`;
  return unavailable({ reason: "postgres_timeout", message });
}

/** Makes the error for a schema that this release must not use. */
export function toSchemaMismatch(found: number | undefined): StoreUnavailableError {
  if (found === undefined) return unavailable(MISSING);
  const message = `The tables in the database are of version ${found}, which this release cannot use: deploy the newer release.`;
  return unavailable({ reason: "postgres_schema_newer", message, misconfigured: true });
}

/** Makes the error for a document that is not JSON. It concerns nobody else, so the circuit breaker must not open. */
export function toUnreadable(): StoreUnavailableError {
  const message = "A document in Postgres is not one that orgate has written.";
  return new StoreUnavailableError({
    reason: "postgres_value_unreadable",
    message,
    retryAfter: 5,
    contended: true,
    cause: new TypeError("The document is not JSON."),
  });
}

/** Makes the error for a channel on which our own message did not arrive. */
export function toListenUnsupported(): StoreUnavailableError {
  return unavailable({
    reason: "postgres_listen_unsupported",
    message:
      "LISTEN does not work over this pool; PgBouncer in transaction mode does not support it. " +
      "Pass { listenPool } with a pool that reaches Postgres directly.",
  });
}

function unavailable({ misconfigured, ...trouble }: Trouble, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    misconfigured ? { ...trouble, cause, misconfigured } : { ...trouble, cause, retryAfter: RETRY_AFTER },
  );
}

/** Errors about data quote it in their message (SQLSTATE classes 22 and 23). */
const QUOTES_DATA = /^2[23]/;

/** Copies name, code and message: a client's error may carry the statement and its parameters. */
function describeClientError(error: unknown): Error {
  const { name, code, message }: { readonly [field: string]: unknown } = isObject(error) ? error : {};
  const sqlState = sqlStateOf(error);
  const isQuoting = sqlState !== undefined && QUOTES_DATA.test(sqlState);
  const copy = new Error(isString(message) && !isQuoting ? message : "");
  copy.name = isString(name) ? name : typeof error;
  if (isString(code)) Object.assign(copy, { code });
  return copy;
}
