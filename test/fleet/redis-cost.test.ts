import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import type { Repository } from "../../src/authority/index.ts";
import { redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import {
  CLUSTER_CLIENTS,
  type ClientMaker,
  type OpenClient,
  STANDALONE_CLIENTS,
} from "../support/redis-clients.ts";
import { CommandCounter } from "../support/redis-commands.ts";
import {
  REDIS_SERVER,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";

/** Seconds for a call: a machine that is busy is not a failure. */
const PATIENCE = 5;

const INDEXES = ["user:u", "member:m"];
const SESSION = { expiresAt: 2000, indexes: INDEXES };

function countRoundTrips({ open }: ClientMaker, portsOf: () => readonly number[], isCluster: boolean): void {
  let opened: OpenClient;
  let counter: CommandCounter;
  let repository: Repository;
  const sent = (call: () => Promise<unknown>): Promise<readonly string[]> => counter.during(call);

  beforeEach(async () => {
    opened = await open(portsOf());
    repository = redisRepository(opened.client, {
      prefix: "cost:a",
      timeout: PATIENCE,
      clock: () => 1000,
      warnings: false,
    });
    // The first use of each script on each node carries its text.
    for (let round = 0; round < 30; round += 1) {
      const id = `warm ${round}`;
      await repository.insert("sessions", id, 1, { expiresAt: 2000, indexes: [`member:${id}`] });
      const { version = 0 } = (await repository.read("sessions", id)) ?? {};
      const change = { expiresAt: 2001, indexes: [`user:${id}`] };
      await repository.compareAndSet("sessions", id, version, 1, change);
      await repository.find("sessions", `user:${id}`);
      await repository.touchIfExists("sessions", id, 2002);
      await repository.ping?.();
      await repository.consume("sessions", id);
    }
    counter = await CommandCounter.watch(portsOf(), "cost:");
  });
  afterEach(async () => {
    counter.close();
    await repository.consume("sessions", "a");
    await opened.close();
  });

  it("renews a session in two round trips: a read and a write", async () => {
    await repository.insert("sessions", "a", { n: 1 }, SESSION);
    const commands = await sent(async () => {
      const { version = 0 } = (await repository.read("sessions", "a")) ?? {};
      await repository.compareAndSet("sessions", "a", version, { n: 2 }, SESSION);
    });
    expect(commands).toEqual(["EVALSHA", "EVALSHA"]);
  });

  it(`makes every other operation one round trip${isCluster ? ", and one more where an index lies elsewhere" : ""}`, async () => {
    // In a cluster an index is written before its document: two hints at once, then the document.
    const insert = await sent(() => repository.insert("sessions", "a", 1, SESSION));
    expect(insert).toHaveLength(isCluster ? 3 : 1);
    expect(await sent(() => repository.find("sessions", "user:u"))).toHaveLength(isCluster ? 2 : 1);
    expect(await sent(() => repository.touchIfExists("sessions", "a", 1999))).toHaveLength(1);
    expect(await sent(() => repository.consume("sessions", "a"))).toHaveLength(isCluster ? 3 : 1);
    expect(await sent(() => repository.insert("pending", "p", 1, { expiresAt: 2000 }))).toHaveLength(1);
    expect(await sent(() => repository.consume("pending", "p"))).toHaveLength(1);
    expect(await sent(() => repository.ping?.() ?? Promise.resolve())).toHaveLength(1);
  });

  it("coordinates a renewal in two round trips", async () => {
    const coordinator = redisCoordinator(opened.client, { prefix: "cost:b", timeout: PATIENCE });
    const renew = async (key: string): Promise<void> => {
      const lease = await coordinator.acquire(key, 30);
      await lease?.remember?.("sealed", 30);
      await lease?.release();
    };
    for (let round = 0; round < 30; round += 1) await renew(`warm ${round}`);
    expect(await sent(() => renew("a"))).toEqual(["EVALSHA", "EVALSHA"]);
    await coordinator.close();
  });
}

describeWith(REDIS_SERVER, "the cost of Redis", () => {
  describe("one server", () => {
    let server: RedisServer;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(async () => {
      await server.close();
    });

    describe.each([...STANDALONE_CLIENTS])("over $name", (maker) => {
      countRoundTrips(maker, () => [server.port], false);
    });

    it("gives every key an expiry, and leaves none behind but for the fences of leases", async () => {
      const client = new Redis(server.port);
      await client.flushall();
      const options = { prefix: "life", timeout: PATIENCE, clock: () => 1000 };
      const repository = redisRepository(client, options);
      const coordinator = redisCoordinator(client, { prefix: "life", timeout: PATIENCE });
      await repository.insert("sessions", "a", 1, { expiresAt: 1000.5, indexes: INDEXES });
      await repository.insert("pending", "b", 1, { expiresAt: 5000 });
      await repository.consume("pending", "b");
      await repository.ping?.();
      const lease = await coordinator.acquire("a", 1.5);
      await lease?.remember?.("sealed", 90);
      await coordinator.acquire("b", 1);
      const keys = await client.keys("*");
      expect(keys).toHaveLength(7);
      for (const key of keys) {
        const life = await client.pttl(key);
        expect(life).toBeGreaterThan(0);
        expect(life).toBeLessThanOrEqual(90_000);
      }
      expect(await client.pttl("life:sessions:a")).toBeGreaterThan(55_000);
      await coordinator.close();
      client.disconnect();
    });

    it("keeps an index small: entries of documents that ended are dropped as others are written", async () => {
      const client = new Redis(server.port);
      const time = { now: 1000 };
      const repository = redisRepository(client, {
        prefix: "index",
        timeout: PATIENCE,
        clock: () => time.now,
      });
      const indexes = ["user:u"];
      for (let index = 0; index < 50; index += 1) {
        await repository.insert("sessions", `old ${index}`, 1, { expiresAt: 1100, indexes });
      }
      time.now = 1200;
      for (let index = 0; index < 5; index += 1) {
        await repository.insert("sessions", `new ${index}`, 1, { expiresAt: 2000, indexes });
      }
      expect(await client.zcard("index:sessions-by:user%3a;u")).toBe(5);
      client.disconnect();
    });
  });

  describe("a cluster", () => {
    let cluster: RedisCluster;
    beforeAll(async () => {
      cluster = await startRedisCluster();
    });
    afterAll(async () => {
      await cluster.close();
    });

    describe.each([...CLUSTER_CLIENTS])("over $name", (maker) => {
      countRoundTrips(maker, () => cluster.ports, true);
    });

    it("spreads sessions, indexes and leases over all nodes", async () => {
      const [maker] = CLUSTER_CLIENTS;
      const opened = await maker?.open(cluster.ports);
      if (opened === undefined) throw new Error("There is no client.");
      const repository = redisRepository(opened.client, {
        prefix: "spread",
        timeout: PATIENCE,
        clock: () => 1000,
      });
      const coordinator = redisCoordinator(opened.client, { prefix: "spread", timeout: PATIENCE });
      for (let index = 0; index < 90; index += 1) {
        const options = { expiresAt: 2000, indexes: [`user:${index}`] };
        await repository.insert("sessions", `ses_${index}`, index, options);
        await coordinator.acquire(`credential ${index}`, 30);
      }
      for (const port of cluster.ports) {
        const node = new Redis(port);
        for (const kind of ["sessions", "sessions-by", "lease"]) {
          expect((await node.keys(`spread:${kind}:*`)).length).toBeGreaterThan(10);
        }
        node.disconnect();
      }
      await coordinator.close();
      await opened.close();
    });
  });
});
