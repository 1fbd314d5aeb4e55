import { userInfo } from "node:os";
import process from "node:process";
import { PGlite } from "@electric-sql/pglite";
import { Pool, type PoolConfig } from "pg";
import type { PostgresSource } from "../../src/fleet/postgres/index.ts";
import type { Requirement } from "./requirements.ts";

/** The server of the tests. `POSTGRES_URL=none` says that there is none, on purpose. */
export const POSTGRES_URL = process.env["POSTGRES_URL"] ?? "postgres://127.0.0.1:5432/test";

/** Requires a PostgreSQL server. */
export const POSTGRES: Requirement = {
  description: "PostgreSQL: set POSTGRES_URL to a database whose user may make schemas",
  isMet: await canConnect(),
  isOptional: POSTGRES_URL === "none",
};

async function canConnect(): Promise<boolean> {
  if (POSTGRES_URL === "none") return false;
  const pool = openPool({ connectionTimeoutMillis: 2_000 });
  try {
    await pool.query("SELECT 1");
    return true;
  } catch (error) {
    return !(error instanceof Error);
  } finally {
    await pool.end();
  }
}

/** Opens a pool on the server of the tests. */
export function openPool(config: PoolConfig = {}): Pool {
  const url = new URL(POSTGRES_URL);
  if (url.username === "") url.username = process.env["PGUSER"] ?? userInfo().username;
  const pool = new Pool({ connectionString: url.href, max: 5, connectionTimeoutMillis: 5_000, ...config });
  pool.on("error", () => undefined);
  return pool;
}

let schemas = 0;

/** Makes a name for a schema that no other test uses. */
export function nameSchema(): string {
  schemas += 1;
  return `orgate_test_${process.pid}_${schemas}`;
}

/** Something that runs SQL. */
export interface Sql {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
}

/** One engine that a test runs on. */
export interface Engine {
  readonly source: PostgresSource & Sql;
  close(): Promise<void>;
}

/** Opens the embedded engine. */
export async function openPGlite(): Promise<Engine> {
  const database = await PGlite.create();
  return { source: database, close: () => database.close() };
}

/** Opens the server. */
export async function openServer(config: PoolConfig = {}): Promise<Engine> {
  const pool = openPool(config);
  return { source: pool, close: () => pool.end() };
}

/** Reads rows by the names of their columns. */
export async function rowsOf(
  sql: Sql,
  text: string,
  values: unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const { rows } = await sql.query(text, values);
  return rows as readonly Readonly<Record<string, unknown>>[];
}
