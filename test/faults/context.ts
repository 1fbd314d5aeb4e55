import { type FakeWorkos, startFakeWorkos } from "../support/fake-workos.ts";
import { type EngineKind, sharedEngine } from "./engines.ts";
import { Fleet, passed } from "./fleet.ts";
import type { WorkerSettings } from "./worker.ts";

/** What every fault test is given. */
export interface FaultContext {
  /** The script of one process, bundled. */
  readonly script: string;
  /** The same of a release whose records have a field more. */
  readonly newerScript: string;
  /** Whether this is the short run of CI: fewer repetitions, and no percentiles, because the machine is busy. */
  readonly isShort: boolean;
  /** Minutes that the soak takes. */
  readonly soakMinutes: number;
  /** How often a process is killed at each point. */
  readonly crashes: number;
  /** Of the storm. */
  readonly rounds: number;
  readonly random: () => number;
}

/** What a fault test found. */
export interface FaultResult {
  readonly name: string;
  readonly figures: Readonly<Record<string, unknown>>;
  /** What is not as it must be. */
  readonly failures: readonly string[];
}

export type FaultTest = (context: FaultContext) => AsyncIterable<FaultResult>;

export const ENGINES: readonly EngineKind[] = ["redis", "postgres"];

/** Collects what is not as it must be. */
export class Findings {
  readonly failures: string[] = [];

  expect(what: string, holds: boolean, found: unknown): void {
    if (!holds) this.failures.push(`${what}: ${JSON.stringify(found)}`);
  }
}

/** A hosted service for a fleet, and the clock that both share. */
export interface Upstream {
  readonly fake: FakeWorkos;
  readonly url: string;
  advance(seconds: number): void;
  /** Calls that asked for a new pair, so far. */
  refreshes(): number;
  close(): void;
}

/** Starts a service that takes `latency` milliseconds for each refresh, and replays a spent token for `grace` seconds. */
export async function startUpstream(latency: number, grace: number): Promise<Upstream> {
  let ahead = 0;
  const fake = await startFakeWorkos(() => Date.now() / 1000 + ahead);
  fake.world.replayGrace = grace;
  fake.fail(
    "refresh_token",
    ({ answer, perform }) => {
      const performed = perform();
      void passed(latency).then(() => answer(performed));
    },
    Infinity,
  );
  return {
    fake,
    url: fake.url,
    advance: (seconds) => {
      ahead += seconds;
    },
    refreshes: () => fake.calls.filter((call) => call.endsWith(" refresh_token")).length,
    close: () => fake.close(),
  };
}

/** Which store a fleet has, and what it stands on. */
export interface Variant {
  readonly name: string;
  readonly engine: EngineKind;
  readonly isHosted: boolean;
}

/** The authority on each repository, and a hosted store with each coordinator. */
export const VARIANTS: readonly Variant[] = ENGINES.flatMap((engine) => [
  { name: `authority on ${engine}`, engine, isHosted: false },
  { name: `hosted store, ${engine} coordinator`, engine, isHosted: true },
]);

/** A fleet with its hosted service, if it has one. */
export interface Setting {
  readonly fleet: Fleet;
  readonly upstream: Upstream | undefined;
  /** The user that can sign in. */
  readonly userId: string;
  advance(seconds: number): Promise<void>;
  /** Asks that reached whatever issues tokens. */
  renewals(): Promise<number>;
  stop(): Promise<void>;
}

/** Starts a fleet on the engine of this machine. */
export async function startSetting(
  { script }: Pick<FaultContext, "script">,
  { engine, isHosted }: Pick<Variant, "engine" | "isHosted">,
  options: {
    readonly processes: number;
    readonly latency?: number;
    readonly upstreamGrace?: number;
    readonly settings?: Partial<WorkerSettings>;
  },
): Promise<Setting> {
  const { processes, latency = 50, upstreamGrace = 0, settings } = options;
  const upstream = isHosted ? await startUpstream(latency, upstreamGrace) : undefined;
  const fleet = await Fleet.start(
    script,
    {
      engine: sharedEngine(engine),
      ...(upstream === undefined ? { renewalDelay: latency } : { upstream: upstream.url }),
      ...settings,
    },
    processes,
  );
  return {
    fleet,
    upstream,
    userId: isHosted ? "bob" : "user_bob",
    async advance(seconds) {
      upstream?.advance(seconds);
      await fleet.advance(seconds);
    },
    renewals: async () => upstream?.refreshes() ?? fleet.count(({ renewals }) => renewals),
    async stop() {
      await fleet.stop();
      upstream?.close();
    },
  };
}
