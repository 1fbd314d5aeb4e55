import { randomUUID } from "node:crypto";
import { EventEmitter } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Repository } from "../../src/authority/index.ts";
import type { Coordinator } from "../../src/fleet/coordinator.ts";
import { redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import {
  type CoordinatorHarness,
  type RepositoryHarness,
  coordinatorContract,
  repositoryContract,
} from "../../src/testing/index.ts";
import { collect, messageAbout, untilConnected } from "../support/coordinator-messages.ts";
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
  type RedisServer,
  startRedis,
  startRedisCluster,
} from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";

/** Seconds for a call: a machine that is busy is not a failure. */
const PATIENCE = 5;
const START = 1_800_000_000;

/** Two clients of one kind, for processes in turn, as long as a group of tests runs. */
class Clients {
  readonly ports: () => readonly number[];
  readonly #opened: OpenClient[] = [];
  #next = 0;

  constructor({ open }: ClientMaker, portsOf: () => readonly number[]) {
    this.ports = portsOf;
    beforeAll(async () => {
      this.#opened.push(await open(portsOf()), await open(portsOf()));
      // Many processes of a test share a client, and each listens to its errors.
      for (const { client } of this.#opened) if (client instanceof EventEmitter) client.setMaxListeners(0);
    });
    afterAll(async () => {
      await Promise.all(this.#opened.map((each) => each.close()));
    });
  }

  next(): OpenClient["client"] {
    const opened = this.#opened[this.#next++ % this.#opened.length];
    if (opened === undefined) throw new Error("There is no client yet.");
    return opened.client;
  }
}

interface RepositoriesInRedis extends RepositoryHarness {
  readonly join: () => Repository;
  readonly moveTo: (time: number) => void;
  readonly close: () => Promise<void>;
}

interface CoordinatorsInRedis extends CoordinatorHarness {
  readonly join: () => Coordinator;
  readonly close: () => Promise<void>;
}

function makeRepositories(clients: Clients): RepositoriesInRedis {
  const prefix = `test:${randomUUID()}`;
  const time = { now: START + 0.125 };
  const clock = (): number => time.now;
  const opened: Repository[] = [];
  const join = (): Repository => {
    const repository = redisRepository(clients.next(), { prefix, timeout: PATIENCE, clock, warnings: false });
    opened.push(repository);
    return repository;
  };
  return {
    repository: join(),
    clock,
    join,
    moveTo: (now) => void (time.now = now),
    advance: (seconds) => void (time.now += seconds),
    async corrupt(collection, id) {
      const keys = await eachNode(clients.ports(), async (node) => {
        const found = await node.keys(`*${prefix}:${collection}:${id}`);
        for (const key of found) await node.set(key, "foreign");
        return found;
      });
      expect(keys.flat()).toHaveLength(1);
    },
    async close() {
      await Promise.all(opened.map((repository) => repository.close()));
    },
  };
}

/** Does something on each server over a connection of its own. */
async function eachNode<Value>(
  ports: readonly number[],
  act: (node: Redis) => Promise<Value>,
  user: object = {},
): Promise<readonly Value[]> {
  return Promise.all(
    ports.map(async (port) => {
      const node = new Redis({ port, ...user });
      try {
        return await act(node);
      } finally {
        node.disconnect();
      }
    }),
  );
}

/** A user of the servers of these tests who may do everything, also while others may do nothing. */
const ADMIN = { username: "admin", password: "any" };

async function addAdmin(ports: readonly number[]): Promise<void> {
  const rights = ["on", "nopass", "~*", "&*", "+@all"];
  await eachNode(ports, (node) => node.call("ACL", "SETUSER", ADMIN.username, ...rights));
}

/** Has the servers refuse every command of the clients, or take them again. */
async function permit(ports: readonly number[], rights: "+@all" | "-@all"): Promise<void> {
  await eachNode(ports, (node) => node.call("ACL", "SETUSER", "default", rights), ADMIN);
}

function makeCoordinators(clients: Clients): CoordinatorsInRedis {
  const prefix = `test:${randomUUID()}`;
  const joined: Coordinator[] = [];
  const { ports } = clients;
  return {
    join() {
      const coordinator = redisCoordinator(clients.next(), { prefix, timeout: PATIENCE });
      joined.push(coordinator);
      return coordinator;
    },
    // Leases and results expire by the clock of Redis.
    advance: (seconds) => sleep(seconds * 1000),
    breakCoordinator: () => permit(ports(), "-@all"),
    mendCoordinator: () => permit(ports(), "+@all"),
    async cutChannel() {
      await eachNode(ports(), (node) => node.call("CLIENT", "KILL", "TYPE", "pubsub"));
    },
    async close() {
      await Promise.all(joined.map((coordinator) => coordinator.close()));
    },
  };
}

/** Ids and index names that not every encoding can hold. */
const UNWRITABLE_NAMES = ["", "\ud800", "\udfff", "\ufffd", "sessions-by:user:a", "%25;", "a%3a;b"];

function keepRepositoryContract(clients: Clients): void {
  it.each(repositoryContract(() => makeRepositories(clients)).map(({ name, run }) => [name, run] as const))(
    "%s",
    async (_name, run) => {
      expect(await run()).toBe("passed");
    },
  );

  it("names that UTF-8 cannot tell apart are not the same", async () => {
    const { repository, join, close } = makeRepositories(clients);
    const other = join();
    for (const name of UNWRITABLE_NAMES) {
      const options = { expiresAt: START + 60, indexes: [name] };
      expect(await repository.insert("sessions", name, { name }, options)).toBe(true);
    }
    for (const name of UNWRITABLE_NAMES) {
      expect(await other.find("sessions", name)).toEqual([{ id: name, value: { name } }]);
      expect(await other.consume("sessions", name)).toEqual({ name });
    }
    await close();
  });

  it("a document is found for as long as it exists, also after its life was prolonged", async () => {
    const { repository, moveTo, close } = makeRepositories(clients);
    const indexes = ["user:a"];
    const [sooner, later] = [START + 1_000, START + 4_000];
    await repository.insert("sessions", "touched", 1, { expiresAt: sooner, indexes });
    await repository.insert("sessions", "replaced", 2, { expiresAt: sooner, indexes });
    await repository.touchIfExists("sessions", "touched", later);
    const { version = 0 } = (await repository.read("sessions", "replaced")) ?? {};
    await repository.compareAndSet("sessions", "replaced", version, 3, { expiresAt: later, indexes });
    moveTo(START + 3_000);
    // Drops index entries whose time is over.
    await repository.insert("sessions", "new", 4, { expiresAt: later, indexes });
    const found = await repository.find("sessions", "user:a");
    expect(found.map(({ id }) => id).toSorted()).toEqual(["new", "replaced", "touched"]);
    await close();
  });
}

function keepCoordinatorContract(clients: Clients): void {
  const contract = coordinatorContract(() => makeCoordinators(clients));
  it.each(contract.map(({ name, run }) => [name, run] as const))("%s", async (_name, run) => {
    expect(await run()).toBe("passed");
  });

  it("wakes who waits when the lease of a process that died expires, and not before", async () => {
    const { join, close } = makeCoordinators(clients);
    const [one, other] = [join(), join()];
    await one.acquire("a", 0.25);
    expect(await other.acquire("a", 30)).toBeUndefined();
    await other.settled?.("a", new AbortController().signal);
    expect(await other.acquire("a", 30)).toBeDefined();
    await close();
  });

  it("waits for nothing where nothing is held or a result is kept", async () => {
    const { join, close } = makeCoordinators(clients);
    const [one, other] = [join(), join()];
    const { signal } = new AbortController();
    await one.settled?.("free", signal);
    await one.remember("kept", "sealed", 30);
    await expect(other.settled?.("kept", signal)).resolves.toBeUndefined();
    await close();
  });

  it("does not tell a process what it has sent itself", async () => {
    const { join, close } = makeCoordinators(clients);
    const [one, other] = [join(), join()];
    await Promise.all([untilConnected(one, other), untilConnected(other, one)]);
    const [own, heard] = [collect(one), collect(other)];
    await one.publish(messageAbout("ses_1"));
    await heard.until(1);
    await other.publish(messageAbout("ses_2"));
    await own.until(1);
    expect(own.messages).toEqual([messageAbout("ses_2")]);
    expect(heard.messages).toEqual([messageAbout("ses_1")]);
    await close();
  });
}

const WITH_OPTIONS: ClientMaker = {
  name: "an ioredis client that prefixes keys and answers with text for numbers",
  async open([port = 6379]) {
    const client = new Redis({ port, keyPrefix: "test:app:", stringNumbers: true, lazyConnect: true });
    return { client, close: async () => client.disconnect() };
  },
};
const [IOREDIS = WITH_OPTIONS, ...OTHERS] = STANDALONE_CLIENTS;

describeWith(REDIS, "the Redis of all tests keeps the contract of repositories", () => {
  afterAll(async () => {
    const client = new Redis(REDIS_URL);
    for await (const keys of client.scanStream({ match: "test:*", count: 500 })) {
      if (keys.length > 0) await client.unlink(keys as string[]);
    }
    client.disconnect();
  });

  keepRepositoryContract(new Clients(IOREDIS, () => [Number(new URL(REDIS_URL).port || 6379)]));
});

describeWith(REDIS_SERVER, "Redis", () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
    await addAdmin([server.port]);
  });
  afterAll(async () => {
    await server.close();
  });

  describe.each([IOREDIS, WITH_OPTIONS, ...OTHERS])(
    "over $name keeps the contract of repositories:",
    (maker) => {
      keepRepositoryContract(new Clients(maker, () => [server.port]));
    },
  );
  // Their time passes by the clock of Redis. The tests of the channel go over each client.
  describe.each([WITH_OPTIONS, ...OTHERS.slice(0, 1)])(
    "over $name keeps the contract of coordinators:",
    (maker) => {
      keepCoordinatorContract(new Clients(maker, () => [server.port]));
    },
  );
});

describeWith(REDIS_SERVER, "a Redis Cluster", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
    await addAdmin(cluster.ports);
  });
  afterAll(async () => {
    await cluster.close();
  });

  describe.each([...CLUSTER_CLIENTS])("over $name keeps the contract of repositories:", (maker) => {
    keepRepositoryContract(new Clients(maker, () => cluster.ports));
  });
  describe.each([...CLUSTER_CLIENTS])("over $name keeps the contract of coordinators:", (maker) => {
    keepCoordinatorContract(new Clients(maker, () => cluster.ports));
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
