import { cpus } from "node:os";
import { measureMemory } from "./memory.ts";
import { measureNeverSeen } from "./never-seen.ts";
import { measureOverHttp } from "./over-http.ts";
import { measurePolicies, type PolicyRow, type Spread as PolicySpread } from "./policy.ts";
import { measureSeenBefore } from "./seen-before.ts";
import { printRows, type Row } from "./table.ts";
import { makeWorld } from "./world.ts";

const IS_QUICK = process.env["BENCH_QUICK"] === "1";

/** Measures everything and prints it, group by group. */
export async function runBenchmark(loadScript: string): Promise<void> {
  const start = Date.now();
  console.log(
    `Node ${process.version}, ${new Date().toISOString().slice(0, 10)}, ${cpus().length} x ${cpus()[0]?.model}`,
  );
  console.log(
    "CPU microseconds, all threads, per request or call; medians and quartiles of interleaved rounds.",
  );
  const world = await makeWorld(IS_QUICK ? 1_000 : 5_000);
  const members = world.sessions.length.toLocaleString("en");
  printRows(`Seen before, in process: ${members} tokens`, await measureSeenBefore(world, IS_QUICK ? 15 : 80));
  printRows("Never seen before, in process", await measureNeverSeen(world, IS_QUICK ? 5 : 25));
  const overHttp = await measureOverHttp(world, loadScript, IS_QUICK ? 20 : 120);
  printRows(`Seen before, over HTTP on Express 5: ${members} tokens`, overHttp.seen);
  printRows("Never seen before, over HTTP", overHttp.neverSeen);
  printRows("Refused before the signature, over HTTP", overHttp.refused);
  printRows("Permission check", policyRows(measurePolicies()));
  printRows("Memory", measureMemory(world, IS_QUICK ? 10_000 : 100_000));
  console.log(`\n${Math.round((Date.now() - start) / 1000)} s`);
}

function policyRows(policies: readonly PolicyRow[]): readonly Row[] {
  const [smallest] = policies;
  const largest = policies.at(-1);
  if (smallest === undefined || largest === undefined) return [];
  const growth = largest.scattered.median / smallest.scattered.median;
  const inNanoseconds = ({ median, lowest, highest }: PolicySpread) => ({
    median,
    low: lowest,
    high: highest,
  });
  return [
    ...policies.map(({ resources, scattered }): Row => ({
      what: `${resources.toLocaleString("en")} resources, another each time`,
      measured: inNanoseconds(scattered),
      unit: "ns",
      digits: 0,
      target: 1000,
      note: "lowest .. highest",
    })),
    {
      what: "... growth from smallest to largest",
      measured: { median: growth, low: growth, high: growth },
      unit: "x",
      target: 5,
    },
  ];
}
