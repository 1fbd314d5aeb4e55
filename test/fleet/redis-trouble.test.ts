import { inspect } from "node:util";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "@jest/globals";
import { ConfigurationError, type StoreUnavailableError } from "../../src/errors.ts";
import type { OrgateEvent } from "../../src/events.ts";
import { type RedisClient, redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import { isUnavailable } from "../../src/testing/contract/subject.ts";
import { type OpenClient, STANDALONE_CLIENTS } from "../support/redis-clients.ts";
import { REDIS_SERVER, type RedisServer, findFreePort, startRedis } from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";
import { type TcpProxy, startProxy } from "../support/tcp-proxy.ts";

const LATER = { expiresAt: 2000 };
const clock = (): number => 1000;

async function troubleOf(call: Promise<unknown>): Promise<StoreUnavailableError> {
  try {
    await call;
  } catch (error) {
    if (isUnavailable(error)) return error as StoreUnavailableError;
    throw error;
  }
  throw new Error("The call succeeded.");
}

async function reasonOf(call: Promise<unknown>): Promise<string | undefined> {
  return (await troubleOf(call)).reason;
}

/** Milliseconds that a call takes. */
async function durationOf(call: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await call;
  return performance.now() - start;
}

describe("what is no client of Redis", () => {
  it.each([undefined, null, {}, "redis://localhost", new Map(), { sendCommand: () => undefined }])(
    "is refused at start: %p",
    (given) => {
      const client = given as unknown as RedisClient;
      expect(() => redisRepository(client)).toThrow(ConfigurationError);
      expect(() => redisCoordinator(client)).toThrow(/redisCoordinator: needs a client of ioredis or redis/);
    },
  );

  it("refuses a prefix that would put every key into one slot, and unknown options", () => {
    const client = new Redis({ lazyConnect: true });
    expect(() => redisRepository(client, { prefix: "{app}" })).toThrow(/redisRepository\.prefix: must be/);
    expect(() => redisRepository(client, { prefix: "" })).toThrow(ConfigurationError);
    expect(() => redisCoordinator(client, { timeout: 0 })).toThrow(/redisCoordinator\.timeout/);
    expect(() => redisRepository(client, { prefx: "a" } as object)).toThrow(/Did you mean "prefix"/);
  });
});

describeWith(REDIS_SERVER, "trouble of Redis", () => {
  let server: RedisServer;
  let admin: Redis;

  beforeAll(async () => {
    server = await startRedis(["--appendonly", "yes", "--appendfsync", "always"]);
  });
  afterAll(async () => {
    await server.close();
  });
  beforeEach(async () => {
    admin = new Redis(server.port, { retryStrategy: () => 20 });
    admin.on("error", () => undefined);
    await admin.flushall();
  });
  afterEach(() => {
    admin.disconnect();
  });

  describe.each([...STANDALONE_CLIENTS])("over $name", ({ open }) => {
    let opened: OpenClient | undefined;
    const connect = async (port: number): Promise<RedisClient> => {
      opened = await open([port]);
      return opened.client;
    };
    afterEach(async () => {
      await opened?.close();
    });

    it("leaves foreign, damaged and newer values as they are, and cannot know", async () => {
      const repository = redisRepository(await connect(server.port), { prefix: "app", clock });
      const values: readonly (readonly [string, string])[] = [
        ["someone else's", "redis_value_unreadable"],
        ["", "redis_value_unreadable"],
        ['o1 5 2000 7\n{"a":1', "redis_value_unreadable"],
        ["o1 5 never 1\n1", "redis_value_unreadable"],
        ["o2 whatever comes next", "redis_value_newer"],
      ];
      for (const [value, reason] of values) {
        await admin.set("app:sessions:a", value);
        await admin.zadd("app:sessions-by:u", 2000, "a");
        const calls = [
          () => repository.read("sessions", "a"),
          () => repository.insert("sessions", "a", 1, LATER),
          () => repository.compareAndSet("sessions", "a", 5, 1, LATER),
          () => repository.consume("sessions", "a"),
          () => repository.touchIfExists("sessions", "a", 3000),
          () => repository.find("sessions", "u"),
        ];
        for (const call of calls) expect(await reasonOf(call())).toBe(reason);
        expect(await admin.get("app:sessions:a")).toBe(value);
      }
      await admin.del("app:sessions:a");
      await admin.lpush("app:sessions:a", "a list");
      const trouble = await troubleOf(repository.read("sessions", "a"));
      expect(trouble).toMatchObject({ reason: "redis_value_unreadable", contended: true });
      expect(await reasonOf(repository.consume("sessions", "a"))).toBe("redis_value_unreadable");
      expect(await reasonOf(repository.find("sessions", "u"))).toBe("redis_value_unreadable");
    });

    it("reports once that Redis may evict keys", async () => {
      await admin.config("SET", "maxmemory-policy", "allkeys-lru");
      const events: OrgateEvent[] = [];
      let tell: () => void = () => undefined;
      const reported = new Promise<void>((resolve) => {
        tell = resolve;
      });
      const hear = (event: OrgateEvent): void => {
        events.push(event);
        tell();
      };
      const options = { events: hear, warnings: false };
      const repository = redisRepository(await connect(server.port), options);
      await repository.ping?.();
      await repository.read("sessions", "a");
      await reported;
      expect(events).toEqual([{ type: "misconfigured", reason: "redis_may_evict" }]);
      await admin.config("SET", "maxmemory-policy", "noeviction");
    });

    it("says that Redis is out of memory, and still reads", async () => {
      const repository = redisRepository(await connect(server.port), { clock });
      await repository.insert("sessions", "a", 1, LATER);
      await admin.config("SET", "maxmemory", "1");
      const trouble = await troubleOf(repository.insert("sessions", "b", 1, LATER));
      expect(trouble).toMatchObject({ reason: "redis_out_of_memory", retryAfter: 5 });
      const ping = repository.ping?.() ?? Promise.resolve();
      expect(await reasonOf(ping)).toBe("redis_out_of_memory");
      expect((await repository.read("sessions", "a"))?.value).toBe(1);
      await admin.config("SET", "maxmemory", "0");
      expect(await repository.insert("sessions", "b", 1, LATER)).toBe(true);
    });

    it("says that the server is a read-only replica", async () => {
      const replica = await startRedis(["--replicaof", "127.0.0.1", String(server.port)]);
      try {
        const client = await connect(replica.port);
        const repository = redisRepository(client, { clock });
        expect(await reasonOf(repository.insert("sessions", "a", 1, LATER))).toBe("redis_read_only");
        expect(await reasonOf(repository.ping?.() ?? Promise.resolve())).toBe("redis_read_only");
        expect(await reasonOf(redisCoordinator(client).acquire("a", 1))).toBe("redis_read_only");
      } finally {
        await replica.close();
      }
    });

    it("says that the user may not run a command", async () => {
      await admin.acl("SETUSER", "default", "-set");
      try {
        const repository = redisRepository(await connect(server.port), { clock });
        const trouble = await troubleOf(repository.insert("sessions", "a", 1, LATER));
        expect(trouble).toMatchObject({ reason: "redis_permission_denied", misconfigured: true });
      } finally {
        await admin.acl("SETUSER", "default", "+@all");
      }
    });

    it("gives up a call after 0.8 seconds, and goes on when Redis does", async () => {
      const repository = redisRepository(await connect(server.port), { clock });
      await repository.insert("sessions", "a", 1, LATER);
      server.process.kill("SIGSTOP");
      const duration = await durationOf(
        reasonOf(repository.read("sessions", "a")).then((reason) => expect(reason).toBe("redis_timeout")),
      );
      server.process.kill("SIGCONT");
      expect(duration).toBeGreaterThan(700);
      expect(duration).toBeLessThan(2000);
      expect((await repository.read("sessions", "a"))?.value).toBe(1);
    });

    it("loses nothing when Redis is killed, writes nothing once it is known to be down, and comes back", async () => {
      const repository = redisRepository(await connect(server.port), { clock });
      await repository.insert("sessions", "a", 1, { ...LATER, indexes: ["u"] });
      await server.kill();
      for (const id of ["noticed", "late"]) {
        const reason = await reasonOf(repository.insert("sessions", id, 1, LATER));
        expect(["redis_unreachable", "redis_timeout"]).toContain(reason);
      }
      await server.restart();
      let found: unknown;
      while (found === undefined) {
        found = await repository.find("sessions", "u").catch(() => undefined);
      }
      expect(found).toEqual([{ id: "a", value: 1 }]);
      expect(await repository.read("sessions", "late")).toBeUndefined();
    });

    it("writes nothing once the call was given up, when Redis asks only then for the script's text", async () => {
      const client = await connect(server.port);
      const patient = redisRepository(client, { clock, timeout: 5, warnings: false });
      await patient.read("sessions", "warm");
      await admin.script("FLUSH");
      server.process.kill("SIGSTOP");
      const hasty = redisRepository(client, { clock, timeout: 0.05, warnings: false });
      expect(await reasonOf(hasty.insert("sessions", "late", 1, LATER))).toBe("redis_timeout");
      server.process.kill("SIGCONT");
      // Replies come in order, and a command that follows the late reply is sent before the second of these.
      for (const id of ["a", "b", "c"]) await patient.read("sessions", id);
      expect(await patient.read("sessions", "late")).toBeUndefined();
    });

    it("puts neither commands nor values into its errors", async () => {
      const repository = redisRepository(await connect(server.port), { clock, prefix: "app" });
      await admin.set("app:sessions:secret-id", "secret-value");
      const troubles = [await troubleOf(repository.insert("sessions", "secret-id", "secret-value", LATER))];
      await admin.lpush("app:keys:secret-id", "secret-value");
      troubles.push(await troubleOf(repository.consume("keys", "secret-id")));
      await admin.set("app:pending:secret-id", 'o1 5 2000 14\n"secret-value!');
      troubles.push(await troubleOf(repository.read("pending", "secret-id")));
      for (const trouble of troubles) {
        expect(inspect(trouble, { depth: 10, showHidden: true })).not.toMatch(/secret|EVAL/);
      }
    });
  });

  describe("a client that cannot connect", () => {
    it("says over ioredis that the password is wrong", async () => {
      const locked = await startRedis(["--requirepass", "correct"]);
      const client = new Redis({ port: locked.port, password: "wrong" });
      try {
        const trouble = await troubleOf(redisRepository(client).read("sessions", "a"));
        expect(trouble).toMatchObject({ reason: "redis_credentials_refused", misconfigured: true });
        const coordinator = redisCoordinator(client);
        expect(await reasonOf(coordinator.acquire("a", 1))).toBe("redis_credentials_refused");
      } finally {
        client.disconnect();
        await locked.close();
      }
    });

    it("says over redis that it is not open, and what to do", async () => {
      const client = createClient({ url: server.url });
      const trouble = await troubleOf(redisRepository(client).read("sessions", "a"));
      expect(trouble).toMatchObject({ reason: "redis_client_closed" });
      expect(trouble.message).toContain("connect()");
    });

    it("says that a server does not answer at the address", async () => {
      const port = await findFreePort();
      const client = new Redis({ port, retryStrategy: () => 50 });
      const trouble = await troubleOf(redisRepository(client).read("sessions", "a"));
      expect(trouble).toMatchObject({ reason: "redis_unreachable", cause: { code: "ECONNREFUSED" } });
      client.disconnect();
    });

    it("connects a lazy ioredis client when it is first needed", async () => {
      const client = new Redis({ port: server.port, lazyConnect: true });
      const repository = redisRepository(client, { clock });
      expect(await repository.insert("sessions", "a", 1, LATER)).toBe(true);
      client.disconnect();
      expect(await reasonOf(repository.read("sessions", "a"))).toBe("redis_client_closed");
    });
  });

  describe("a connection that breaks before the reply", () => {
    let proxy: TcpProxy;
    let client: Redis;
    beforeEach(async () => {
      proxy = await startProxy(server.port);
      // The client sends commands again whose reply it did not get: by default.
      client = new Redis({ port: proxy.port, retryStrategy: () => 10 });
      client.on("error", () => undefined);
      await client.ping();
    });
    afterEach(async () => {
      client.disconnect();
      await proxy.close();
    });

    it("makes each write once, and answers as if nothing had happened", async () => {
      const repository = redisRepository(client, { clock, timeout: 5, warnings: false });
      const coordinator = redisCoordinator(client, { timeout: 5 });
      // A function that the server does not know yet is asked for twice anyway.
      await repository.insert("sessions", "warm", 1, LATER);
      const warm = (await repository.read("sessions", "warm"))?.version ?? 0;
      await repository.compareAndSet("sessions", "warm", warm, 2, LATER);
      await repository.consume("sessions", "warm");
      await (await coordinator.acquire("warm", 30))?.remember?.("sealed", 30);

      const afterDrop = async <Value>(text: string, call: () => Promise<Value>): Promise<Value> => {
        const dropped = proxy.dropReplyTo(text);
        const answer = await call();
        await dropped;
        return answer;
      };
      const key = "orgate:sessions:a";
      expect(await afterDrop(key, () => repository.insert("sessions", "a", 1, LATER))).toBe(true);
      const version = (await repository.read("sessions", "a"))?.version ?? 0;
      const replace = (): Promise<boolean> => repository.compareAndSet("sessions", "a", version, 2, LATER);
      expect(await afterDrop(key, replace)).toBe(true);
      expect(await afterDrop(key, () => repository.consume("sessions", "a"))).toBe(2);
      expect(await repository.consume("sessions", "a")).toBeUndefined();
      const leaseKey = "orgate:lease:a";
      const lease = await afterDrop(leaseKey, () => coordinator.acquire("a", 30));
      expect(lease).toBeDefined();
      const remember = (): Promise<boolean> => lease?.remember?.("sealed", 30) ?? Promise.resolve(false);
      expect(await afterDrop(leaseKey, remember)).toBe(true);
      expect(await coordinator.recall("a")).toBe("sealed");
      await coordinator.close();
    });
  });
});
