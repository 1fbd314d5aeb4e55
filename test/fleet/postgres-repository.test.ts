import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Pool } from "pg";
import { migrate, postgresRepository } from "../../src/fleet/postgres/index.ts";
import { type Engine, POSTGRES, nameSchema, openPGlite, openServer, rowsOf } from "../support/postgres.ts";
import { openPooled } from "../support/pooled-postgres.ts";
import { type Requirement, describeWith } from "../support/requirements.ts";
import { START } from "../support/world.ts";
import { REPOSITORY_CASES, type RepositorySubject } from "./repository-cases.ts";

const NOTHING: Requirement = { description: "nothing", isMet: true };

const ENGINES: readonly (readonly [name: string, requirement: Requirement, open: () => Promise<Engine>])[] = [
  ["a pool", POSTGRES, openServer],
  ["a pool behind a pooler in transaction mode", POSTGRES, openPooled],
  ["PGlite", NOTHING, openPGlite],
];

async function makeSubject(engine: Engine): Promise<RepositorySubject & { readonly schema: string }> {
  const schema = nameSchema();
  await migrate(engine.source, { schema });
  const clock = { now: START + 0.125 };
  const make = () => postgresRepository(engine.source, { schema, clock: () => clock.now, timeout: 10 });
  return { repository: make(), other: make(), clock, schema };
}

for (const [name, requirement, open] of ENGINES) {
  describeWith(requirement, `a repository in Postgres over ${name}`, () => {
    let engine: Engine;

    beforeAll(async () => {
      engine = await open();
    });

    afterAll(() => engine.close());

    it.each(Object.entries(REPOSITORY_CASES))("%s", async (_title, check) => {
      const subject = await makeSubject(engine);
      try {
        await check(subject);
      } finally {
        await subject.repository.close();
        await subject.other.close();
        await engine.source.query(`DROP SCHEMA ${subject.schema} CASCADE`);
      }
    });

    it("returns a row that something else has spoilt as what no record can be, beside the others", async () => {
      const { repository, clock, schema } = await makeSubject(engine);
      const write = { expiresAt: clock.now + 60, indexes: ["user:u"] };
      await repository.insert("sessions", "good", { version: 1 }, write);
      await repository.insert("sessions", "spoilt", { version: 1 }, write);
      await engine.source.query(`UPDATE ${schema}.documents SET value = '{"version":1,' WHERE id = 'spoilt'`);
      await engine.source.query(
        `INSERT INTO ${schema}.documents (collection, id, value, indexes, expires_at)
        VALUES ('sessions', 'a "foreign\\ id', 'foreign', ARRAY['sessions user:u'], 2000000000)`,
      );
      expect((await repository.read("sessions", "spoilt"))?.value).toBe('{"version":1,');
      expect(await repository.find("sessions", "user:u")).toEqual([
        { id: "good", value: { version: 1 } },
        { id: "spoilt", value: '{"version":1,' },
        { id: 'a "foreign\\ id', value: "foreign" },
      ]);
      expect(await repository.consume("sessions", "spoilt")).toBe('{"version":1,');
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    });

    it("deletes some expired documents with each insert, and only those that have been over for a minute", async () => {
      const { repository, clock, schema } = await makeSubject(engine);
      for (let index = 0; index < 20; index += 1) {
        await repository.insert("pending", `old ${index}`, 1, { expiresAt: clock.now + 1 });
      }
      const count = async (): Promise<unknown> => {
        const [row] = await rowsOf(engine.source, `SELECT count(*)::int AS n FROM ${schema}.documents`);
        return row?.["n"];
      };
      clock.now += 60.5;
      await repository.insert("pending", "early", 1, { expiresAt: clock.now + 1_000 });
      expect(await count()).toBe(21);
      clock.now += 0.5;
      await repository.insert("pending", "first", 1, { expiresAt: clock.now + 1_000 });
      expect(await count()).toBe(14);
      await repository.insert("pending", "second", 1, { expiresAt: clock.now + 1_000 });
      expect(await count()).toBe(7);
      await repository.insert("pending", "old 19", 2, { expiresAt: clock.now + 1_000 });
      expect(await count()).toBe(4);
      expect((await repository.read("pending", "old 19"))?.value).toBe(2);
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    });
  });
}

describeWith(POSTGRES, "the cost of a repository in Postgres", () => {
  it("is one round trip for each operation, after the first", async () => {
    const engine = await openPooled();
    const { repository, clock, schema } = await makeSubject(engine);
    const write = { expiresAt: clock.now + 60, indexes: ["user:u", "member:m"] };
    await repository.read("sessions", "warm");
    const { roundTrips } = engine.pooler;
    const costOf = async (operation: () => Promise<unknown>): Promise<number> => {
      const before = roundTrips.count;
      await operation();
      return roundTrips.count - before;
    };
    const costs = [
      await costOf(() => repository.insert("sessions", "s", { a: 1 }, write)),
      await costOf(() => repository.read("sessions", "s")),
      await costOf(() => repository.find("sessions", "user:u")),
      await costOf(() => repository.compareAndSet("sessions", "s", 1, { a: 2 }, write)),
      await costOf(() => repository.touchIfExists("sessions", "s", clock.now + 90)),
      await costOf(() => repository.consume("sessions", "s")),
      await costOf(async () => repository.ping?.()),
    ];
    expect(costs).toEqual([1, 1, 1, 1, 1, 1, 1]);
    await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    await engine.close();
  });

  it("never waits for a row that another transaction has locked for purging", async () => {
    const engine = await openServer();
    const { repository, clock, schema } = await makeSubject(engine);
    await repository.insert("pending", "old", 1, { expiresAt: clock.now + 1 });
    clock.now += 100;
    const pool = engine.source as Pool;
    const locker = await pool.connect();
    await locker.query("BEGIN");
    await locker.query(`SELECT 1 FROM ${schema}.documents WHERE id = 'old' FOR UPDATE`);
    expect(await repository.insert("pending", "new", 1, { expiresAt: clock.now + 60 })).toBe(true);
    await locker.query("ROLLBACK");
    locker.release();
    await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    await engine.close();
  });
});

describe("the options of postgresRepository", () => {
  it.each([
    ["no pool", undefined, {}, "postgresRepository.pool"],
    [
      "a single client",
      { connect: () => undefined, query: () => undefined, on: () => undefined },
      {},
      "postgresRepository.pool",
    ],
    ["a connection string", "postgres://127.0.0.1/test", {}, "postgresRepository.pool"],
    ["a reserved schema", undefined, { schema: "pg_orgate" }, "postgresRepository.schema"],
    ["a schema that Postgres would cut", undefined, { schema: "x".repeat(64) }, "postgresRepository.schema"],
    ["an empty schema", undefined, { schema: "" }, "postgresRepository.schema"],
    ["no time", undefined, { timeout: 0 }, "postgresRepository.timeout"],
    ["a misspelt option", undefined, { scheme: "orgate" }, "postgresRepository.scheme"],
  ])("refuse %s", (_what, pool, options, option) => {
    expect(() => postgresRepository(pool as never, options as never)).toThrow(
      expect.objectContaining({
        code: "configuration_invalid",
        problems: expect.arrayContaining([expect.objectContaining({ option })]),
      }),
    );
  });
});
