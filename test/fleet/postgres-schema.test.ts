import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Pool } from "pg";
import { migrate, postgresRepository, schemaSql } from "../../src/fleet/postgres/index.ts";
import { PROJECT_ROOT } from "../architecture/scan-source.ts";
import {
  type Engine,
  POSTGRES,
  type Sql,
  nameSchema,
  openPGlite,
  openPool,
  openServer,
  rowsOf,
} from "../support/postgres.ts";
import { type Requirement, describeWith } from "../support/requirements.ts";

const NOTHING: Requirement = { description: "nothing", isMet: true };
const ENGINES: readonly (readonly [name: string, requirement: Requirement, open: () => Promise<Engine>])[] = [
  ["a pool", POSTGRES, openServer],
  ["PGlite", NOTHING, openPGlite],
];
const LATER = { expiresAt: 4_000_000_000 };

async function tablesIn(sql: Sql, schema: string): Promise<readonly unknown[]> {
  const text = "SELECT tablename FROM pg_tables WHERE schemaname = $1 ORDER BY tablename";
  return (await rowsOf(sql, text, [schema])).map((row) => row["tablename"]);
}

for (const [engineName, requirement, open] of ENGINES) {
  describeWith(requirement, `orgate's tables in Postgres over ${engineName}`, () => {
    let engine: Engine;

    beforeAll(async () => {
      engine = await open();
    });

    afterAll(() => engine.close());

    it("are made once, however often and by however many hosts", async () => {
      const schema = nameSchema();
      await Promise.all(Array.from({ length: 8 }, () => migrate(engine.source, { schema })));
      await postgresRepository(engine.source, { schema }).insert("sessions", "s", 1, LATER);
      await migrate(engine.source, { schema });
      expect(await tablesIn(engine.source, schema)).toEqual(["documents", "renewals", "schema_info"]);
      expect((await postgresRepository(engine.source, { schema }).read("sessions", "s"))?.value).toBe(1);
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    });

    it.each([
      ["quotes", `orgate "test" 'x' `],
      ["backslashes and dots", "orgate\\test.x\\' "],
      ["capital letters and accents", "Orgate \u00e9 \u20ac "],
    ])("may be in a schema with %s in its name", async (_what, name) => {
      const schema = `${name}${process.pid}`;
      await migrate(engine.source, { schema });
      const repository = postgresRepository(engine.source, { schema });
      expect(await repository.insert("sessions", "s", 1, { ...LATER, indexes: ["user:u"] })).toBe(true);
      expect(await repository.find("sessions", "user:u")).toEqual([{ id: "s", value: 1 }]);
      await engine.source.query(`DROP SCHEMA "${schema.replaceAll('"', '""')}" CASCADE`);
    });

    it("can be made by another tool from their SQL, which may run again", async () => {
      const schema = nameSchema();
      for (let round = 0; round < 2; round += 1) {
        for (const statement of schemaSql({ schema }).split(";\n")) {
          if (statement.trim() !== "") await engine.source.query(statement);
        }
      }
      await migrate(engine.source, { schema });
      expect(await postgresRepository(engine.source, { schema }).insert("keys", "k", 1, LATER)).toBe(true);
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    });

    it("are used by an older release as long as they say so, and not further", async () => {
      const schema = nameSchema();
      await migrate(engine.source, { schema });
      await engine.source.query(`UPDATE ${schema}.schema_info SET version = 7`);
      await migrate(engine.source, { schema });
      await expect(postgresRepository(engine.source, { schema }).read("keys", "k")).resolves.toBeUndefined();
      await engine.source.query(`UPDATE ${schema}.schema_info SET readable_from = 2`);
      await expect(migrate(engine.source, { schema })).rejects.toMatchObject({
        code: "configuration_invalid",
        problems: [{ code: "schema_newer", option: "migrate" }],
      });
      const repository = postgresRepository(engine.source, { schema });
      const refusal = { code: "store_unavailable", reason: "postgres_schema_newer", misconfigured: true };
      await expect(repository.read("keys", "k")).rejects.toMatchObject(refusal);
      await expect(repository.insert("keys", "k", 1, LATER)).rejects.toMatchObject(refusal);
      await expect(repository.ping?.()).rejects.toMatchObject(refusal);
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    });

    it("are missed with a reason that says what to do", async () => {
      const schema = nameSchema();
      const refusal = { code: "store_unavailable", reason: "postgres_schema_missing", misconfigured: true };
      const repository = postgresRepository(engine.source, { schema });
      const error: unknown = await repository.read("sessions", "s").catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        ...refusal,
        message: expect.stringContaining("migrate(pool, { schema })"),
      });
      await expect(repository.ping?.()).rejects.toMatchObject(refusal);
      // As soon as they are there, the same repository works.
      await migrate(engine.source, { schema });
      await expect(repository.read("sessions", "s")).resolves.toBeUndefined();
      await engine.source.query(`DELETE FROM ${schema}.schema_info`);
      await expect(repository.ping?.()).rejects.toMatchObject(refusal);
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
      await expect(repository.read("sessions", "s")).rejects.toMatchObject(refusal);
    });
  });
}

it("docs/postgres-schema.sql is the SQL of the tables", () => {
  const text = readFileSync(join(PROJECT_ROOT, "docs/postgres-schema.sql"), "utf8");
  expect(text).toBe(schemaSql());
});

describe("the options of migrate", () => {
  it.each([
    ["no pool", undefined, {}, "migrate.pool"],
    ["a reserved schema", undefined, { schema: "pg_x" }, "migrate.schema"],
    ["a misspelt option", undefined, { shema: "x" }, "migrate.shema"],
  ])("refuse %s", async (_what, pool, options, option) => {
    await expect(migrate(pool as never, options as never)).rejects.toMatchObject({
      code: "configuration_invalid",
      problems: expect.arrayContaining([expect.objectContaining({ option })]),
    });
  });
});

/** Rows enough that reading all of them is never the cheapest plan. */
const MANY = 20_000;

describeWith(POSTGRES, "orgate's statements in Postgres", () => {
  const schema = nameSchema();
  let pool: Pool;

  beforeAll(async () => {
    pool = openPool();
    await migrate(pool, { schema });
    await pool.query(
      `INSERT INTO ${schema}.documents (collection, id, value, indexes, expires_at)
      SELECT 'sessions', 'session_' || n, '{"version":1}',
        ARRAY['sessions user:user_' || n % 5000, 'sessions member:user_' || n % 5000 || ':org_' || n], 2000000000 + n
      FROM generate_series(1, ${MANY}) AS n`,
    );
    await pool.query(
      `INSERT INTO ${schema}.renewals (key, leased_until, sealed, sealed_until, sealed_fence, expires_at)
      SELECT 'key_' || n, 0, 'sealed', 2000000000, n, 2000000000 + n FROM generate_series(1, ${MANY}) AS n`,
    );
    await pool.query(`ANALYZE ${schema}.documents`);
    await pool.query(`ANALYZE ${schema}.renewals`);
  });

  afterAll(async () => {
    await pool.query(`DROP SCHEMA ${schema} CASCADE`);
    await pool.end();
  });

  it("each have an index", async () => {
    const explainer = explaining(pool);
    const clock = () => 1_900_000_000;
    const repository = postgresRepository(explainer.pool, { schema, clock, timeout: 10 });
    const write = { expiresAt: 2_000_000_000, indexes: ["user:user_1"] };
    await repository.read("sessions", "session_7");
    await repository.find("sessions", "user:user_1");
    await repository.insert("sessions", "new", 1, write);
    await repository.compareAndSet("sessions", "session_7", 7, 1, write);
    await repository.touchIfExists("sessions", "session_7", 2_000_000_000);
    await repository.consume("sessions", "session_7");
    const { postgresCoordinator } = await import("../../src/fleet/postgres/index.ts");
    const coordinator = postgresCoordinator(explainer.pool, { schema, clock, timeout: 10 });
    const lease = await coordinator.acquire("new", 5);
    await lease?.remember?.("sealed", 5);
    await lease?.release();
    await coordinator.remember("key_7", "sealed", 5);
    await coordinator.recall("key_7");
    await coordinator.settled?.("key_8", new AbortController().signal);
    await coordinator.close();
    const plans = explainer.plans.filter(({ text }) => /documents|renewals/.test(text));
    expect(plans.map(({ text }) => text.trim().split(" ")[0])).toHaveLength(11);
    expect(plans.filter(({ plan }) => plan.includes("Seq Scan"))).toEqual([]);
    expect(plans.find(({ text }) => text.includes("@>"))?.plan).toContain("documents_by_index");
    const purges = plans.filter(({ text }) => text.includes("SKIP LOCKED")).map(({ plan }) => plan);
    expect(purges).toHaveLength(2);
    expect(purges[0]).toContain("documents_by_expiry");
    expect(purges[1]).toContain("renewals_by_expiry");
  });
});

/** A pool that explains each statement before it runs it. */
function explaining(pool: Pool) {
  const plans: { readonly text: string; readonly plan: string }[] = [];
  const connect = async () => {
    const client = await pool.connect();
    return {
      async query(text: string, values: unknown[] = []) {
        if (/^\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)/.test(text)) {
          const explained = await client.query({
            text: `EXPLAIN ${text}`,
            values,
            rowMode: "array",
          });
          plans.push({ text, plan: explained.rows.flat().join("\n") });
        }
        return client.query(text, values);
      },
      on: client.on.bind(client),
      removeListener: client.removeListener.bind(client),
      release: (error?: Error | boolean) => client.release(error),
    };
  };
  return {
    plans,
    pool: {
      connect,
      query: () => undefined,
      totalCount: 0,
      on: pool.on.bind(pool),
      removeListener: pool.removeListener.bind(pool),
    },
  };
}
