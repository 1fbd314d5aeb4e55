import { type AddressInfo, type Server, type Socket, createServer } from "node:net";
import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import type { Pool } from "pg";
import { isOrgateError } from "../../src/errors.ts";
import { migrate, postgresCoordinator, postgresRepository } from "../../src/fleet/postgres/index.ts";
import { openPooled } from "../support/pooled-postgres.ts";
import {
  POSTGRES,
  type Sql,
  nameSchema,
  openPGlite,
  openPool,
  rowsOf,
  serverUrl,
} from "../support/postgres.ts";
import { describeWith } from "../support/requirements.ts";

const LATER = { expiresAt: 4_000_000_000, indexes: ["user:a-secret-user"] };
const SECRETS = /a-secret|documents|INSERT|SELECT/;

/** What a call threw. Fails if it did not. */
async function thrownBy(call: Promise<unknown>): Promise<Record<string, unknown>> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isOrgateError(error)).toBe(true);
  return error as Record<string, unknown>;
}

/** Asserts an outage with its reason, which waiting may end. */
async function expectOutage(call: Promise<unknown>, reason: string): Promise<void> {
  const error = await thrownBy(call);
  expect(error).toMatchObject({ code: "store_unavailable", reason, retryAfter: 1 });
  expect(error["headers"]).toEqual({ "Retry-After": "1" });
  expect(error["misconfigured"]).toBeUndefined();
}

/** A server that accepts connections and never says a word. */
async function startSilence(): Promise<{
  readonly server: Server;
  readonly url: string;
  stop(): Promise<void>;
}> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    server,
    url: `postgres://someone@127.0.0.1:${port}/test`,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
}

describe("a Postgres that cannot be reached", () => {
  it("refuses connections: store_unavailable with Retry-After", async () => {
    const silence = await startSilence();
    await silence.stop();
    const pool = openPool({ connectionString: silence.url });
    await expectOutage(postgresRepository(pool).read("sessions", "s"), "postgres_unreachable");
    await expectOutage(postgresCoordinator(pool).acquire("k", 5), "postgres_unreachable");
    await expectOutage(migrate(pool), "postgres_unreachable");
    expect(pool.totalCount).toBe(0);
    await pool.end();
  });

  it("does not answer: given up after the time limit", async () => {
    const silence = await startSilence();
    const pool = openPool({ connectionString: silence.url, connectionTimeoutMillis: 0 });
    const repository = postgresRepository(pool, { timeout: 0.05 });
    await expectOutage(repository.read("sessions", "s"), "postgres_timeout");
    await expectOutage(repository.insert("sessions", "a-secret", 1, LATER), "postgres_timeout");
    await expect(repository.close()).resolves.toBeUndefined();
    await silence.stop();
    await pool.end();
  });
});

describe("an error of PGlite", () => {
  it("is told without statement and parameters", async () => {
    const database = await openPGlite();
    const schema = nameSchema();
    await migrate(database.source, { schema });
    const repository = postgresRepository(database.source, { schema });
    await repository.ping?.();
    await database.source.query(`DROP TABLE ${schema}.documents`);
    const error = await thrownBy(repository.insert("sessions", "a-secret", "a-secret", LATER));
    expect(error).toMatchObject({ reason: "postgres_schema_missing" });
    expect(error["cause"]).toMatchObject({ code: "42P01" });
    expect(inspect(error, { showHidden: true, depth: 9 })).not.toMatch(/a-secret/);
    await database.close();
  });
});

describeWith(POSTGRES, "trouble with a Postgres server", () => {
  async function withRepository(
    check: (parts: {
      readonly pool: Pool;
      readonly admin: Pool;
      readonly schema: string;
      readonly repository: ReturnType<typeof postgresRepository>;
    }) => Promise<void>,
    config: Parameters<typeof openPool>[0] = {},
  ): Promise<void> {
    const admin = openPool();
    const schema = nameSchema();
    await migrate(admin, { schema });
    const pool = openPool(config);
    const repository = postgresRepository(pool, { schema });
    try {
      await check({ pool, admin, schema, repository });
    } finally {
      await repository.close();
      await admin.query(`DROP SCHEMA ${schema} CASCADE`);
      await pool.end();
      await admin.end();
    }
  }

  it("is read-only: an outage, whose connection is not used again", async () => {
    await withRepository(
      async ({ repository, pool }) => {
        await expectOutage(repository.ping?.() ?? Promise.resolve(), "postgres_read_only");
        await expectOutage(repository.insert("sessions", "s", 1, LATER), "postgres_read_only");
        expect(pool.totalCount).toBe(0);
      },
      { options: "-c default_transaction_read_only=on" },
    );
  });

  it("refuses the user: misconfigured", async () => {
    const url = serverUrl();
    url.username = "orgate_nobody";
    const pool = openPool({ connectionString: url.href });
    const error = await thrownBy(postgresRepository(pool).read("sessions", "s"));
    expect(error).toMatchObject({ reason: "postgres_access_denied", misconfigured: true });
    expect(error["retryAfter"]).toBeUndefined();
    await pool.end();
  });

  it("has no such database: misconfigured", async () => {
    const url = serverUrl();
    url.pathname = "/orgate_no_such_database";
    const pool = openPool({ connectionString: url.href });
    const error = await thrownBy(postgresRepository(pool).read("sessions", "s"));
    expect(error).toMatchObject({ reason: "postgres_database_missing", misconfigured: true });
    await pool.end();
  });

  it("lacks a privilege: misconfigured", async () => {
    await withRepository(async ({ repository, admin, schema, pool }) => {
      const role = `${schema}_role`;
      await admin.query(`CREATE ROLE ${role}`);
      await admin.query(`GRANT USAGE ON SCHEMA ${schema} TO ${role}`);
      await admin.query(`GRANT SELECT ON ${schema}.schema_info TO ${role}`);
      pool.on("connect", (client) => void client.query(`SET ROLE ${role}`));
      const error = await thrownBy(repository.read("sessions", "s"));
      expect(error).toMatchObject({ reason: "postgres_access_denied", misconfigured: true });
      await admin.query(`DROP OWNED BY ${role}`);
      await admin.query(`DROP ROLE ${role}`);
    });
  });

  it("has no connection left: given up after the time limit, and used again when there is one", async () => {
    await withRepository(
      async ({ repository, pool }) => {
        await repository.ping?.();
        const taken = await pool.connect();
        await expectOutage(repository.read("sessions", "s"), "postgres_timeout");
        taken.release();
        await expect(repository.read("sessions", "s")).resolves.toBeUndefined();
      },
      { max: 1 },
    );
  });

  it("hands a connection that comes too late back to the pool, and keeps it", async () => {
    await withRepository(
      async ({ pool, schema }) => {
        const repository = postgresRepository(pool, { schema, timeout: 0.05 });
        const taken = await pool.connect();
        const pid = await pidOf(taken);
        const reads = ["a", "b", "c"].map((id) =>
          expectOutage(repository.read("sessions", id), "postgres_timeout"),
        );
        await Promise.all(reads);
        // The pool gives the connection to the three that gave up before it gives it to this one.
        const next = pidOf(pool);
        taken.release();
        expect(await next).toBe(pid);
        await repository.close();
      },
      { max: 1 },
    );
  });

  it("holds a statement up: given up after 0.8 seconds, its connection closed and the next statement served", async () => {
    await withRepository(
      async ({ repository, pool, admin, schema }) => {
        await repository.insert("sessions", "s", 1, LATER);
        const locker = await admin.connect();
        await locker.query("BEGIN");
        await locker.query(`SELECT 1 FROM ${schema}.documents FOR UPDATE`);
        await expectOutage(repository.touchIfExists("sessions", "s", 4_000_000_001), "postgres_timeout");
        expect(pool.totalCount).toBe(0);
        expect((await repository.read("sessions", "s"))?.value).toBe(1);
        await locker.query("ROLLBACK");
        locker.release();
      },
      { max: 1 },
    );
  });

  it("ends the connections: an outage for statements under way, and the next statement is served", async () => {
    await withRepository(async ({ repository, admin, schema, pool }) => {
      await repository.insert("sessions", "s", 1, LATER);
      const locker = await admin.connect();
      await locker.query("BEGIN");
      await locker.query(`SELECT 1 FROM ${schema}.documents FOR UPDATE`);
      const waiting = expectOutage(
        repository.touchIfExists("sessions", "s", 4_000_000_001),
        "postgres_unreachable",
      );
      const pid = await waitForBlocked(admin, schema);
      await admin.query("SELECT pg_terminate_backend($1)", [pid]);
      await waiting;
      await locker.query("ROLLBACK");
      locker.release();
      expect(await repository.touchIfExists("sessions", "s", 4_000_000_001)).toBe(true);
      expect(pool.totalCount).toBeGreaterThan(0);
    });
  });

  it("does not end the process when an idle connection breaks, with a pool that has no listener of its own", async () => {
    const bare = openPool();
    bare.removeAllListeners("error");
    const admin = openPool();
    const schema = nameSchema();
    await migrate(admin, { schema });
    const repository = postgresRepository(bare, { schema });
    await repository.ping?.();
    const { rows } = await bare.query("SELECT pg_backend_pid() AS pid");
    const removed = new Promise((resolve) => {
      bare.once("remove", resolve);
    });
    await admin.query("SELECT pg_terminate_backend($1)", [(rows[0] as { readonly pid: number }).pid]);
    await removed;
    await expect(repository.read("sessions", "s")).resolves.toBeUndefined();
    await repository.close();
    expect(bare.listenerCount("error")).toBe(0);
    await admin.query(`DROP SCHEMA ${schema} CASCADE`);
    await bare.end();
    await admin.end();
  });

  it("reports errors without statements, parameters and values", async () => {
    await withRepository(async ({ repository, admin, schema }) => {
      await repository.ping?.();
      await admin.query(`ALTER TABLE ${schema}.documents ADD CHECK (value NOT LIKE '%secret%')`);
      const error = await thrownBy(repository.insert("sessions", "a-secret-id", "a-secret-value", LATER));
      expect(error).toMatchObject({ reason: "postgres_failed", retryAfter: 1 });
      expect(error["cause"]).toMatchObject({ name: "error", code: "23514" });
      expect(inspect(error, { showHidden: true, depth: 9 }).replaceAll(/^ +at .*$/gm, "")).not.toMatch(
        SECRETS,
      );
    });
  });

  it("rolls a statement back for another one: it is repeated", async () => {
    await withRepository(
      async ({ repository, admin, schema }) => {
        await repository.insert("sessions", "s", 0, LATER);
        const { version = 0 } = (await repository.read("sessions", "s")) ?? {};
        const other = await admin.connect();
        await other.query("BEGIN");
        await other.query(`UPDATE ${schema}.documents SET value = '1' WHERE id = 's'`);
        const changing = repository.compareAndSet("sessions", "s", version, 2, LATER);
        await waitForBlocked(admin, schema);
        await other.query("COMMIT");
        other.release();
        expect(await changing).toBe(true);
        expect((await repository.read("sessions", "s"))?.value).toBe(2);
      },
      { options: "-c default_transaction_isolation=serializable" },
    );
  });

  it("is cut off by the network in the middle of a statement: an outage, and the process goes on", async () => {
    const admin = openPool();
    const schema = nameSchema();
    await migrate(admin, { schema });
    const pooled = await openPooled();
    const repository = postgresRepository(pooled.source, { schema });
    await repository.insert("sessions", "s", 1, LATER);
    const locker = await admin.connect();
    await locker.query("BEGIN");
    await locker.query(`SELECT 1 FROM ${schema}.documents FOR UPDATE`);
    const waiting = thrownBy(repository.touchIfExists("sessions", "s", 4_000_000_001));
    await waitForBlocked(admin, schema);
    pooled.pooler.cutClients();
    expect(await waiting).toMatchObject({ reason: "postgres_unreachable", retryAfter: 1 });
    await locker.query("ROLLBACK");
    locker.release();
    expect((await repository.read("sessions", "s"))?.value).toBe(1);
    await repository.close();
    await pooled.close();
    await admin.query(`DROP SCHEMA ${schema} CASCADE`);
    await admin.end();
  });
});

async function pidOf(sql: Sql): Promise<unknown> {
  return (await rowsOf(sql, "SELECT pg_backend_pid() AS pid"))[0]?.["pid"];
}

/** Waits until a statement on the schema waits for a lock, and returns the process that runs it. */
async function waitForBlocked(admin: Pool, schema: string): Promise<unknown> {
  for (;;) {
    const [row] = await rowsOf(
      admin,
      `SELECT pid FROM pg_stat_activity
      WHERE wait_event_type = 'Lock' AND query LIKE '%"${schema}".documents%' AND pid <> pg_backend_pid()`,
    );
    if (row !== undefined) return row["pid"];
  }
}
