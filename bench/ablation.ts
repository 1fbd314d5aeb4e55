import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildVariant } from "./build-variant.mjs";
import { requestText } from "./exchanges.ts";
import { REFUSED } from "./forge.ts";
import { openStage, type Stage } from "./http-stage.ts";
import { printMachine } from "./main.ts";
import type { PackageBuild } from "./package-build.ts";
import { PATCHES, type Load, type Patch } from "./patches.ts";
import { orgatePeer, type Peer } from "./peers.ts";
import { differenceOf, inRounds, type Plan, type Spread } from "./statistics.ts";
import { printTable } from "./table.ts";
import { makeWorld, type Way, type World } from "./world.ts";

/** How the ablation is run. */
export interface AblationOptions {
  readonly quick: boolean;
  /** Part of a patch's name: only the patches with it are measured. */
  readonly only?: string | undefined;
  readonly loadScript: string;
  /** The folder of the package. */
  readonly root: string;
  /** A folder for the builds, in which dependencies resolve. */
  readonly folder: string;
}

/** Sources without a change: what two equal builds differ in is noise. */
const CONTROL: Patch = {
  name: "nothing (control)",
  loads: ["bearer seen", "bearer never seen", "cookie never seen", "refused"],
  edits: [],
};

const CACHE: Readonly<Record<Load, { readonly way: Way; readonly maxEntries: number }>> = {
  "bearer seen": { way: "bearer", maxEntries: 10_000 },
  "cookie seen": { way: "cookie", maxEntries: 10_000 },
  "bearer never seen": { way: "bearer", maxEntries: 100 },
  "cookie never seen": { way: "cookie", maxEntries: 100 },
  refused: { way: "bearer", maxEntries: 100 },
};

/** Measures every optimisation over HTTP: two builds in one process, one without it, each behind a server of its own. */
export async function runAblation(options: AblationOptions): Promise<void> {
  const { quick, only = "" } = options;
  printMachine();
  const requests = quick ? 200 : 500;
  const plan: Plan = quick ? { rounds: 3, slices: 1 } : { rounds: 11, slices: 16 };
  const world = await makeWorld(quick ? 600 : 5_000);
  const current = await loadBuild(options, CONTROL, "current");
  const base = await openBench(world, options.loadScript);
  const noise = new Map<Load, Spread>();
  const lines: string[][] = [];
  try {
    const chosen = PATCHES.filter(({ name }) => name.includes(only));
    for (const [index, patch] of [CONTROL, ...chosen].entries()) {
      const changed = await loadBuild(options, patch, `variant-${index}`);
      const bench = await openBench(world, options.loadScript);
      const loads = patch === CONTROL ? loadsOf([CONTROL, ...chosen]) : patch.loads;
      for (const load of loads) {
        const taken = await inRounds(plan, {
          on: base.job(load, current, requests),
          off: bench.job(load, changed, requests),
        });
        const measured = differenceOf(taken.cpu.off, taken.cpu.on);
        if (patch === CONTROL) noise.set(load, measured);
        const verdict = patch === CONTROL ? "" : judge(measured, noise.get(load));
        lines.push([patch.name, load, ...write(measured), verdict]);
        console.log(`${patch.name}, ${load}: ${write(measured).join(", ")} ${verdict}`);
      }
      bench.close();
    }
  } finally {
    base.close();
    await world.close();
  }
  printTable(
    "Without it, a request takes more CPU",
    ["optimisation", "load", "median", "quartiles", "beyond noise"],
    lines,
  );
}

/** A server for one build, with a job for each load. */
interface Bench {
  job(load: Load, build: PackageBuild, requests: number): () => ReturnType<Stage["play"]>;
  close(): void;
}

async function openBench(world: World, loadScript: string): Promise<Bench> {
  const stage = await openStage(loadScript);
  for (const way of ["bearer", "cookie"] as const) {
    await stage.learn(
      way,
      world.credentials[way].map((credential) => requestText(way, credential)),
    );
  }
  const refused = Object.values(REFUSED);
  const broken = world.credentials.bearer
    .slice(0, 1_000)
    .map((token, index) => requestText("bearer", refused[index % refused.length]?.(token) ?? ""));
  await stage.learn("refused", broken);
  return {
    job(load, build, requests) {
      const { way, maxEntries } = CACHE[load];
      const peer: Peer = orgatePeer(world, way, { cache: { maxEntries } }, build);
      let isWarm = false;
      return async () => {
        if (load === "refused") return stage.play(peer, "refused", requests, 401);
        if (!isWarm) await stage.play(peer, way, world.credentials[way].length + 100);
        isWarm = true;
        return stage.play(peer, way, requests);
      };
    },
    close: () => stage.close(),
  };
}

async function loadBuild(
  { root, folder }: AblationOptions,
  patch: Patch,
  name: string,
): Promise<PackageBuild> {
  const file = await buildVariant({ root, folder, name, edits: patch.edits });
  return (await import(pathToFileURL(join(folder, file)).href)) as PackageBuild;
}

function loadsOf(patches: readonly Patch[]): readonly Load[] {
  return [...new Set(patches.flatMap(({ loads }) => loads))];
}

/** An effect counts where its quartiles exclude zero and its median is beyond what two equal builds differ by. */
function judge({ median, low, high }: Spread, noise: Spread | undefined): string {
  const limit = Math.max(Math.abs(noise?.low ?? 0), Math.abs(noise?.high ?? 0));
  if (median > limit && low > 0) return "yes";
  return median < -limit && high < 0 ? "yes, it is slower with it" : "no";
}

function write({ median, low, high }: Spread): string[] {
  return [`${median.toFixed(1)} us`, `${low.toFixed(1)} .. ${high.toFixed(1)}`];
}
