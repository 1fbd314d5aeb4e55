// A directory over the tables of postgres-directory.sql, in PostgreSQL 14 or later, or in PGlite.
import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Client } from "pg";
import type {
  Directory,
  DirectoryChange,
  DirectoryMembership,
  DirectoryOrganization,
  DirectoryUser,
} from "orgate/authority";

/** What the directory uses of a `Pool` of pg, and of a `PGlite`. */
export interface Database {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[] }>;
  /** Runs several statements; only a `PGlite` has it. */
  exec?(text: string): Promise<unknown>;
}

/** A new user. */
export interface NewUser {
  readonly emailAddress: string;
  readonly name: string;
  readonly passwordHash?: string;
}

/** The directory, and what the application does to its tables beside. */
export interface PostgresDirectory extends Directory {
  /** User, organization and membership by one query: what each renewal asks for. */
  seat(userId: string, organizationId: string): Promise<Seat | undefined>;
  addMembership(membership: DirectoryMembership): Promise<void>;
  onChanged(listener: (change: DirectoryChange) => void): () => void;
  /** Creates a user; `undefined` if the address is taken. */
  signUp(user: NewUser): Promise<DirectoryUser | undefined>;
  /** Creates an organization, whose first member is the user; `undefined` if the slug is taken. */
  createOrganization(
    userId: string,
    organization: Omit<DirectoryOrganization, "id">,
    roles: readonly string[],
  ): Promise<DirectoryOrganization | undefined>;
  passwordHashOf(
    emailAddress: string,
  ): Promise<{ readonly userId: string; readonly hash: string } | undefined>;
  members(organizationId: string): Promise<readonly unknown[]>;
  /** Replaces a member's roles; `false` if there is no such member. */
  setRoles(userId: string, organizationId: string, roles: readonly string[]): Promise<boolean>;
  /** Changes settings of a member, such as `isLocked`; `false` if there is no such member. */
  updateMembership(userId: string, organizationId: string, settings: MembershipSettings): Promise<boolean>;
  removeMembership(userId: string, organizationId: string): Promise<boolean>;
  removeUser(userId: string): Promise<boolean>;
}

/** What the column `settings` of a membership holds. */
export type MembershipSettings = Pick<DirectoryMembership, "isLocked" | "isBreakglass" | "mfaEnrolled">;

interface Seat {
  readonly user: DirectoryUser;
  readonly organization: DirectoryOrganization;
  readonly membership: DirectoryMembership;
}

const USER = `json_build_object('id', users.id, 'emailAddress', users.email_address, 'name', users.name)`;
const ORGANIZATION = `organizations.settings ||
  jsonb_build_object('id', organizations.id, 'slug', organizations.slug, 'name', organizations.name)`;
const MEMBERSHIP = `memberships.settings || jsonb_build_object('id', memberships.id, 'userId', memberships.user_id,
  'organizationId', memberships.organization_id, 'roles', memberships.roles)`;

/** Makes the tables. */
export async function createTables(database: Database): Promise<void> {
  const sql = await readFile(new URL("postgres-directory.sql", import.meta.url), "utf8");
  // Without parameters, several statements run in one transaction.
  await (database.exec === undefined ? database.query(sql) : database.exec(sql));
}

/** Calls back with each change, whichever process has made it. Returns the way to stop. */
export type ListenForChanges = (listener: (change: DirectoryChange) => void) => () => void;

/**
 * Makes the directory.
 *
 * @param listenForChanges - `listenOnServer(url)` or `listenInPGlite(database)`
 */
export function createPostgresDirectory(
  database: Database,
  listenForChanges: ListenForChanges,
): PostgresDirectory {
  async function one<Row>(text: string, ...values: unknown[]): Promise<Row | undefined> {
    const { rows } = await database.query(text, values);
    return (rows[0] as { readonly row: Row } | undefined)?.row;
  }
  async function all<Row>(text: string, ...values: unknown[]): Promise<readonly Row[]> {
    const { rows } = await database.query(text, values);
    return rows.map((found) => (found as { readonly row: Row }).row);
  }
  const hasChanged = async (text: string, ...values: unknown[]): Promise<boolean> =>
    (await one<string>(text, ...values)) !== undefined;

  return {
    user: (id) => one(`SELECT ${USER} AS row FROM users WHERE id = $1`, id),
    userByEmailAddress: (emailAddress) =>
      one(`SELECT ${USER} AS row FROM users WHERE lower(email_address) = lower($1)`, emailAddress),
    organization: (id) => one(`SELECT ${ORGANIZATION} AS row FROM organizations WHERE id = $1`, id),
    membership: (userId, organizationId) =>
      one(
        `SELECT ${MEMBERSHIP} AS row FROM memberships WHERE user_id = $1 AND organization_id = $2`,
        userId,
        organizationId,
      ),
    memberships: (userId) => all(`SELECT ${MEMBERSHIP} AS row FROM memberships WHERE user_id = $1`, userId),
    seat: (userId, organizationId) =>
      one(
        `SELECT json_build_object('user', ${USER}, 'organization', ${ORGANIZATION}, 'membership', ${MEMBERSHIP}) AS row
        FROM memberships JOIN users ON users.id = user_id JOIN organizations ON organizations.id = organization_id
        WHERE user_id = $1 AND organization_id = $2`,
        userId,
        organizationId,
      ),
    async addMembership({ userId, organizationId, roles }) {
      await database.query(
        `INSERT INTO memberships (id, user_id, organization_id, roles) VALUES ($1, $2, $3, $4::text[])
        ON CONFLICT (user_id, organization_id) DO NOTHING`,
        [`member_${randomUUID()}`, userId, organizationId, [...roles]],
      );
    },
    signUp: ({ emailAddress, name, passwordHash = "" }) =>
      one(
        `INSERT INTO users (id, email_address, name, password_hash) VALUES ($1, $2, $3, $4)
        ON CONFLICT DO NOTHING RETURNING ${USER} AS row`,
        `user_${randomUUID()}`,
        emailAddress,
        name,
        passwordHash,
      ),
    // One statement, so that there is never an organization without a member.
    createOrganization: (userId, { slug, name }, roles) =>
      one(
        `WITH created AS (
          INSERT INTO organizations (id, slug, name) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING *
        ), member AS (
          INSERT INTO memberships (id, user_id, organization_id, roles) SELECT $4, $5, id, $6::text[] FROM created
        )
        SELECT json_build_object('id', id, 'slug', slug, 'name', name) AS row FROM created`,
        `org_${randomUUID()}`,
        slug,
        name,
        `member_${randomUUID()}`,
        userId,
        [...roles],
      ),
    passwordHashOf: (emailAddress) =>
      one(
        `SELECT json_build_object('userId', id, 'hash', password_hash) AS row FROM users
        WHERE lower(email_address) = lower($1)`,
        emailAddress,
      ),
    members: (organizationId) =>
      all(
        `SELECT json_build_object('userId', users.id, 'name', users.name, 'roles', roles) AS row
        FROM memberships JOIN users ON users.id = user_id WHERE organization_id = $1 ORDER BY users.name`,
        organizationId,
      ),
    setRoles: (userId, organizationId, roles) =>
      hasChanged(
        `UPDATE memberships SET roles = $3::text[] WHERE user_id = $1 AND organization_id = $2 RETURNING id AS row`,
        userId,
        organizationId,
        [...roles],
      ),
    updateMembership: (userId, organizationId, settings) =>
      hasChanged(
        `UPDATE memberships SET settings = settings || $3::jsonb WHERE user_id = $1 AND organization_id = $2
        RETURNING id AS row`,
        userId,
        organizationId,
        JSON.stringify(settings),
      ),
    removeMembership: (userId, organizationId) =>
      hasChanged(
        "DELETE FROM memberships WHERE user_id = $1 AND organization_id = $2 RETURNING id AS row",
        userId,
        organizationId,
      ),
    removeUser: (userId) => hasChanged("DELETE FROM users WHERE id = $1 RETURNING id AS row", userId),
    onChanged: listenForChanges,
  };
}

const CHANNEL = "directory_changed";

/**
 * Listens on a connection of its own, which must not go through PgBouncer in transaction mode, and connects again when it breaks.
 * What is changed meanwhile counts at the session's next renewal, or as soon as a coordinator tells of it.
 */
export function listenOnServer(connectionString: string): ListenForChanges {
  return (listener) => {
    let isStopped = false;
    let stop = (): void => undefined;
    const connect = (): void => {
      const client = new Client({ connectionString, keepAlive: true, connectionTimeoutMillis: 5_000 });
      let again: NodeJS.Timeout | undefined;
      const retry = (error?: Error): void => {
        if (isStopped) return;
        if (error !== undefined) console.error("LISTEN failed:", error.message);
        again ??= setTimeout(connect, 1_000).unref();
      };
      client.on("error", retry);
      client.on("end", retry);
      client.on("notification", ({ payload = "" }) => listener(JSON.parse(payload) as DirectoryChange));
      client
        .connect()
        .then(() => client.query(`LISTEN ${CHANNEL}`))
        .catch(retry);
      stop = () => {
        isStopped = true;
        clearTimeout(again);
        void client.end();
      };
    };
    connect();
    return () => stop();
  };
}

/** Listens within the process, which is all that an embedded database has. */
export function listenInPGlite(database: {
  listen(channel: string, listener: (payload: string) => void): Promise<() => Promise<void>>;
}): ListenForChanges {
  return (listener) => {
    const listening = database.listen(CHANNEL, (payload) => listener(JSON.parse(payload) as DirectoryChange));
    return () => void listening.then((stop) => stop());
  };
}
