import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import type { Requirement } from "./requirements.ts";

/** The server that is shared by all tests that need no server of their own. */
export const REDIS_URL = process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379";

/** Requires a Redis that answers. */
export const REDIS: Requirement = {
  description: "Redis or Valkey at 127.0.0.1:6379: start it, or set REDIS_URL",
  isMet: await answers(new URL(REDIS_URL)),
};

/** Requires the programs of Redis, for tests that stop servers and build clusters. */
export const REDIS_SERVER: Requirement = {
  description: "redis-server and redis-cli: install them",
  isMet: ["redis-server", "redis-cli"].every((name) => spawnSync(name, ["--version"]).status === 0),
};

function answers({ hostname, port }: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: hostname, port: Number(port || 6379) });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("close", () => socket.destroy());
    socket.once("connect", () => socket.end());
  });
}

/** Returns a port that nothing listens on. */
export async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** A server of a test's own. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly process: ChildProcess;
  /** Ends it at once, and starts it again with the same data. */
  restart(): Promise<void>;
  kill(): Promise<void>;
  /** Ends it and deletes its data. */
  close(): Promise<void>;
}

/** Starts a server in a folder of its own. */
export async function startRedis(options: readonly string[] = []): Promise<RedisServer> {
  const [port, folder] = [await findFreePort(), mkdtempSync(join(tmpdir(), "orgate-redis-"))];
  const settings = ["--port", String(port), "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  let running = await launch([...settings, ...options]);
  const kill = async (): Promise<void> => {
    if (running.exitCode !== null || running.signalCode !== null) return;
    const exited = once(running, "exit");
    running.kill("SIGKILL");
    await exited;
  };
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    get process() {
      return running;
    },
    kill,
    async restart() {
      await kill();
      running = await launch([...settings, ...options]);
    },
    async close() {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function launch(
  parameters: readonly string[],
  announcement = "Ready to accept connections",
): Promise<ChildProcess> {
  const server = spawn("redis-server", parameters, { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: server.stdout })) {
    if (line.includes(announcement)) {
      server.stdout.resume();
      return server;
    }
  }
  throw new Error(`redis-server ended: ${parameters.join(" ")}`);
}

/** A primary, its replica, and a sentinel that watches them under the name `main`. */
export interface RedisSentinel {
  readonly sentinelPort: number;
  /** Resolves when the replica has everything. Before a failover alone. */
  replicated(): Promise<void>;
  close(): Promise<void>;
}

/** Starts them, and waits until the sentinel knows the replica. */
export async function startRedisSentinel(): Promise<RedisSentinel> {
  const primary = await startRedis(["--repl-diskless-sync-delay", "0"]);
  const replica = await startRedis(["--replicaof", "127.0.0.1", String(primary.port)]);
  const [port, folder] = [await findFreePort(), mkdtempSync(join(tmpdir(), "orgate-sentinel-"))];
  const configuration = join(folder, "sentinel.conf");
  const lines = [
    `port ${port}`,
    "bind 127.0.0.1",
    `dir ${folder}`,
    `sentinel monitor main 127.0.0.1 ${primary.port} 1`,
    "sentinel down-after-milliseconds main 1000",
    "sentinel failover-timeout main 5000",
  ];
  writeFileSync(configuration, lines.join("\n"));
  const sentinel = await launch([configuration, "--sentinel"], "+slave");
  return {
    sentinelPort: port,
    async replicated() {
      // WAIT is about the writes of its own connection: one after all others has the others before it.
      const input = "SET replicated 1\nWAIT 1 10000\n";
      const { stdout } = spawnSync("redis-cli", ["-p", String(primary.port)], { encoding: "utf8", input });
      if (stdout.trim() !== "OK\n1") throw new Error("The replica lags behind.");
    },
    async close() {
      sentinel.kill("SIGKILL");
      await Promise.all([primary.close(), replica.close()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A cluster of three primaries. */
export interface RedisCluster {
  readonly ports: readonly number[];
  readonly servers: readonly RedisServer[];
  close(): Promise<void>;
}

/** Starts a cluster and waits until it serves every slot. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  for (let node = 0; node < 3; node += 1) {
    const busPort = await findFreePort();
    servers.push(await startRedis(["--cluster-enabled", "yes", "--cluster-port", String(busPort)]));
  }
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  const { status, stdout } = spawnSync("redis-cli", ["--cluster", "create", ...addresses, "--cluster-yes"], {
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`The cluster cannot be made:\n${stdout}`);
  return {
    ports: servers.map(({ port }) => port),
    servers,
    async close() {
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}
