import { Redis } from "ioredis";
import { afterEach, expect, it } from "@jest/globals";
import type { Coordinator, Lease } from "../../src/fleet/coordinator.ts";
import { migrate, postgresCoordinator } from "../../src/fleet/postgres/index.ts";
import { redisCoordinator } from "../../src/fleet/redis/index.ts";
import { type Fleet, type FleetProcess, PAST_EXPIRY, startFleet, withSession } from "../support/fleet.ts";
import { openPooled } from "../support/pooled-postgres.ts";
import { POSTGRES, nameSchema } from "../support/postgres.ts";
import { CommandCounter } from "../support/redis-commands.ts";
import { REDIS_SERVER, startRedis } from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";
import type { Received } from "../support/servers.ts";

/** Seconds for a call: a machine that is busy is not a failure. */
const PATIENCE = 5;

/** Calls to coordinators that are under way. Nobody waits for some of them. */
class Calls {
  readonly #pending = new Set<Promise<unknown>>();

  async over(): Promise<void> {
    while (this.#pending.size > 0) await Promise.all(this.#pending);
  }

  /** Has the calls of a coordinator waited for. */
  follow(coordinator: Coordinator): Coordinator {
    const lend = (lease: Lease): Lease => ({
      kept: lease.kept,
      remember: (...kept) => this.#note(lease.remember?.(...kept) ?? Promise.resolve(false)),
      release: () => this.#note(lease.release()),
    });
    return {
      acquire: async (key, seconds) => {
        const lease = await this.#note(coordinator.acquire(key, seconds));
        return lease && lend(lease);
      },
      remember: (...kept) => this.#note(coordinator.remember(...kept)),
      recall: (key) => this.#note(coordinator.recall(key)),
      publish: (message) => this.#note(coordinator.publish(message)),
      subscribe: (...listeners) => coordinator.subscribe(...listeners),
      close: () => coordinator.close(),
    };
  }

  #note<Value>(call: Promise<Value>): Promise<Value> {
    this.#pending.add(call);
    return call.finally(() => this.#pending.delete(call));
  }
}

/** An engine, and how many round trips calls make to it. */
interface CountedEngine {
  readonly join: () => Coordinator;
  readonly during: (call: () => Promise<unknown>) => Promise<number>;
  readonly close: () => Promise<void>;
}

async function openRedis(): Promise<CountedEngine> {
  const server = await startRedis();
  const counter = await CommandCounter.watch([server.port], "hosted:");
  const clients: Redis[] = [];
  return {
    join() {
      const client = new Redis(server.port);
      clients.push(client);
      return redisCoordinator(client, { prefix: "hosted", timeout: PATIENCE });
    },
    during: async (call) => {
      const commands = await counter.during(call);
      // A process sends a message to itself from time to time, to learn that it still hears.
      return commands.filter((name) => name !== "PUBLISH").length;
    },
    async close() {
      counter.close();
      for (const client of clients) client.disconnect();
      await server.close();
    },
  };
}

async function openPostgres(): Promise<CountedEngine> {
  const pooled = await openPooled();
  const schema = nameSchema();
  await migrate(pooled.source, { schema });
  const { roundTrips } = pooled.pooler;
  return {
    join: () => postgresCoordinator(pooled.source, { schema, timeout: PATIENCE }),
    async during(call) {
      const before = roundTrips.count;
      await call();
      return roundTrips.count - before;
    },
    async close() {
      await pooled.source.query(`DROP SCHEMA ${schema} CASCADE`);
      await pooled.close();
    },
  };
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

interface CountedFleet extends Fleet {
  readonly during: CountedEngine["during"];
  readonly a: FleetProcess;
  readonly b: FleetProcess;
  readonly get: (process: FleetProcess, cookie: string) => Promise<Received>;
}

/** Starts two processes that have coordinated a renewal before: the first one carries scripts and versions. */
async function startWarm(open: () => Promise<CountedEngine>): Promise<CountedFleet> {
  const engine = await open();
  closing.push(engine.close);
  const calls = new Calls();
  const during: CountedEngine["during"] = async (call) =>
    engine.during(async () => {
      await call();
      await calls.over();
    });
  const fleet = await startFleet({ join: () => calls.follow(engine.join()) });
  closing.push(fleet.close);
  const [a, b] = fleet.processes as [FleetProcess, FleetProcess];
  const get = async (process: FleetProcess, cookie: string): Promise<Received> => {
    const answer = await process.send(withSession(cookie));
    expect(answer.status).toBe(200);
    return answer;
  };
  const warm = await fleet.signIn();
  fleet.workos.advance(PAST_EXPIRY);
  const renewed = await get(a, warm);
  await get(b, warm);
  await get(a, fleet.cookieIn(renewed));
  await calls.over();
  return { ...fleet, during, a, b, get };
}

for (const [name, requirement, open] of [
  ["Redis", REDIS_SERVER, openRedis],
  ["Postgres", POSTGRES, openPostgres],
] as const) {
  describeWith(requirement, `the cost of a hosted store whose renewals ${name} coordinates`, () => {
    it("is three round trips for a renewal, and none for a fresh request", async () => {
      const { during, a, get, signIn, cookieIn, refreshes, workos } = await startWarm(open);
      const cookie = await signIn();
      expect(await during(() => get(a, cookie))).toBe(0);
      workos.advance(PAST_EXPIRY);
      const before = refreshes();
      const answers: Received[] = [];
      // The lease, which tells that nothing is kept; and the result, which ends the lease.
      expect(await during(async () => answers.push(await get(a, cookie)))).toBe(2);
      expect(refreshes()).toBe(before + 1);
      const [renewed] = answers;
      if (renewed === undefined) throw new Error("There is no answer.");
      // The client has the successor: its predecessor's result need not be kept for a lost reply.
      expect(await during(() => get(a, cookieIn(renewed)))).toBe(1);
      expect(await during(() => get(a, cookieIn(renewed)))).toBe(0);
    });

    it("is two round trips for a process that finds the result of another", async () => {
      const { during, a, b, get, signIn, refreshes, workos } = await startWarm(open);
      const cookie = await signIn();
      workos.advance(PAST_EXPIRY);
      await get(a, cookie);
      const before = refreshes();
      expect(await during(() => get(b, cookie))).toBe(2);
      expect(refreshes()).toBe(before);
    });
  });
}
