import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { LoadOrder } from "./load.ts";
import { cpuOfAsync } from "./statistics.ts";

type Step = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** The middleware, and the guard on the route. */
export interface Act {
  readonly middleware: Step;
  readonly guard: Step;
}

/** An Express application whose middleware can be replaced under load. */
export interface Stage {
  /** Registers requests under a name with the load process. */
  learn(name: string, requests: readonly string[]): Promise<void>;
  /** Measures CPU microseconds of this process per request; asserts the status of every response. */
  play(act: Act, load: string, expected?: number): Promise<number>;
  close(): void;
}

const CONNECTIONS = 16;
/** Enough requests that every run includes garbage collection. */
export const REQUESTS = 1_000;

const pass: Step = (_request, _response, next) => next();

/** Nothing: the bare route. */
export const BARE: Act = { middleware: pass, guard: pass };

/** Starts the server, and the process that sends the load. */
export async function openStage(loadScript: string): Promise<Stage> {
  let act = BARE;
  const statuses = new Map<number, number>();
  const app = express();
  app.use((request, response, next) => act.middleware(request, response, next));
  const guard: Step = (request, response, next) => act.guard(request, response, next);
  app.get("/documents", guard, (_request: IncomingMessage, response: express.Response) => {
    response.json({ documents: ["one", "two"] });
  });
  const server = createServer((request, response) => {
    app(request, response);
    response.once("finish", () =>
      statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1),
    );
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const load = fork(loadScript);
  const order = async (what: LoadOrder): Promise<void> => {
    load.send(what);
    await once(load, "message");
  };
  const { port } = server.address() as AddressInfo;
  await order({ do: "connect", port, connections: CONNECTIONS });

  return {
    learn: (name, requests) => order({ do: "learn", name, requests }),
    async play(next, name, expected = 200) {
      act = next;
      await order({ do: "send", name, count: CONNECTIONS });
      statuses.clear();
      const spent = await cpuOfAsync(() => order({ do: "send", name, count: REQUESTS }));
      if (statuses.get(expected) !== REQUESTS) throw new Error(`${name}: ${[...statuses].join("; ")}`);
      return spent / REQUESTS;
    },
    close() {
      load.kill();
      server.close();
      server.closeAllConnections();
    },
  };
}
