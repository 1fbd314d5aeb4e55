import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildVariant } from "./build-variant.mjs";
import { requestText } from "./exchanges.ts";
import { REFUSED } from "./forge.ts";
import { openStage } from "./http-stage.ts";
import { printMachine } from "./main.ts";
import type { PackageBuild } from "./package-build.ts";
import { PATCHES, type Load, type Patch } from "./patches.ts";
import { orgatePeer } from "./peers.ts";
import { differenceOf, inRounds, type Cost, type Plan, type Spread } from "./statistics.ts";
import { printed, printTable } from "./table.ts";
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
const CONTROL = { name: "nothing (control)", edits: [] };

const CACHE: Readonly<Record<Load, { readonly way: Way; readonly maxEntries: number }>> = {
  "bearer seen": { way: "bearer", maxEntries: 10_000 },
  "cookie seen": { way: "cookie", maxEntries: 10_000 },
  "bearer never seen": { way: "bearer", maxEntries: 100 },
  "cookie never seen": { way: "cookie", maxEntries: 100 },
  refused: { way: "bearer", maxEntries: 100 },
};

/**
 * Measures every optimisation over HTTP: two builds in one process, one of them without it, each behind a server of its own.
 * Returns what it printed.
 */
export async function runAblation(options: AblationOptions): Promise<string> {
  const { quick, only = "" } = options;
  printMachine(quick);
  const plan: Plan = quick ? { rounds: 3, slices: 1, warmUps: 1 } : { rounds: 11, slices: 16, warmUps: 8 };
  const chosen = PATCHES.filter(({ name }) => name.includes(only));
  const control: Patch = { ...CONTROL, loads: [...new Set(chosen.flatMap(({ loads }) => loads))] };
  const files = await buildAll([control, ...chosen], options);
  const world = await makeWorld(quick ? 600 : 5_000);
  const noise = new Map<Load, Spread>();
  const lines: string[][] = [];
  for (const patch of [control, ...chosen]) {
    // Both sides are new for each patch: code that has run for longer is faster.
    const on = await openSide(world, options, files.get(control));
    const off = await openSide(world, options, files.get(patch));
    for (const load of patch.loads) {
      const { cpu } = await inRounds(plan, { on: on.job(load), off: off.job(load) });
      const measured = differenceOf(cpu.off, cpu.on);
      if (patch === control) noise.set(load, measured);
      const line = [
        patch.name,
        load,
        ...write(measured),
        patch === control ? "" : judge(measured, noise.get(load)),
      ];
      lines.push(line);
      console.log(line.join(" | "));
    }
    on.close();
    off.close();
  }
  await world.close();
  const header = ["optimisation", "load", "median", "quartiles", "moves the figure"];
  printTable("CPU that a request takes more without the optimisation", header, lines);
  return printed.join("\n");
}

/** Bundles the sources with each patch, before anything is measured. Names every patch that no longer applies. */
async function buildAll(
  patches: readonly Patch[],
  { root, folder }: AblationOptions,
): Promise<ReadonlyMap<Patch, string>> {
  const files = new Map<Patch, string>();
  const problems: string[] = [];
  for (const [index, patch] of patches.entries()) {
    try {
      files.set(patch, await buildVariant({ root, folder, name: `variant-${index}`, edits: patch.edits }));
    } catch (error) {
      problems.push(`${patch.name}: ${String(error)}`);
    }
  }
  if (problems.length > 0) throw new Error(`patches that do not apply:\n${problems.join("\n")}`);
  return files;
}

/** One build behind a server, with a job for each load. */
interface Side {
  job(load: Load): () => Promise<Cost>;
  close(): void;
}

let sides = 0;

async function openSide(
  world: World,
  { folder, loadScript, quick }: AblationOptions,
  file = "",
): Promise<Side> {
  sides += 1;
  // Another query is another instance of the module.
  const build = (await import(`${pathToFileURL(join(folder, file)).href}?${sides}`)) as PackageBuild;
  const stage = await openStage(loadScript);
  const { bearer, cookie } = world.credentials;
  await stage.learn(
    "bearer",
    bearer.map((credential) => requestText("bearer", credential)),
  );
  await stage.learn(
    "cookie",
    cookie.map((credential) => requestText("cookie", credential)),
  );
  await stage.learn(
    "refused",
    bearer.slice(0, 1_000).map((token, index) => requestText("bearer", breakToken(token, index))),
  );
  const requests = quick ? 200 : 500;
  return {
    job(load) {
      const { way, maxEntries } = CACHE[load];
      const peer = orgatePeer(world, way, { cache: { maxEntries } }, build);
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

function breakToken(token: string, index: number): string {
  const ways = Object.values(REFUSED);
  return ways[index % ways.length]?.(token) ?? "";
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
