import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from "@jest/globals";
import type { ChannelListener, Coordinator, InvalidationMessage } from "../../src/fleet/coordinator.ts";
import { redisCoordinator } from "../../src/fleet/redis/index.ts";
import { collect, isProbe, messageAbout, untilConnected } from "../support/coordinator-messages.ts";
import { CLUSTER_CLIENTS, type OpenClient, STANDALONE_CLIENTS } from "../support/redis-clients.ts";
import {
  REDIS_SERVER,
  type RedisCluster,
  type RedisServer,
  startRedis,
  startRedisCluster,
} from "../support/redis-servers.ts";
import { describeWith } from "../support/requirements.ts";
import { type TcpProxy, startProxy } from "../support/tcp-proxy.ts";

/** Hears of gaps, and resolves when one begins or ends. */
class Gaps implements ChannelListener {
  readonly heard: string[] = [];
  readonly #waiting: { word: string; resolve: () => void }[] = [];

  lost(): void {
    this.#hear("lost");
  }

  restored(): void {
    this.#hear("restored");
  }

  next(word: "lost" | "restored"): Promise<void> {
    return new Promise((resolve) => void this.#waiting.push({ word, resolve }));
  }

  #hear(word: string): void {
    this.heard.push(word);
    for (const waiting of this.#waiting.filter((each) => each.word === word)) {
      this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
      waiting.resolve();
    }
  }
}

describeWith(REDIS_SERVER, "the channel between processes over Redis", () => {
  describe("one server", () => {
    let server: RedisServer;
    let sender: Coordinator;
    let senderClient: Redis;
    beforeAll(async () => {
      server = await startRedis();
    });
    afterAll(async () => {
      await server.close();
    });
    beforeEach(async () => {
      senderClient = new Redis(server.port, { retryStrategy: () => 20 });
      senderClient.on("error", () => undefined);
      await senderClient.flushall();
      sender = redisCoordinator(senderClient);
    });
    afterEach(async () => {
      await sender.close();
      senderClient.disconnect();
    });

    it("sends no message to itself for a proof that was given up", async () => {
      const client = new Redis(server.port);
      const echoes = holdBackEchoSubscriptions(client);
      const heard: string[] = [];
      const ear = new Redis(server.port);
      await ear.psubscribe("*");
      const atTheEnd = new Promise<void>((resolve) => {
        ear.on("pmessage", (_pattern: string, channel: string, text: string) => {
          if (channel === "end") resolve();
          else if (channel.startsWith("orgate:echo:")) heard.push(text);
        });
      });
      const receiver = redisCoordinator(client);
      const gaps = new Gaps();
      const restored = gaps.next("restored");
      receiver.subscribe(() => undefined, gaps);
      // Once when the connection is opened, and in each of three proofs, of which two are given up.
      await echoes.asked(4);
      echoes.release();
      await restored;
      await client.publish("end", "");
      await atTheEnd;
      expect(heard).toHaveLength(1);
      await receiver.close();
      client.disconnect();
      ear.disconnect();
    });

    describe.each([...STANDALONE_CLIENTS])("over $name", ({ open }) => {
      let opened: OpenClient | undefined;
      let coordinator: Coordinator | undefined;
      let proxy: TcpProxy | undefined;
      const join = async (port: number): Promise<Coordinator> => {
        opened = await open([port]);
        coordinator = redisCoordinator(opened.client);
        await untilConnected(sender, coordinator);
        return coordinator;
      };
      afterEach(async () => {
        await coordinator?.close();
        await opened?.close();
        await proxy?.close();
        proxy = undefined;
      });

      it("tells of a gap when the connection is killed, and hears again afterwards", async () => {
        const receiver = await join(server.port);
        const gaps = new Gaps();
        const messages: InvalidationMessage[] = [];
        const stop = receiver.subscribe((message) => isProbe(message) || messages.push(message), gaps);
        const [lost, restored] = [gaps.next("lost"), gaps.next("restored")];
        await senderClient.call("CLIENT", "KILL", "TYPE", "pubsub");
        await lost;
        await restored;
        expect(gaps.heard).toEqual(["lost", "restored"]);
        const heard = collect(receiver);
        await sender.publish(messageAbout("after"));
        await heard.until(1);
        expect(messages).toEqual([messageAbout("after")]);
        stop();
        heard.stop();
      });

      it("notices that no message arrives although the connection stays open", async () => {
        proxy = await startProxy(server.port);
        const receiver = await join(proxy.port);
        const gaps = new Gaps();
        receiver.subscribe(() => undefined, gaps);
        // After this gap it is proven that messages arrive.
        const proven = gaps.next("restored");
        await senderClient.call("CLIENT", "KILL", "TYPE", "pubsub");
        await proven;
        const lost = gaps.next("lost");
        proxy.blackHole(true);
        await lost;
        const restored = gaps.next("restored");
        proxy.blackHole(false);
        await restored;
        expect(gaps.heard).toEqual(["lost", "restored", "lost", "restored"]);
      });

      it("tells of a gap when Redis is killed, and hears again when it is back", async () => {
        const receiver = await join(server.port);
        const gaps = new Gaps();
        receiver.subscribe(() => undefined, gaps);
        const lost = gaps.next("lost");
        await server.kill();
        await lost;
        const waiting = receiver.settled?.("a", new AbortController().signal);
        await expect(waiting).rejects.toMatchObject({ code: "store_unavailable" });
        const restored = gaps.next("restored");
        await server.restart();
        await restored;
        expect(gaps.heard).toEqual(["lost", "restored"]);
        await untilConnected(sender, receiver);
      });

      it("wakes who waits when the message may have been lost", async () => {
        const receiver = await join(server.port);
        await sender.acquire("held", 30);
        const waiting = receiver.settled?.("held", new AbortController().signal);
        const subscribed = async (): Promise<boolean> => {
          const [, count] = (await senderClient.pubsub("NUMSUB", "orgate:settled:held")) as [string, number];
          return count > 0;
        };
        while (!(await subscribed())) await senderClient.ping();
        await senderClient.call("CLIENT", "KILL", "TYPE", "pubsub");
        await waiting;
        expect(await receiver.acquire("held", 1)).toBeUndefined();
      });

      it("opens no connection once it was closed", async () => {
        const receiver = await join(server.port);
        await receiver.close();
        await sender.acquire("held", 30);
        const before = await connectionsMade(senderClient);
        receiver.subscribe(() => undefined);
        await receiver.settled?.("held", new AbortController().signal);
        expect(await connectionsMade(senderClient)).toBe(before);
      });

      it("keeps its leases and tells of the gap when the user may not subscribe", async () => {
        await senderClient.acl("SETUSER", "default", "resetchannels");
        try {
          opened = await open([server.port]);
          const deprived = redisCoordinator(opened.client);
          coordinator = deprived;
          const cause = new Promise((resolve) => {
            deprived.subscribe(() => undefined, { lost: resolve, restored: () => undefined });
          });
          expect(await cause).toMatchObject({ reason: "redis_permission_denied", misconfigured: true });
          const lease = await deprived.acquire("held", 30);
          await deprived.settled?.("held", new AbortController().signal);
          expect(await lease?.remember?.("sealed", 30)).toBe(true);
          expect(await deprived.recall("held")).toBe("sealed");
        } finally {
          await senderClient.acl("SETUSER", "default", "allchannels");
        }
      });

      it("takes a message that cannot be read for a gap", async () => {
        const receiver = await join(server.port);
        const gaps = new Gaps();
        const messages: InvalidationMessage[] = [];
        receiver.subscribe((message) => isProbe(message) || messages.push(message), gaps);
        const texts = [
          "not JSON",
          "{}",
          JSON.stringify({ from: "a", message: { target: {}, at: 1, effect: "ask" } }),
          JSON.stringify({ from: "a", message: { target: { sessionId: "s" }, at: 1, effect: "newer" } }),
        ];
        for (const text of texts) {
          const restored = gaps.next("restored");
          await senderClient.publish("orgate:broadcast", text);
          await restored;
        }
        expect(gaps.heard).toHaveLength(8);
        expect(messages).toEqual([]);
      });

      it("closes its own connection and leaves the client open", async () => {
        const receiver = await join(server.port);
        await receiver.close();
        coordinator = undefined;
        const repeat = redisCoordinator(opened?.client ?? senderClient);
        expect(await repeat.acquire("open", 1)).toBeDefined();
        await repeat.close();
        await sender.close();
        while (Number(await senderClient.pubsub("NUMPAT")) > 0) await senderClient.ping();
        const connections = String(await senderClient.call("CLIENT", "LIST", "TYPE", "pubsub"));
        expect(connections).toBe("");
      });
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

    it.each([...CLUSTER_CLIENTS])(
      "tells of a gap over $name when its connection was killed, and hears again",
      async ({ open }) => {
        const opened = await open(cluster.ports);
        const [one, other] = [redisCoordinator(opened.client), redisCoordinator(opened.client)];
        await untilConnected(one, other);
        const gaps = new Gaps();
        other.subscribe(() => undefined, gaps);
        const [lost, restored] = [gaps.next("lost"), gaps.next("restored")];
        for (const port of cluster.ports) {
          const node = new Redis(port);
          await node.call("CLIENT", "KILL", "TYPE", "pubsub");
          node.disconnect();
        }
        await lost;
        await restored;
        expect(gaps.heard).toEqual(["lost", "restored"]);
        await untilConnected(one, other);
        await Promise.all([one.close(), other.close()]);
        await opened.close();
      },
    );

    it.each([...CLUSTER_CLIENTS])(
      "hears again over $name after a node was killed and has come back",
      async ({ open }) => {
        const opened = await open(cluster.ports);
        const [one, other] = [redisCoordinator(opened.client), redisCoordinator(opened.client)];
        other.subscribe(() => undefined, new Gaps());
        await untilConnected(one, other);
        const [first] = cluster.servers;
        await first?.kill();
        await first?.restart();
        expect(await servesAllSlots(cluster)).toBe(true);
        await untilConnected(one, other);
        await Promise.all([one.close(), other.close()]);
        await opened.close();
      },
    );
  });
});

/** Holds back what the client's duplicates ask for of their echo channels, as a client does that has no connection. */
function holdBackEchoSubscriptions(client: Redis): {
  asked(times: number): Promise<void>;
  readonly release: () => void;
} {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  let count = 0;
  const waiting: { readonly times: number; readonly resolve: () => void }[] = [];
  const duplicate = client.duplicate.bind(client);
  jest.spyOn(client, "duplicate").mockImplementation(() => {
    const own = duplicate();
    const subscribe = own.subscribe.bind(own);
    jest.spyOn(own, "subscribe").mockImplementation(async (channel) => {
      if (String(channel).startsWith("orgate:echo:")) {
        count += 1;
        for (const { times, resolve } of waiting) if (count >= times) resolve();
        await released;
      }
      return subscribe(String(channel));
    });
    return own;
  });
  return {
    asked: (times) => new Promise((resolve) => void waiting.push({ times, resolve })),
    release: () => release(),
  };
}

/** How many connections a server has accepted so far. */
async function connectionsMade(admin: Redis): Promise<number> {
  const [, count] = /^total_connections_received:(\d+)/m.exec(await admin.info("stats")) ?? [];
  return Number(count);
}

async function servesAllSlots({ ports }: RedisCluster): Promise<boolean> {
  const nodes = ports.map((port) => new Redis(port));
  let states: readonly boolean[] = [];
  while (!states.includes(true) || states.includes(false)) {
    states = await Promise.all(
      nodes.map(async (node) => String(await node.call("CLUSTER", "INFO")).includes("cluster_state:ok")),
    );
  }
  for (const node of nodes) node.disconnect();
  return true;
}
