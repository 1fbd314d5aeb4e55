import { existsSync, readFileSync } from "node:fs";
import { readFile, rename, writeFile } from "node:fs/promises";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
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

/** The URL of the server of the tests, with a user. */
export function serverUrl(): URL {
  const url = new URL(POSTGRES_URL);
  if (url.username === "") url.username = process.env["PGUSER"] ?? userInfo().username;
  return url;
}

/** Opens a pool on the server of the tests. */
export function openPool(config: PoolConfig = {}): Pool {
  const pool = new Pool({
    connectionString: serverUrl().href,
    max: 5,
    connectionTimeoutMillis: 5_000,
    // The tests crash no server, and need not wait for its disk.
    options: "-c synchronous_commit=off",
    ...config,
  });
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

const MANIFEST = new URL("../../node_modules/@electric-sql/pglite/package.json", import.meta.url);
const PGLITE_VERSION = (JSON.parse(readFileSync(MANIFEST, "utf8")) as { readonly version: string }).version;

/** Opens the embedded engine. */
export async function openPGlite(): Promise<Engine> {
  const database = await PGlite.create({ loadDataDir: await readEmptyDatabase() });
  return { source: database, close: () => database.close() };
}

/** Puts an empty database of the embedded engine into a folder. */
export async function copyEmptyDatabase(folder: string): Promise<void> {
  const database = await PGlite.create(folder, { loadDataDir: await readEmptyDatabase() });
  await database.close();
}

/** An empty database of PGlite. Making one takes seconds, reading it again does not. */
async function readEmptyDatabase(): Promise<Blob> {
  const path = join(tmpdir(), `orgate-pglite-${PGLITE_VERSION}.tar`);
  if (!existsSync(path)) {
    const database = await PGlite.create();
    const dump = await database.dumpDataDir("none");
    await database.close();
    // Other workers may be at it too: each moves a whole file into place.
    await writeFile(`${path}.${process.pid}`, Buffer.from(await dump.arrayBuffer()));
    await rename(`${path}.${process.pid}`, path);
  }
  return new Blob([await readFile(path)]);
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
