import { fork } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { LoadOrder, LoadReport, Stream } from "./load.ts";
import { BARE, type Peer } from "./peers.ts";
import { costOf, type Cost } from "./statistics.ts";

/** An Express application whose middleware can be replaced under load. */
export interface Stage {
  /** Registers requests under a name with the load process. */
  learn(name: string, requests: readonly string[]): Promise<void>;
  /** Measures this process per request; asserts the status of every response. */
  play(peer: Peer, load: string, count: number, expected?: number): Promise<Cost>;
  /** Measures this process per second under streams of a fixed rate, and the latencies that the client saw. */
  playPaced(
    peer: Peer,
    streams: readonly Stream[],
    seconds: number,
  ): Promise<{
    readonly cost: Cost;
    readonly report: LoadReport;
    readonly statuses: ReadonlyMap<number, number>;
  }>;
  close(): void;
}

const CONNECTIONS = 16;

/** Starts a server, and a process that sends it load. */
export async function openStage(loadScript: string): Promise<Stage> {
  let peer = BARE;
  const statuses = new Map<number, number>();
  const app = express();
  app.use((request, response, next) => peer.middleware(request, response, next));
  const guard: Peer["guard"] = (request, response, next) => peer.guard(request, response, next);
  app.get("/documents", guard, (_request: IncomingMessage, response: express.Response) => {
    response.json({ documents: ["one", "two"] });
  });
  const server = createServer((request, response) => {
    app(request, response);
    response.once("finish", () =>
      statuses.set(response.statusCode, (statuses.get(response.statusCode) ?? 0) + 1),
    );
  });
  // A stage may have to wait for its turn.
  server.keepAliveTimeout = 0;
  server.headersTimeout = 0;
  server.requestTimeout = 0;
  await once(server.listen(0, "127.0.0.1"), "listening");
  const load = fork(loadScript);
  const order = (what: LoadOrder): Promise<LoadReport> => {
    load.send(what);
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error("the process that sends the load has ended"));
      load.once("exit", fail);
      load.once("message", (report) => {
        load.off("exit", fail);
        resolve(report as LoadReport);
      });
    });
  };
  const { port } = server.address() as AddressInfo;
  await order({ do: "connect", port, connections: CONNECTIONS });

  return {
    async learn(name, requests) {
      await order({ do: "learn", name, requests });
    },
    async play(next, name, count, expected = 200) {
      peer = next;
      await order({ do: "send", name, count: CONNECTIONS });
      statuses.clear();
      collectYoung();
      const { cpu, wall } = await costOf(() => order({ do: "send", name, count }));
      if (statuses.get(expected) !== count) throw new Error(`${name}: ${[...statuses].join("; ")}`);
      return { cpu: cpu / count, wall: wall / count };
    },
    async playPaced(next, streams, seconds) {
      peer = next;
      statuses.clear();
      collectYoung();
      let report: LoadReport = { latencies: {} };
      const { cpu, wall } = await costOf(async () => {
        report = await order({ do: "pace", streams, seconds });
      });
      return { cost: { cpu: cpu / seconds, wall: wall / seconds }, report, statuses: new Map(statuses) };
    },
    close() {
      load.kill();
      server.close();
      server.closeAllConnections();
    },
  };
}

/** What earlier slices have left must not be collected at the expense of this one. */
function collectYoung(): void {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  globalThis.gc({ type: "minor" });
}
