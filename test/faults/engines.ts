import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { type AddressInfo, type Socket, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { Client } from "pg";
import { passed } from "./fleet.ts";
import type { EngineAddress } from "./worker.ts";

export type EngineKind = EngineAddress["kind"];

/** An engine of a test's own, which it can kill. All connections go through a proxy that can swallow them. */
export interface OwnEngine {
  readonly address: EngineAddress;
  /** `kill -9` of all its processes. */
  kill(): Promise<void>;
  /** Starts it again with the data that it had. */
  revive(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Packets go nowhere: no answer and no refusal. */
  swallow(isOn: boolean): void;
  /** As after a failover: it answers, and refuses to write. */
  setReadOnly(isOn: boolean): Promise<void>;
  close(): Promise<void>;
}

/** Starts an engine. A durable one acknowledges a write when it is on the disk. */
export async function startOwnEngine(
  kind: EngineKind,
  { isDurable }: { readonly isDurable: boolean },
): Promise<OwnEngine> {
  const folder = mkdtempSync(join(tmpdir(), `orgate-${kind}-`));
  const port = await freePort();
  const server =
    kind === "redis" ? new RedisServer(folder, port, isDurable) : new PostgresServer(folder, port, isDurable);
  await server.start();
  const proxy = await startProxy(port);
  const name = `faults_${randomBytes(4).toString("hex")}`;
  const address: EngineAddress =
    kind === "redis"
      ? { kind, url: `redis://127.0.0.1:${proxy.port}`, prefix: `${name}:` }
      : { kind, url: `postgres://postgres@127.0.0.1:${proxy.port}/postgres`, schema: name };
  return {
    address,
    async kill() {
      await server.kill();
      proxy.drop();
    },
    revive: () => server.start(),
    freeze: () => server.signal("SIGSTOP"),
    thaw: () => server.signal("SIGCONT"),
    swallow: (isOn) => proxy.swallow(isOn),
    setReadOnly: (isOn) => server.setReadOnly(isOn),
    async close() {
      server.signal("SIGCONT");
      await server.kill();
      await proxy.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The engine that runs on this machine, under a name of the test's own. */
export function sharedEngine(kind: EngineKind): EngineAddress {
  const name = `faults_${randomBytes(4).toString("hex")}`;
  return kind === "redis"
    ? { kind, url: process.env["REDIS_URL"] ?? "redis://127.0.0.1:6379", prefix: `${name}:` }
    : {
        kind,
        url: process.env["POSTGRES_URL"] ?? "postgres://root@127.0.0.1:5432/test",
        schema: name,
      };
}

abstract class EngineServer {
  protected child: ChildProcess | undefined;
  protected readonly folder: string;
  protected readonly port: number;
  protected readonly isDurable: boolean;

  constructor(folder: string, port: number, isDurable: boolean) {
    this.folder = folder;
    this.port = port;
    this.isDurable = isDurable;
  }

  abstract start(): Promise<void>;
  abstract setReadOnly(isOn: boolean): Promise<void>;
  protected abstract pids(): readonly number[];

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    for (const pid of this.pids()) {
      try {
        process.kill(pid, signal);
      } catch (error) {
        // It has ended by itself.
        if (Reflect.get(Object(error), "code") !== "ESRCH") throw error;
      }
    }
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null) return;
    const exited = new Promise((resolve) => child.once("exit", resolve));
    this.signal("SIGKILL");
    await exited;
    this.child = undefined;
  }

  protected async untilItListens(): Promise<void> {
    for (let attempt = 0; attempt < 300; attempt += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
      if (await listens(this.port)) return;
      // oxlint-disable-next-line no-await-in-loop -- as above
      await passed(50);
    }
    throw new Error(`nothing listens on port ${this.port} after 15 seconds`);
  }
}

class RedisServer extends EngineServer {
  async start(): Promise<void> {
    const fsync = this.isDurable ? "always" : "everysec";
    const options = `--port ${this.port} --dir ${this.folder} --appendonly yes --appendfsync ${fsync} --save`;
    this.child = spawn("redis-server", [...options.split(" "), ""], { stdio: "ignore" });
    await this.untilItListens();
  }

  /** A primary without the replicas that it needs refuses to write, as one that was replaced does. */
  async setReadOnly(isOn: boolean): Promise<void> {
    const client = new Redis(this.port, "127.0.0.1");
    await client.config("SET", "min-replicas-to-write", isOn ? "1" : "0");
    client.disconnect();
  }

  protected pids(): readonly number[] {
    return this.child?.pid === undefined ? [] : [this.child.pid];
  }
}

class PostgresServer extends EngineServer {
  #isMade = false;

  async start(): Promise<void> {
    const data = join(this.folder, "data");
    const bin = postgresFolder();
    if (!this.#isMade) {
      execFileSync("chown", ["postgres", this.folder]);
      asPostgres(`${bin}/initdb`, ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync"]);
      this.#isMade = true;
    }
    // A postmaster that was killed leaves its file behind.
    rmSync(join(data, "postmaster.pid"), { force: true });
    const options = ["-D", data, "-p", String(this.port), "-k", this.folder];
    const commit = ["-c", `synchronous_commit=${this.isDurable ? "on" : "off"}`];
    const [command, args] = runAsPostgres(`${bin}/postgres`, [
      ...options,
      ...commit,
      "-c",
      "listen_addresses=127.0.0.1",
    ]);
    this.child = spawn(command, args, { stdio: "ignore" });
    await this.untilItListens();
  }

  async setReadOnly(isOn: boolean): Promise<void> {
    const client = new Client(`postgres://postgres@127.0.0.1:${this.port}/postgres`);
    await client.connect();
    await client.query(`ALTER SYSTEM SET default_transaction_read_only = ${isOn ? "on" : "off"}`);
    await client.query("SELECT pg_reload_conf()");
    await client.end();
  }

  protected pids(): readonly number[] {
    if (this.child?.pid === undefined) return [];
    const children = execFileSync("ps", ["-eo", "pid=,ppid="], { encoding: "utf8" })
      .split("\n")
      .map((line) => line.trim().split(/\s+/).map(Number));
    const found = [this.child.pid];
    for (const [pid, parent] of children) {
      if (pid !== undefined && parent !== undefined && found.includes(parent)) found.push(pid);
    }
    // The children first: the postmaster starts them anew.
    return found;
  }
}

function postgresFolder(): string {
  return execFileSync("sh", ["-c", "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1"], {
    encoding: "utf8",
  }).trim();
}

/** Postgres does not run as root. */
function runAsPostgres(command: string, args: readonly string[]): [string, string[]] {
  return process.getuid?.() === 0
    ? ["setpriv", ["--reuid=postgres", "--regid=postgres", "--clear-groups", command, ...args]]
    : [command, [...args]];
}

function asPostgres(command: string, args: readonly string[]): void {
  const [program, all] = runAsPostgres(command, args);
  execFileSync(program, all, { stdio: "ignore" });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

interface Proxy {
  readonly port: number;
  drop(): void;
  swallow(isOn: boolean): void;
  close(): Promise<void>;
}

/** Hands bytes on between processes and an engine, until it swallows them. */
async function startProxy(target: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let swallows = false;
  const server = createServer((near) => {
    const far = connect(target, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("data", (bytes) => {
        if (!swallows) to.write(bytes);
      });
      from.on("error", () => undefined);
      from.on("close", () => {
        sockets.delete(from);
        if (!swallows) to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const drop = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    drop,
    swallow(isOn) {
      swallows = isOn;
      // Bytes that were swallowed are gone: what comes after them would make no sense.
      if (!isOn) drop();
    },
    async close() {
      drop();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
