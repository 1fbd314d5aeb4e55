import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Pool } from "pg";
import type { Repository } from "../../src/authority/repository.ts";
import { migrate, postgresRepository } from "../../src/fleet/postgres/index.ts";
import { type Engine, POSTGRES, nameSchema, openPGlite, openServer, rowsOf } from "../support/postgres.ts";
import { openPooled } from "../support/pooled-postgres.ts";
import { type Requirement, describeWith } from "../support/requirements.ts";
import { START, makeWorld } from "../support/world.ts";
import { repositoryContract } from "../../src/testing/index.ts";
import type { RepositoryHarness } from "../../src/testing/index.ts";

const NOTHING: Requirement = { description: "nothing", isMet: true };

const ENGINES: readonly (readonly [name: string, requirement: Requirement, open: () => Promise<Engine>])[] = [
  ["a pool", POSTGRES, openServer],
  ["a pool behind a pooler in transaction mode", POSTGRES, openPooled],
  ["PGlite", NOTHING, openPGlite],
];

/** A repository in a schema of its own, and what the contract needs to control it. */
interface Subject extends RepositoryHarness {
  readonly schema: string;
  readonly time: { now: number };
}

async function makeSubject({ source }: Engine): Promise<Subject> {
  const schema = nameSchema();
  await migrate(source, { schema });
  const time = { now: START + 0.125 };
  const clock = () => time.now;
  const opened: Repository[] = [];
  const join = (): Repository => {
    const repository = postgresRepository(source, { schema, clock, timeout: 10 });
    opened.push(repository);
    return repository;
  };
  return {
    repository: join(),
    clock,
    schema,
    time,
    join,
    advance(seconds) {
      time.now += seconds;
    },
    async corrupt(collection, id) {
      const foreign = [collection, id];
      await source.query(`DELETE FROM ${schema}.documents WHERE collection = $1 AND id = $2`, foreign);
      await source.query(
        `INSERT INTO ${schema}.documents (collection, id, value, indexes, expires_at)
        VALUES ($1, $2, '{"version":1,', ARRAY['sessions user:1'], 4000000000)`,
        foreign,
      );
    },
    async close() {
      for (const repository of opened) await repository.close();
      await source.query(`DROP SCHEMA ${schema} CASCADE`);
    },
  };
}

for (const [engineName, requirement, open] of ENGINES) {
  describeWith(requirement, `a repository in Postgres over ${engineName}`, () => {
    let engine: Engine;

    beforeAll(async () => {
      engine = await open();
    });

    afterAll(() => engine.close());

    const contract = repositoryContract(() => makeSubject(engine));

    it.each(contract.map(({ name: title, run }) => [title, run] as const))("%s", async (_title, run) => {
      expect(await run()).toBe("passed");
    });

    it("keeps ids that are longer than an index entry, and tells them apart", async () => {
      const subject = await makeSubject(engine);
      const { repository, clock } = subject;
      const names = ["", "y", "z"].map((end) => `user:${"\u20ac".repeat(4_000)}${end}`);
      for (const name of names) {
        const write = { expiresAt: clock() + 60, indexes: [name] };
        expect(await repository.insert("sessions", name, { name }, write)).toBe(true);
      }
      for (const name of names) {
        expect(await repository.find("sessions", name)).toEqual([{ id: name, value: { name } }]);
        expect(await repository.consume("sessions", name)).toEqual({ name });
      }
      await subject.close();
    });

    it("keeps a document of a megabyte", async () => {
      const subject = await makeSubject(engine);
      const value = { text: "0123456789".repeat(100_000) };
      await subject.repository.insert("sessions", "large", value, { expiresAt: subject.clock() + 60 });
      expect((await subject.repository.read("sessions", "large"))?.value).toEqual(value);
      await subject.close();
    });

    it("says that other processes see the documents", async () => {
      const subject = await makeSubject(engine);
      expect(subject.repository.durability).toBe("shared");
      await subject.close();
    });

    it("refuses to read a document that something else has spoilt, and finds and deletes it like others", async () => {
      const subject = await makeSubject(engine);
      const { repository, clock, schema } = subject;
      const write = { expiresAt: clock() + 60, indexes: ["user:u"] };
      await repository.insert("sessions", "good", { version: 1 }, write);
      await repository.insert("sessions", "spoilt", { version: 1 }, write);
      await engine.source.query(`UPDATE ${schema}.documents SET value = '{"version":1,' WHERE id = 'spoilt'`);
      await engine.source.query(
        `INSERT INTO ${schema}.documents (collection, id, value, indexes, expires_at)
        VALUES ('sessions', 'a "foreign\\ id', 'foreign', ARRAY['sessions user:u'], 4000000000)`,
      );
      await expect(repository.read("sessions", "spoilt")).rejects.toMatchObject({
        code: "store_unavailable",
        reason: "postgres_value_unreadable",
        retryAfter: 5,
        contended: true,
      });
      expect(await repository.find("sessions", "user:u")).toEqual([
        { id: "good", value: { version: 1 } },
        { id: "spoilt", value: '{"version":1,' },
        { id: 'a "foreign\\ id', value: "foreign" },
      ]);
      expect(await repository.consume("sessions", "spoilt")).toBe('{"version":1,');
      await subject.close();
    });

    it("deletes some expired documents with each insert, and only those that have been over for a minute", async () => {
      const subject = await makeSubject(engine);
      const { repository, schema, time: clock } = subject;
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
      await subject.close();
    });
  });
}

describeWith(POSTGRES, "the cost of a repository in Postgres", () => {
  it("is one round trip for each operation, after the first", async () => {
    const engine = await openPooled();
    const subject = await makeSubject(engine);
    const { repository, time: clock } = subject;
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
    await subject.close();
    await engine.close();
  });

  it("is two round trips for a renewal of the authority", async () => {
    const engine = await openPooled();
    const subject = await makeSubject(engine);
    const world = makeWorld({ repository: subject.repository, clock: subject.clock });
    const { refreshToken } = await world.signIn();
    const before = engine.pooler.roundTrips.count;
    await world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(engine.pooler.roundTrips.count - before).toBe(2);
    await world.authority.close();
    await subject.close();
    await engine.close();
  });

  it("never waits for a row that another transaction has locked for purging", async () => {
    const engine = await openServer();
    const subject = await makeSubject(engine);
    const { repository, schema, time: clock } = subject;
    await repository.insert("pending", "old", 1, { expiresAt: clock.now + 1 });
    clock.now += 100;
    const pool = engine.source as Pool;
    const locker = await pool.connect();
    await locker.query("BEGIN");
    await locker.query(`SELECT 1 FROM ${schema}.documents WHERE id = 'old' FOR UPDATE`);
    expect(await repository.insert("pending", "new", 1, { expiresAt: clock.now + 60 })).toBe(true);
    await locker.query("ROLLBACK");
    locker.release();
    await subject.close();
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
