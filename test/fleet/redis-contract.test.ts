import { randomUUID } from "node:crypto";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import { COORDINATOR_CASES, type CoordinatorUnderTest } from "../support/coordinator-cases.ts";
import {
  CLUSTER_CLIENTS,
  type ClientMaker,
  type OpenClient,
  STANDALONE_CLIENTS,
} from "../support/redis-clients.ts";
import {
  REDIS,
  REDIS_SERVER,
  REDIS_URL,
  type RedisCluster,
  startRedisCluster,
} from "../support/redis-servers.ts";
import { REPOSITORY_CASES, type RepositoryUnderTest } from "../support/repository-cases.ts";
import { describeWith } from "../support/requirements.ts";

/** Seconds for a call: a machine that is busy is not a failure. */
const PATIENCE = 5;

/** Runs both contracts over a client. */
function keepContracts({ open }: ClientMaker, portsOf: () => readonly number[]): void {
  const clients: OpenClient[] = [];
  let prefix: string;

  beforeAll(async () => {
    clients.push(await open(portsOf()), await open(portsOf()));
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
  });
  beforeEach(() => {
    prefix = `test:${randomUUID()}`;
  });

  const clientAt = (index: number): OpenClient["client"] => {
    const opened = clients[index];
    if (opened === undefined) throw new Error("There is no such client.");
    return opened.client;
  };

  describe("as a repository", () => {
    let subject: RepositoryUnderTest;
    beforeEach(() => {
      const clock = { now: 1000 };
      const options = { prefix, timeout: PATIENCE, clock: () => clock.now, warnings: false };
      subject = {
        repository: redisRepository(clientAt(0), options),
        other: redisRepository(clientAt(1), options),
        clock,
      };
    });
    afterEach(async () => {
      await Promise.all([subject.repository.close(), subject.other.close()]);
    });
    it.each(Object.entries(REPOSITORY_CASES))("%s", async (_name, check) => {
      await expect(check(subject)).resolves.toBeUndefined();
    });
  });

  describe("as a coordinator", () => {
    let subject: CoordinatorUnderTest;
    beforeEach(() => {
      subject = {
        one: redisCoordinator(clientAt(0), { prefix, timeout: PATIENCE }),
        other: redisCoordinator(clientAt(1), { prefix, timeout: PATIENCE }),
      };
    });
    afterEach(async () => {
      await Promise.all([subject.one.close(), subject.other.close()]);
    });
    it.each(Object.entries(COORDINATOR_CASES))("%s", async (_name, check) => {
      await expect(check(subject)).resolves.toBeUndefined();
    });
  });
}

describeWith(REDIS, "Redis keeps the contracts of repositories and coordinators", () => {
  const port = Number(new URL(REDIS_URL).port || 6379);

  afterAll(async () => {
    const client = new Redis(REDIS_URL);
    for await (const keys of client.scanStream({ match: "test:*", count: 500 })) {
      if (keys.length > 0) await client.unlink(keys as string[]);
    }
    client.disconnect();
  });

  describe.each([...STANDALONE_CLIENTS])("over $name", (maker) => {
    keepContracts(maker, () => [port]);
  });

  describe("over an ioredis client that prefixes keys and answers with text for numbers", () => {
    keepContracts(
      {
        name: "ioredis with options",
        async open() {
          const client = new Redis(port, { keyPrefix: "test:app:", stringNumbers: true, lazyConnect: true });
          return { client, close: async () => client.disconnect() };
        },
      },
      () => [port],
    );
  });
});

describeWith(REDIS_SERVER, "a Redis Cluster keeps the contracts of repositories and coordinators", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(async () => {
    await cluster.close();
  });

  describe.each([...CLUSTER_CLIENTS])("over $name", (maker) => {
    keepContracts(maker, () => cluster.ports);
  });

  it.each([...STANDALONE_CLIENTS])(
    "says over $name that a cluster needs a client of its own",
    async (maker) => {
      const opened = await maker.open(cluster.ports);
      const repository = redisRepository(opened.client, { warnings: false });
      const write = { expiresAt: 2 ** 32, indexes: ["a", "b", "c"] };
      await expect(repository.insert("sessions", "a", 1, write)).rejects.toMatchObject({
        code: "store_unavailable",
        reason: "redis_cluster_client_required",
        misconfigured: true,
      });
      await opened.close();
    },
  );
});
