import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { migrate, postgresCoordinator, postgresRepository } from "../../src/fleet/postgres/index.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import { type Engine, POSTGRES, nameSchema, openPGlite, openServer } from "../support/postgres.ts";
import { type Requirement, describeWith } from "../support/requirements.ts";
import { clears } from "../support/servers.ts";
import { makeWorld, type World } from "../support/world.ts";

closeAfterEach();

const NOTHING: Requirement = { description: "nothing", isMet: true };
const ENGINES: readonly (readonly [name: string, requirement: Requirement, open: () => Promise<Engine>])[] = [
  ["a pool", POSTGRES, openServer],
  ["PGlite", NOTHING, openPGlite],
];

/** One process of an application: its own authority and middleware over the common tables. */
async function startProcess(
  source: Engine["source"],
  schema: string,
  clock = { now: 1_800_000_000.25 },
): Promise<Harness & { readonly world: World; close(): Promise<void> }> {
  const repository = postgresRepository(source, { schema, clock: () => clock.now, timeout: 10 });
  const coordinator = postgresCoordinator(source, { schema, timeout: 10 });
  const made = makeWorld({ repository, clock: () => clock.now });
  // The world's own clock is that of the process.
  Object.defineProperty(made.clock, "now", { get: () => clock.now });
  const harness = await start({ world: made, options: { coordinator } });
  return {
    ...harness,
    async close() {
      await coordinator.close();
      await repository.close();
    },
  };
}

for (const [name, requirement, open] of ENGINES) {
  describeWith(requirement, `an application of several processes on ${name}`, () => {
    let engine: Engine;
    let schema: string;

    beforeAll(async () => {
      engine = await open();
      schema = nameSchema();
      await migrate(engine.source, { schema });
    });

    afterAll(async () => {
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
      await engine.close();
    });

    it("serves a session on every process, also when its token has expired and after a restart", async () => {
      const clock = { now: 1_800_000_000.25 };
      const [a, b] = [
        await startProcess(engine.source, schema, clock),
        await startProcess(engine.source, schema, clock),
      ];
      const { seal } = await a.world.signIn();
      expect((await b.send({ headers: withCookie(seal) })).status).toBe(200);
      clock.now += 400.5;
      const renewed = await b.send({ headers: withCookie(seal) });
      expect(renewed.status).toBe(200);
      expect(renewed.setCookies.map(clears)).toEqual([false]);
      const restarted = await startProcess(engine.source, schema, clock);
      const late = await restarted.send({ headers: withCookie(seal) });
      expect([late.status, JSON.parse(late.body)["session"]]).toEqual([
        200,
        JSON.parse(renewed.body)["session"],
      ]);
      for (const each of [a, b, restarted]) await each.close();
    });

    it("ends a session on every process", async () => {
      const clock = { now: 1_800_000_000.25 };
      const [a, b] = [
        await startProcess(engine.source, schema, clock),
        await startProcess(engine.source, schema, clock),
      ];
      const { seal, accessToken, memberSession } = await a.world.signIn();
      const credentials = [withCookie(seal), withBearer(accessToken)];
      for (const headers of credentials) expect((await b.send({ headers })).status).toBe(200);
      // A process listens a moment after it was started.
      const heard: unknown[] = [];
      b.auth.onInvalidated((target) => void heard.push(target));
      while (heard.length === 0) await a.auth.invalidate({ sessionId: "session_of_nobody" });
      await a.auth.invalidate({ sessionId: memberSession.id });
      await a.world.authority.revoke({ sessionId: memberSession.id });
      // The message travels by itself: ask until it has arrived.
      for (const headers of credentials) {
        let status = 200;
        while (status === 200) ({ status } = await b.send({ headers }));
        expect(status).toBe(401);
      }
      for (const each of [a, b]) await each.close();
    });
  });
}

describe("an application whose tables are missing", () => {
  it("answers 503 with the reason in an event, and keeps the cookie", async () => {
    const engine = await openPGlite();
    const schema = nameSchema();
    await migrate(engine.source, { schema });
    const clock = { now: 1_800_000_000.25 };
    const app = await startProcess(engine.source, schema, clock);
    const { seal } = await app.world.signIn();
    await engine.source.query(`DROP TABLE ${schema}.documents`);
    clock.now += 400;
    const answer = await app.send({ headers: withCookie(seal) });
    expect(answer.status).toBe(503);
    expect(answer.setCookies).toEqual([]);
    expect(app.reached).toEqual([]);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "postgres_schema_missing" }),
    );
    await app.close();
    await engine.close();
  });

  it("answers 503 for a session that something has spoilt, and keeps the cookie", async () => {
    const engine = await openPGlite();
    const schema = nameSchema();
    await migrate(engine.source, { schema });
    const clock = { now: 1_800_000_000.25 };
    const app = await startProcess(engine.source, schema, clock);
    const [spoilt, good] = [await app.world.signIn(), await app.world.signIn({ userId: "user_bob" })];
    await engine.source.query(
      `UPDATE ${schema}.documents SET value = left(value, 100) WHERE collection = 'sessions' AND id = $1`,
      [spoilt.memberSession.id],
    );
    clock.now += 400;
    const answer = await app.send({ headers: withCookie(spoilt.seal) });
    expect([answer.status, answer.headers["retry-after"] !== undefined]).toEqual([503, true]);
    expect(answer.setCookies).toEqual([]);
    expect((await app.send({ headers: withCookie(good.seal) })).status).toBe(200);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", reason: "postgres_value_unreadable" }),
    );
    // Its owner can still be signed out everywhere.
    await app.world.authority.revoke({ userId: "user_ada" });
    expect((await app.send({ headers: withCookie(spoilt.seal) })).status).toBe(401);
    await app.close();
    await engine.close();
  });
});
