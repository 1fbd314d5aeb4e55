import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import type { Order, Statistics, WorkerSettings } from "./worker.ts";

/** What a process answered to a browser. */
export interface Reply {
  readonly status: number;
  readonly cookies: readonly string[];
  readonly retryAfter: number | undefined;
  readonly location: string | undefined;
  readonly body: string;
  readonly milliseconds: number;
}

/** No answer came: the process died, or took longer than ten seconds. */
export const LOST: Reply = {
  status: 0,
  cookies: [],
  retryAfter: undefined,
  location: undefined,
  body: "",
  milliseconds: 0,
};

/** One process of a fleet, as its parent sees it. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 128 });
  readonly #waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  readonly exited: Promise<unknown>;
  #lastId = 0;
  #port = 0;

  constructor(script: string, settings: WorkerSettings) {
    this.#child = fork(script, [], {
      env: { ...process.env, FAULTS_SETTINGS: JSON.stringify(settings), NODE_ENV: "production" },
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.exited = once(this.#child, "exit");
    this.#child.on("message", (message: { id?: number; ready?: number; value?: unknown; error?: string }) => {
      const waiting = this.#waiting.get(message.id ?? 0);
      this.#waiting.delete(message.id ?? 0);
      if (message.ready !== undefined) this.#port = message.ready;
      if (message.error === undefined) waiting?.resolve(message.value);
      else waiting?.reject(new Error(message.error));
    });
    this.#child.once("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the process has ended"));
      this.#waiting.clear();
    });
  }

  /** Resolves when the process listens. */
  ready(): Promise<unknown> {
    return this.#reply(0);
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Carries out an order in the process. */
  async ask(order: Order): Promise<unknown> {
    this.#lastId += 1;
    const reply = this.#reply(this.#lastId);
    this.#child.send({ id: this.#lastId, order });
    return reply;
  }

  async statistics(): Promise<Statistics> {
    return (await this.ask({ do: "statistics" })) as Statistics;
  }

  signal(signal: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.#agent.destroy();
    if (!this.isRunning) return;
    this.signal("SIGCONT");
    await this.ask({ do: "close" }).catch(() => undefined);
    this.#child.disconnect();
    await this.exited;
  }

  #reply(id: number): Promise<unknown> {
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  /** Sends a request; never rejects. */
  send(path: string, cookie = "", method = "GET"): Promise<Reply> {
    const startedAt = performance.now();
    return new Promise((resolve) => {
      const headers = {
        ...(cookie !== "" && { cookie }),
        accept: "application/json",
        origin: "http://127.0.0.1",
      };
      const outgoing = httpRequest(
        { host: "127.0.0.1", port: this.#port, agent: this.#agent, path, method, headers, timeout: 10_000 },
        (incoming) => {
          const chunks: Buffer[] = [];
          incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
          incoming.on("error", () => resolve(LOST));
          incoming.on("end", () => {
            const { "retry-after": wait, location } = incoming.headers;
            resolve({
              status: incoming.statusCode ?? 0,
              cookies: incoming.headers["set-cookie"] ?? [],
              retryAfter: wait === undefined ? undefined : Number(wait),
              location,
              body: Buffer.concat(chunks).toString(),
              milliseconds: performance.now() - startedAt,
            });
          });
        },
      );
      outgoing.on("timeout", () => outgoing.destroy(new Error("no answer in ten seconds")));
      outgoing.on("error", () => resolve(LOST));
      outgoing.end();
    });
  }
}

/** Several processes of one application. */
export class Fleet {
  readonly workers: Worker[] = [];
  readonly #script: string;
  readonly #settings: WorkerSettings;
  #ahead = 0;

  constructor(script: string, settings: WorkerSettings) {
    this.#script = script;
    this.#settings = settings;
  }

  static async start(script: string, settings: WorkerSettings, count: number): Promise<Fleet> {
    const fleet = new Fleet(script, settings);
    await Promise.all(Array.from({ length: count }, () => fleet.add()));
    return fleet;
  }

  /** Starts one more process, whose clock shows what the others' show. */
  async add(more: Partial<WorkerSettings> = {}, script = this.#script): Promise<Worker> {
    const worker = new Worker(script, { ...this.#settings, ...more });
    this.workers.push(worker);
    await worker.ready();
    await worker.ask({ do: "advance", seconds: this.#ahead });
    return worker;
  }

  at(index: number): Worker {
    const worker = this.workers[index % this.workers.length];
    if (worker === undefined) throw new Error("the fleet has no process");
    return worker;
  }

  /** Lets time pass in every process. */
  async advance(seconds: number): Promise<void> {
    this.#ahead += seconds;
    await this.all((worker) => worker.ask({ do: "advance", seconds }));
  }

  all<Value>(ask: (worker: Worker) => Promise<Value>): Promise<Value[]> {
    return Promise.all(this.workers.filter(({ isRunning }) => isRunning).map((worker) => ask(worker)));
  }

  /** Adds up what the processes count. */
  async count(of: (statistics: Statistics) => number): Promise<number> {
    const all = await this.all((worker) => worker.statistics());
    return all.reduce((sum, each) => sum + of(each), 0);
  }

  async signIn(userId: string, index = 0): Promise<string> {
    const reply = await this.at(index).send(`/sign-in?user=${userId}`, "", "POST");
    const cookie = sessionCookie(reply);
    if (cookie === undefined) throw new Error(`signing in ${userId}: ${reply.status} ${reply.body}`);
    return cookie;
  }

  async stop(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
  }
}

/** Ours, and WorkOS's. */
const SESSION_COOKIE = /^(?:orgate|wos-session)=/;

/** The session cookie that a reply sets; `undefined` where it sets none, `""` where it clears it. */
export function sessionCookie({ cookies }: Reply): string | undefined {
  const line = cookies.find((each) => SESSION_COOKIE.test(each));
  const [pair = ""] = line?.split(";", 1) ?? [];
  if (line === undefined) return undefined;
  return pair.endsWith("=") ? "" : pair;
}

/** Whether a reply signs the browser out. */
export function isSignedOut(reply: Reply): boolean {
  return reply.status === 401 || reply.status === 303 || sessionCookie(reply) === "";
}

/** Sends until the answer is something else than "try again", as browsers and load balancers do; at most `seconds`. */
export async function retry(send: () => Promise<Reply>, seconds: number): Promise<Reply> {
  const until = Date.now() + seconds * 1000;
  let reply = await send();
  while ((reply.status === 503 || reply.status === 0) && Date.now() < until) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await passed(200);
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    reply = await send();
  }
  return reply;
}

/** Resolves after so many milliseconds of real time: processes and engines run by that. */
export function passed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** The value below which this share of the values lies. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

/** How often each value occurs. */
export function tally(values: readonly (string | number)[]): Record<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(String(value), (counts.get(String(value)) ?? 0) + 1);
  return Object.fromEntries(counts);
}
