import { Cluster, Redis } from "ioredis";
import { createClient, createClientPool, createCluster } from "redis";
import type { RedisClient } from "../../src/fleet/redis/index.ts";

/** A connected client of a test, and how it is closed. */
export interface OpenClient {
  readonly client: RedisClient;
  close(): Promise<void>;
}

/** A way to make a client. */
export interface ClientMaker {
  readonly name: string;
  /** Connects to the server, or to the cluster, at these ports. */
  readonly open: (ports: readonly number[]) => Promise<OpenClient>;
}

const HOST = "127.0.0.1";
const urlOf = (port = 6379): string => `redis://${HOST}:${port}`;
/** Trouble is what the calls throw; a client's own report of it is of no use here. */
const ignore = (): void => undefined;

/** The clients for one server. */
export const STANDALONE_CLIENTS: readonly ClientMaker[] = [
  {
    name: "ioredis",
    async open([port = 6379]) {
      const client = new Redis({ host: HOST, port });
      client.on("error", ignore);
      return { client, close: async () => client.disconnect() };
    },
  },
  {
    name: "redis",
    async open([port]) {
      const client = createClient({ url: urlOf(port) });
      client.on("error", ignore);
      await client.connect();
      return { client, close: async () => client.destroy() };
    },
  },
  {
    name: "a pool of redis",
    async open([port]) {
      const client = createClientPool({ url: urlOf(port) }, { maximum: 8 });
      client.on("error", ignore);
      await client.connect();
      return { client, close: async () => client.destroy() };
    },
  },
];

/** The clients for a cluster. */
export const CLUSTER_CLIENTS: readonly ClientMaker[] = [
  {
    name: "ioredis, Cluster",
    async open(ports) {
      const client = new Cluster(ports.map((port) => ({ host: HOST, port })));
      client.on("error", ignore);
      return { client, close: async () => client.disconnect() };
    },
  },
  {
    name: "redis, Cluster",
    async open(ports) {
      const client = createCluster({ rootNodes: ports.map((port) => ({ url: urlOf(port) })) });
      client.on("error", ignore);
      await client.connect();
      return { client, close: async () => client.destroy() };
    },
  },
];
