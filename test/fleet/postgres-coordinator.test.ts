import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Pool } from "pg";
import type { Coordinator, InvalidationMessage } from "../../src/fleet/coordinator.ts";
import { migrate, postgresCoordinator } from "../../src/fleet/postgres/index.ts";
import { coordinatorContract } from "../../src/testing/index.ts";
import { type Engine, POSTGRES, nameSchema, openPGlite, openServer, rowsOf } from "../support/postgres.ts";
import { channelOf, endListeners, makeCoordinatorHarness } from "../support/postgres-coordinators.ts";
import { openPooled } from "../support/pooled-postgres.ts";
import { type Requirement, describeWith } from "../support/requirements.ts";
import { START } from "../support/world.ts";

const NOTHING: Requirement = { description: "nothing", isMet: true };
interface EngineCase {
  readonly name: string;
  readonly requirement: Requirement;
  readonly open: () => Promise<Engine>;
  /** Whether connections of it can be ended. */
  readonly canCut: boolean;
}

const ENGINES: readonly EngineCase[] = [
  { name: "a pool", requirement: POSTGRES, open: openServer, canCut: true },
  { name: "PGlite", requirement: NOTHING, open: openPGlite, canCut: false },
];
const ASK: InvalidationMessage = { target: { userId: "user_ada" }, at: START, effect: "ask" };

/** Two processes, and what each heard. */
interface Fleet {
  readonly a: Coordinator;
  readonly b: Coordinator;
  readonly clock: { now: number };
  readonly schema: string;
  readonly close: () => Promise<void>;
}

async function makeFleet(engine: Engine, options: { readonly timeout?: number } = {}): Promise<Fleet> {
  const schema = nameSchema();
  await migrate(engine.source, { schema });
  const clock = { now: START + 0.5 };
  const join = () =>
    postgresCoordinator(engine.source, { schema, clock: () => clock.now, timeout: 10, ...options });
  const [a, b] = [join(), join()];
  return {
    a,
    b,
    clock,
    schema,
    async close() {
      await a.close();
      await b.close();
      await engine.source.query(`DROP SCHEMA ${schema} CASCADE`);
    },
  };
}

/** A subscription, and promises of what it hears. */
class Ear {
  readonly heard: InvalidationMessage[] = [];
  readonly states: string[] = [];
  readonly stop: () => void;
  #isOpen = false;
  readonly #waiting: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];

  constructor(coordinator: Coordinator) {
    this.stop = coordinator.subscribe(
      (message) => {
        if ("sessionId" in message.target && message.target.sessionId === "knock") this.#isOpen = true;
        else this.heard.push(message);
        this.#tell();
      },
      {
        lost: (cause) => {
          this.states.push(`lost ${reasonOf(cause)}`);
          this.#tell();
        },
        restored: () => {
          this.states.push("restored");
          this.#tell();
        },
      },
    );
  }

  until(isMet: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ isMet, resolve });
      this.#tell();
    });
  }

  /** Sends messages until one arrives: the channel is open then. */
  async open(from: Coordinator): Promise<void> {
    const knock: InvalidationMessage = { target: { sessionId: "knock" }, at: START, effect: "ask" };
    while (!this.#isOpen) await from.publish(knock);
  }

  #tell(): void {
    for (const { isMet, resolve } of this.#waiting) if (isMet()) resolve();
  }
}

function reasonOf(error: unknown): string {
  const { reason, name } = error as { readonly reason?: string; readonly name: string };
  return reason ?? name;
}

const never = new AbortController().signal;

for (const { name, requirement, open, canCut } of ENGINES) {
  describeWith(requirement, `a coordinator in Postgres over ${name}`, () => {
    let engine: Engine;

    beforeAll(async () => {
      engine = await open();
    });

    afterAll(() => engine.close());

    const lacking: string[] = [];
    const contract = coordinatorContract(() => makeCoordinatorHarness(engine, { canCut }), {
      onSkipped: (_title, lacks) => lacking.push(lacks),
    });

    it.each(contract.map(({ name: title, run }) => [title, run] as const))("%s", async (_title, run) => {
      lacking.length = 0;
      // The embedded engine has no connection that could break.
      const expected =
        (await run()) === "passed" ? [] : canCut ? ["nothing"] : ["CoordinatorHarness.cutChannel"];
      expect(lacking).toEqual(expected);
    });

    it("ends the lease with its result, and no lease of another holder", async () => {
      const { a, b, clock, close } = await makeFleet(engine);
      const sleeper = await a.acquire("key", 5);
      clock.now += 6;
      const holder = await b.acquire("key", 5);
      expect(await sleeper?.remember?.("late", 30)).toBe(true);
      expect(await a.acquire("key", 5)).toBeUndefined();
      await holder?.remember?.("new", 30);
      expect(await a.acquire("key", 5)).toMatchObject({ kept: { sealed: "new" } });
      await close();
    });

    it("keeps nothing of a holder that slept while another kept its result", async () => {
      const { a, b, clock, close } = await makeFleet(engine);
      const sleeper = await a.acquire("key", 5);
      clock.now += 6;
      const holder = await b.acquire("key", 5);
      expect(await holder?.remember?.("new", 30)).toBe(true);
      expect(await sleeper?.remember?.("stale", 30)).toBe(false);
      expect(await a.recall("key")).toBe("new");
      // Not even after the newer result has expired.
      clock.now += 40;
      expect(await sleeper?.remember?.("stale", 30)).toBe(false);
      expect(await a.recall("key")).toBeUndefined();
      expect(await holder?.remember?.("newer", 30)).toBe(true);
      expect(await a.recall("key")).toBe("newer");
      await close();
    });

    it("keeps the result of a holder whose row is gone", async () => {
      const { a, b, schema, close } = await makeFleet(engine);
      const lease = await a.acquire("key", 5);
      await engine.source.query(`DELETE FROM ${schema}.renewals`);
      expect(await lease?.remember?.("sealed", 30)).toBe(true);
      expect(await b.recall("key")).toBe("sealed");
      await close();
    });

    it("wakes those who wait when a result is kept, and when a lease is released", async () => {
      const { a, b, close } = await makeFleet(engine);
      const ear = new Ear(b);
      await ear.open(a);
      const kept = await a.acquire("kept", 3_600);
      const freed = await a.acquire("freed", 3_600);
      const waits = [b.settled?.("kept", never), b.settled?.("kept", never), b.settled?.("freed", never)];
      const order: string[] = [];
      void waits[2]?.then(() => order.push("freed"));
      await kept?.remember?.("sealed", 30);
      await waits[0];
      await waits[1];
      expect(order).toEqual([]);
      expect(await b.recall("kept")).toBe("sealed");
      await freed?.release();
      await waits[2];
      expect(order).toEqual(["freed"]);
      await close();
    });

    it("does not wait for what has happened already", async () => {
      const { a, b, clock, close } = await makeFleet(engine);
      await b.settled?.("unknown", never);
      await a.remember("kept", "sealed", 30);
      await b.settled?.("kept", never);
      const lease = await a.acquire("freed", 3_600);
      await lease?.release();
      await b.settled?.("freed", never);
      await a.acquire("over", 5);
      clock.now += 5;
      await expect(b.settled?.("over", never)).resolves.toBeUndefined();
      await close();
    });

    it("stops waiting when the signal aborts, and when the lease ends by itself", async () => {
      const { a, b, close } = await makeFleet(engine);
      const ear = new Ear(b);
      await ear.open(a);
      await a.acquire("key", 3_600);
      const aborting = new AbortController();
      const waiting = b.settled?.("key", aborting.signal);
      aborting.abort();
      await waiting;
      await a.acquire("short", 0.05);
      await expect(b.settled?.("short", never)).resolves.toBeUndefined();
      await close();
    });

    it("tells every other process, and not the one that sends", async () => {
      const { a, b, close } = await makeFleet(engine);
      const [atA, atB] = [new Ear(a), new Ear(b)];
      await atA.open(b);
      await atB.open(a);
      const messages: InvalidationMessage[] = [
        ASK,
        { target: { sessionId: "s" }, at: START + 0.125, effect: "refuse", until: START + 300.5 },
        { target: { memberId: "o'brien:\u00e9 \ud83d\ude00 \\ \u0000" }, at: START, effect: "supersede" },
        { target: { organizationId: `org_${"\u20ac".repeat(20_000)}` }, at: START, effect: "ask" },
      ];
      for (const message of messages) await a.publish(message);
      await atB.until(() => atB.heard.length === messages.length);
      expect(atB.heard).toEqual(messages);
      await b.publish(ASK);
      await atA.until(() => atA.heard.length > 0);
      expect(atA.heard).toEqual([ASK]);
      expect([atA.states, atB.states]).toEqual([[], []]);
      atB.stop();
      await a.publish(ASK);
      await new Ear(b).open(a);
      expect(atB.heard).toHaveLength(messages.length);
      await close();
    });

    it("reports a message that it cannot read as a gap", async () => {
      const { a, b, schema, close } = await makeFleet(engine);
      const ear = new Ear(b);
      await ear.open(a);
      const spoilt = [
        "unknown",
        "invalidated x",
        'invalidated a.1.0.1:{"target":{}}',
        "invalidated a.2.1.2:rest",
      ];
      const channel = channelOf(schema);
      for (const payload of spoilt) await engine.source.query("SELECT pg_notify($1, $2)", [channel, payload]);
      await ear.until(() => ear.states.length >= 2 * spoilt.length);
      expect(ear.states).toEqual(spoilt.flatMap(() => ["lost TypeError", "restored"]));
      expect(ear.heard).toEqual([]);
      await close();
    });

    it("deletes rows that nobody has used for an hour, some with each lease", async () => {
      const { a, clock, schema, close } = await makeFleet(engine);
      for (let index = 0; index < 10; index += 1) await a.acquire(`old ${index}`, 5);
      clock.now += 3_604;
      await a.acquire("early", 5);
      const count = async (): Promise<unknown> =>
        (await rowsOf(engine.source, `SELECT count(*)::int AS n FROM ${schema}.renewals`))[0]?.["n"];
      expect(await count()).toBe(11);
      clock.now += 1;
      await a.acquire("late", 5);
      expect(await count()).toBe(4);
      await close();
    });

    it("uses the clock of the database where it is given none", async () => {
      const { schema, close } = await makeFleet(engine);
      const own = postgresCoordinator(engine.source, { schema, timeout: 10 });
      expect(await own.acquire("key", 60)).toBeDefined();
      expect(await own.acquire("key", 60)).toBeUndefined();
      await own.remember("key", "sealed", 60);
      expect(await own.recall("key")).toBe("sealed");
      await own.remember("past", "sealed", -1);
      expect(await own.recall("past")).toBeUndefined();
      await own.close();
      await close();
    });
  });
}

describeWith(POSTGRES, "the channel of a coordinator in Postgres", () => {
  it("connects again when its connection is ended, and reports the gap once", async () => {
    const engine = await openServer();
    const { a, b, schema, close } = await makeFleet(engine);
    const ear = new Ear(b);
    await ear.open(a);
    expect(await endListeners(engine, schema)).toBe(1);
    await ear.until(() => ear.states.includes("restored"));
    expect(ear.states).toEqual(["lost postgres_unreachable", "restored"]);
    await a.publish(ASK);
    await ear.until(() => ear.heard.length > 0);
    expect(ear.heard).toEqual([ASK]);
    await close();
    await engine.close();
  });

  it("wakes those who wait when the channel is lost", async () => {
    const engine = await openServer();
    const { a, b, schema, close } = await makeFleet(engine);
    const ear = new Ear(b);
    await ear.open(a);
    await a.acquire("key", 3_600);
    const waiting = b.settled?.("key", never);
    expect(await endListeners(engine, schema)).toBe(1);
    await expect(waiting).resolves.toBeUndefined();
    await close();
    await engine.close();
  });

  it("opens no connection once it was closed, and looks again after a short wait", async () => {
    const engine = await openServer();
    const { a, b, schema, close } = await makeFleet(engine);
    await a.acquire("key", 3_600);
    await b.close();
    b.subscribe(() => undefined);
    await b.settled?.("key", never);
    expect(await endListeners(engine, schema)).toBe(0);
    await close();
    await engine.close();
  });

  it("takes no connection of the application's pool", async () => {
    const engine = await openServer({ max: 1 });
    const { a, b, close } = await makeFleet(engine);
    const ear = new Ear(b);
    await ear.open(a);
    expect((engine.source as Pool).totalCount).toBe(1);
    expect(await a.acquire("key", 5)).toBeDefined();
    await close();
    await engine.close();
  });

  it("is reported as lost behind a pooler in transaction mode, and works with a pool that reaches Postgres directly", async () => {
    const direct = await openServer();
    const pooled = await openPooled();
    const schema = nameSchema();
    await migrate(pooled.source, { schema });
    const deaf = postgresCoordinator(pooled.source, { schema, timeout: 5 });
    const ear = new Ear(deaf);
    await ear.until(() => ear.states.length > 0);
    expect(ear.states).toEqual(["lost postgres_listen_unsupported"]);
    await deaf.close();

    const hearing = postgresCoordinator(pooled.source, { schema, timeout: 5, listenPool: direct.source });
    const sender = postgresCoordinator(pooled.source, { schema, timeout: 5, listenPool: direct.source });
    const second = new Ear(hearing);
    await second.open(sender);
    await sender.publish(ASK);
    await second.until(() => second.heard.length > 0);
    expect(second.heard.at(-1)).toEqual(ASK);
    await hearing.close();
    await sender.close();
    await direct.source.query(`DROP SCHEMA ${schema} CASCADE`);
    await pooled.close();
    await direct.close();
  });

  it("costs one round trip for each operation", async () => {
    const pooled = await openPooled();
    const schema = nameSchema();
    await migrate(pooled.source, { schema });
    const a = postgresCoordinator(pooled.source, { schema, timeout: 5 });
    await a.recall("warm");
    const { roundTrips } = pooled.pooler;
    const costOf = async (operation: () => Promise<unknown>): Promise<number> => {
      const before = roundTrips.count;
      await operation();
      return roundTrips.count - before;
    };
    const lease = await a.acquire("another", 5);
    const costs = [
      await costOf(() => a.acquire("key", 5)),
      await costOf(() => a.remember("key", "sealed", 5)),
      await costOf(() => a.recall("key")),
      await costOf(async () => lease?.release()),
      await costOf(async () => lease?.remember?.("sealed", 5)),
      // The result has ended the lease already.
      await costOf(async () => lease?.release()),
      await costOf(() => a.publish(ASK)),
      await costOf(() => a.publish({ ...ASK, target: { userId: "x".repeat(20_000) } })),
    ];
    expect(costs).toEqual([1, 1, 1, 1, 1, 0, 1, 1]);
    await a.close();
    await pooled.source.query(`DROP SCHEMA ${schema} CASCADE`);
    await pooled.close();
  });
});

describe("a coordinator whose database is gone", () => {
  it("throws, and stops waiting", async () => {
    const engine = await openPGlite();
    const { a } = await makeFleet(engine, { timeout: 1 });
    await engine.close();
    const reasons = await Promise.all(
      [a.acquire("key", 5), a.recall("key"), a.remember("key", "sealed", 5), a.publish(ASK)].map((promise) =>
        promise.then(() => "fine", reasonOf),
      ),
    );
    expect(reasons).toEqual(Array(4).fill("postgres_unreachable"));
    await a.close();
  });
});
