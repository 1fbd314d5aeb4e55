import { cpus } from "node:os";
import { measureImports } from "./imports.ts";
import { measureForged, measureNeverSeen, measureSeenBefore } from "./in-process.ts";
import { measureMemory } from "./memory.ts";
import { measureOverHttp } from "./over-http.ts";
import { measurePolicies } from "./policy.ts";
import type { Plan } from "./statistics.ts";
import { isMet, print, printed, printRows, type Row } from "./table.ts";
import { makeWorld, type World } from "./world.ts";

/** How the benchmark is run. */
export interface BenchOptions {
  /** Runs everything, but so briefly that the figures mean little. */
  readonly quick: boolean;
  /** Part of a group's name: only the groups with it are measured. */
  readonly only?: string | undefined;
  /** The bundled script of the process that sends the load. */
  readonly loadScript: string;
  /** A folder in which `orgate` resolves to the built package. */
  readonly packageFolder: string;
}

/** Tables by title. */
type Tables = Readonly<Record<string, readonly Row[]>>;

/** Measures everything; prints it group by group, and all that has a target in a last table. Returns what it printed. */
export async function runBenchmark(options: BenchOptions): Promise<string> {
  const start = Date.now();
  printMachine(options.quick);
  const world = await makeWorld(options.quick ? 2_000 : 5_000);
  const targets: Row[] = [];
  const groups = Object.entries(listGroups(world, options));
  for (const [, measure] of groups.filter(([name]) => name.includes(options.only ?? ""))) {
    for (const [title, rows] of Object.entries(await measure())) {
      printRows(title, rows);
      targets.push(...rows.filter(({ target }) => target !== undefined));
    }
  }
  await world.close();
  printRows("Targets", targets);
  const missed = targets.filter((row) => !isMet(row)).length;
  const seconds = Math.round((Date.now() - start) / 1000);
  print(`\n${targets.length - missed} of ${targets.length} targets met, ${seconds} s.`);
  return printed.join("\n");
}

function listGroups(
  world: World,
  { quick, loadScript, packageFolder }: BenchOptions,
): Readonly<Record<string, () => Tables | Promise<Tables>>> {
  const rounds = quick ? 3 : 15;
  const planOf = (slices: number): Plan => ({ rounds, slices: quick ? 1 : slices, warmUps: 3 });
  return {
    "never seen": async () => {
      const { one, many } = await measureNeverSeen(world, planOf(2));
      return {
        "Never seen, in process, one at a time": one,
        "Never seen, in process, 32 in flight": many,
      };
    },
    "seen before": async () => ({
      "Seen before, in process": await measureSeenBefore(world, planOf(3)),
    }),
    forged: async () => ({ "Forged signature, in process": await measureForged(world, planOf(2)) }),
    http: async () => {
      const plan = { ...planOf(10), rounds: quick ? 3 : 11, requests: quick ? 200 : 500 };
      const { seen, neverSeen, refused, forged, flood } = await measureOverHttp(world, loadScript, plan);
      return {
        "Seen before, over HTTP on Express 5": seen,
        "Never seen, over HTTP": neverSeen,
        "Refused before the signature, over HTTP": refused,
        "Forged signature, over HTTP": forged,
        "Flood of forged signatures, over HTTP": flood,
      };
    },
    memory: async () => ({ Memory: await measureMemory(world, quick ? 3 : 9) }),
    policy: async () => ({ "Permission check": await measurePolicies(rounds) }),
    import: () => ({ Import: measureImports(packageFolder, quick ? 3 : 21) }),
  };
}

/** Prints what the figures depend on. */
export function printMachine(quick: boolean): void {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  print(
    `Run of ${date}: Node ${process.version}, ${cpus().length} x ${cpu?.model}${quick ? ", quick: the figures mean little" : ""}.`,
  );
}
