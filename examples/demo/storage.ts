import { randomBytes } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Pool } from "pg";
import type { Coordinator } from "orgate";
import type { Directory, Repository } from "orgate/authority";
import { migrate, postgresCoordinator, postgresRepository } from "orgate/postgres";
import { createDirectory, seeds } from "./company.ts";
import {
  createPostgresDirectory,
  createTables,
  listenInPGlite,
  listenOnServer,
  type Database,
  type PostgresDirectory,
} from "../postgres-directory.ts";

/** A directory whose members the demo changes. */
export interface DemoDirectory extends Directory {
  setRoles(userId: string, organizationId: string, roles: readonly string[]): unknown;
  updateMembership(userId: string, organizationId: string, changes: { isLocked: boolean }): unknown;
}

/** Where the demo keeps what it must not forget. */
export interface Storage {
  readonly directory: DemoDirectory;
  /** The secrets, which must be the same after a restart. */
  readonly cookiePassword: string;
  readonly keyEncryption?: string;
  readonly repository?: Repository;
  readonly coordinator?: Coordinator;
  close(): Promise<void>;
}

/** Keeps everything in this process: after a restart, all users sign in again. */
export function memoryStorage(): Storage {
  return {
    directory: createDirectory(),
    cookiePassword: makeSecret(),
    close: () => Promise.resolve(),
  };
}

/** Keeps everything in a folder, in an embedded Postgres, and makes the secrets there. */
export async function folderStorage(folder: string): Promise<Storage> {
  await mkdir(folder, { recursive: true });
  const secrets = await readSecrets(join(folder, "secrets.json"));
  // It takes a moment to load, which only this storage needs.
  const { PGlite } = await import("@electric-sql/pglite");
  const database = await PGlite.create(join(folder, "database"));
  await prepare(database);
  const repository = postgresRepository(database);
  return {
    directory: withoutAnnouncements(createPostgresDirectory(database, listenInPGlite(database))),
    ...secrets,
    repository,
    async close() {
      await repository.close();
      await database.close();
    },
  };
}

/** Keeps everything in a PostgreSQL server, which several processes may share. */
export async function serverStorage(
  connectionString: string,
  secrets: Pick<Storage, "cookiePassword" | "keyEncryption">,
): Promise<Storage> {
  const pool = new Pool({ connectionString, connectionTimeoutMillis: 2_000 });
  await prepare(pool);
  const [repository, coordinator] = [postgresRepository(pool), postgresCoordinator(pool)];
  return {
    directory: withoutAnnouncements(createPostgresDirectory(pool, listenOnServer(connectionString))),
    ...secrets,
    repository,
    coordinator,
    async close() {
      await repository.close();
      await coordinator.close();
      await pool.end();
    },
  };
}

/** Makes the tables, and the sample companies where there are none. */
async function prepare(database: Database & Parameters<typeof migrate>[0]): Promise<void> {
  await migrate(database);
  await createTables(database);
  const { users, organizations, memberships } = seeds();
  await database.query(
    `WITH sample AS (SELECT $1::json AS users, $2::json AS organizations, $3::json AS memberships
      WHERE NOT EXISTS (SELECT FROM organizations)),
    people AS (INSERT INTO users (id, email_address, name)
      SELECT row ->> 'id', row ->> 'emailAddress', row ->> 'name' FROM sample, json_array_elements(users) AS row
      RETURNING id),
    companies AS (INSERT INTO organizations (id, slug, name, settings)
      SELECT row ->> 'id', row ->> 'slug', row ->> 'name', row::jsonb - '{id,slug,name}'::text[]
      FROM sample, json_array_elements(organizations) AS row
      RETURNING id)
    INSERT INTO memberships (id, user_id, organization_id, roles)
      SELECT concat(row ->> 'userId', '.', row ->> 'organizationId'), row ->> 'userId', row ->> 'organizationId',
        ARRAY(SELECT json_array_elements_text(row -> 'roles'))
      FROM sample, json_array_elements(memberships) AS row`,
    [users, organizations, memberships].map((rows) => JSON.stringify(rows)),
  );
}

/** A change counts at the session's next renewal, as in the demo's directory in memory. */
function withoutAnnouncements(directory: PostgresDirectory): DemoDirectory {
  // oxlint-disable-next-line typescript/unbound-method -- left out, never called
  const { onChanged: _untold, ...tables } = directory;
  return tables;
}

interface Secrets {
  readonly cookiePassword: string;
  readonly keyEncryption: string;
}

async function readSecrets(path: string): Promise<Secrets> {
  const made = { cookiePassword: makeSecret(), keyEncryption: makeSecret() };
  try {
    // Fails if the file is there, and nobody else may read it.
    await writeFile(path, JSON.stringify(made), { flag: "wx", mode: 0o600 });
    return made;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return JSON.parse(await readFile(path, "utf8")) as Secrets;
  }
}

function makeSecret(): string {
  return randomBytes(32).toString("base64");
}
