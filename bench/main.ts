import { cpus } from "node:os";
import { measureImports } from "./imports.ts";
import { measureForged, measureNeverSeen, measureSeenBefore } from "./in-process.ts";
import { measureMemory } from "./memory.ts";
import { measureOverHttp } from "./over-http.ts";
import { measurePolicies } from "./policy.ts";
import { isMet, printRows, type Row } from "./table.ts";
import { makeWorld } from "./world.ts";

/** How the benchmark is run. */
export interface BenchOptions {
  /** Runs everything, but so briefly that the figures mean little. */
  readonly quick: boolean;
  /** The bundled script of the process that sends the load. */
  readonly loadScript: string;
  /** A folder in which `orgate` resolves to the built package. */
  readonly packageFolder: string;
}

/** Measures everything; prints it group by group, and all that has a target in a last table. */
export async function runBenchmark({ quick, loadScript, packageFolder }: BenchOptions): Promise<void> {
  const start = Date.now();
  printMachine();
  const targets: Row[] = [];
  const print = (title: string, rows: readonly Row[]): void => {
    printRows(title, rows);
    targets.push(...rows.filter(({ target }) => target !== undefined));
  };
  const rounds = quick ? 2 : 15;
  const world = await makeWorld(quick ? 600 : 5_000);
  try {
    const neverSeen = await measureNeverSeen(world, { rounds, slices: quick ? 1 : 2 });
    print("Never seen, in process, one at a time", neverSeen.one);
    print("Never seen, in process, 32 in flight", neverSeen.many);
    print("Seen before, in process", await measureSeenBefore(world, { rounds, slices: quick ? 1 : 3 }));
    print("Forged signature, in process", await measureForged(world, { rounds, slices: quick ? 1 : 2 }));
    const overHttp = await measureOverHttp(world, loadScript, {
      rounds: quick ? 2 : 11,
      slices: quick ? 1 : 10,
      requests: quick ? 200 : 500,
    });
    print("Seen before, over HTTP on Express 5", overHttp.seen);
    print("Never seen, over HTTP", overHttp.neverSeen);
    print("Refused before the signature, over HTTP", overHttp.refused);
    print("Forged signature, over HTTP", overHttp.forged);
    print("Flood of forged signatures, over HTTP", overHttp.flood);
    print("Memory", await measureMemory(world, quick ? 2 : 9));
  } finally {
    await world.close();
  }
  print("Permission check", await measurePolicies(rounds));
  print("Import", measureImports(packageFolder, quick ? 3 : 21));
  printRows("Targets", targets);
  const missed = targets.filter((row) => !isMet(row)).length;
  const seconds = Math.round((Date.now() - start) / 1000);
  console.log(`\n${targets.length - missed} of ${targets.length} targets met, ${seconds} s`);
}

/** Prints what the figures depend on. */
export function printMachine(): void {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  console.log(`Node ${process.version}, ${date}, ${cpus().length} x ${cpu?.model}`);
  console.log("CPU time of all threads, per call or request, unless a row says otherwise.");
}
