import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { type Socket, createConnection } from "node:net";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";

/** One command, as `MONITOR` tells of it. */
const MONITORED = /^\+[\d.]+ \[\d+ (\S+)\] (.+)$/;

/** Counts the commands that reach servers about keys with a prefix, but not those that scripts make there. */
export class CommandCounter {
  readonly #nodes: { readonly client: Redis; readonly monitor: Socket }[] = [];
  readonly #told = new Map<string, () => void>();
  readonly #prefix: string;
  #commands: string[] = [];

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async watch(ports: readonly number[], prefix: string): Promise<CommandCounter> {
    const counter = new CommandCounter(prefix);
    for (const port of ports) {
      const monitor = createConnection({ host: "127.0.0.1", port });
      const lines = createInterface({ input: monitor });
      monitor.write("MONITOR\r\n");
      await once(lines, "line");
      lines.on("line", (line: string) => counter.#hear(line, port));
      counter.#nodes.push({ client: new Redis(port), monitor });
    }
    return counter;
  }

  /** The names of the commands that a call sends. */
  async during(call: () => Promise<unknown>): Promise<readonly string[]> {
    await this.#catchUp();
    this.#commands = [];
    await call();
    await this.#catchUp();
    return this.#commands;
  }

  #hear(line: string, port: number): void {
    const [, source, command = ""] = MONITORED.exec(line) ?? [];
    const [name = "", ...args] = [...command.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, text = ""]) => text);
    if (source !== "lua" && args.some((argument) => argument.startsWith(this.#prefix))) {
      this.#commands.push(name.toUpperCase());
    }
    this.#told.get(`${port} ${args[0]}`)?.();
  }

  /** A monitor hears of commands in their order: when it hears of the last one, it has heard of all. */
  async #catchUp(): Promise<void> {
    const token = randomUUID();
    await Promise.all(
      this.#nodes.map(async ({ client, monitor }) => {
        const told = new Promise<void>((resolve) => {
          this.#told.set(`${monitor.remotePort} ${token}`, resolve);
        });
        await client.echo(token);
        await told;
      }),
    );
    this.#told.clear();
  }

  close(): void {
    for (const { client, monitor } of this.#nodes) {
      client.disconnect();
      monitor.destroy();
    }
  }
}
