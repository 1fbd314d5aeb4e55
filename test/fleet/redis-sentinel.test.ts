import { Redis } from "ioredis";
import { createSentinel } from "redis";
import { afterEach, beforeEach, expect, it } from "@jest/globals";
import { redisCoordinator, redisRepository } from "../../src/fleet/redis/index.ts";
import { isUnavailable } from "../../src/testing/contract/subject.ts";
import { untilConnected } from "../support/coordinator-messages.ts";
import type { ClientMaker } from "../support/redis-clients.ts";
import { REDIS_SERVER, type RedisSentinel, startRedisSentinel } from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";

const SENTINEL_CLIENTS: readonly ClientMaker[] = [
  {
    name: "ioredis",
    async open([port = 0]) {
      const client = new Redis({ sentinels: [{ host: "127.0.0.1", port }], name: "main" });
      client.on("error", () => undefined);
      return { client, close: async () => client.disconnect() };
    },
  },
  {
    name: "redis",
    async open([port = 0]) {
      const client = createSentinel({
        name: "main",
        sentinelRootNodes: [{ host: "127.0.0.1", port }],
        scanInterval: 200,
      });
      client.on("error", () => undefined);
      await client.connect();
      return { client, close: async () => client.destroy() };
    },
  },
];

describeWith(REDIS_SERVER, "Redis behind a sentinel", () => {
  let sentinel: RedisSentinel;
  beforeEach(async () => {
    sentinel = await startRedisSentinel();
  });
  afterEach(async () => {
    await sentinel.close();
  });

  it.each([...SENTINEL_CLIENTS])(
    "goes on over $name after a failover, and tells of the gap",
    async (maker) => {
      const opened = await maker.open([sentinel.sentinelPort]);
      const repository = redisRepository(opened.client, { clock: () => 1000 });
      const [one, other] = [redisCoordinator(opened.client), redisCoordinator(opened.client)];
      const gaps: string[] = [];
      other.subscribe(() => undefined, {
        lost: () => void gaps.push("lost"),
        restored: () => void gaps.push("restored"),
      });
      await untilConnected(one, other);
      expect(await repository.insert("sessions", "a", 1, { expiresAt: 2000, indexes: ["u"] })).toBe(true);
      await sentinel.replicated();
      const admin = new Redis(sentinel.sentinelPort);
      while ((await admin.call("SENTINEL", "FAILOVER", "main").catch(String)) !== "OK") await admin.ping();
      admin.disconnect();
      const troubles: unknown[] = [];
      const unlessUnavailable = async <Value>(call: () => Promise<Value>): Promise<Value | undefined> => {
        try {
          return await call();
        } catch (error) {
          troubles.push(error);
          return undefined;
        }
      };
      // The old primary answers until the clients have moved.
      while (!gaps.includes("restored")) await unlessUnavailable(() => repository.read("sessions", "a"));
      const add = (): Promise<boolean> => repository.insert("sessions", "b", 2, { expiresAt: 2000 });
      while ((await unlessUnavailable(add)) === undefined);
      let found: unknown;
      while (found === undefined) found = await unlessUnavailable(() => repository.find("sessions", "u"));
      expect(found).toEqual([{ id: "a", value: 1 }]);
      expect(troubles.filter((trouble) => !isUnavailable(trouble))).toEqual([]);
      await untilConnected(one, other);
      expect(gaps.slice(0, 2)).toEqual(["lost", "restored"]);
      await Promise.all([one.close(), other.close()]);
      await opened.close();
    },
  );
});
