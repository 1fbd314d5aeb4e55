import { spawnSync } from "node:child_process";
import { ratioOf, spreadOf } from "./statistics.ts";
import type { Row } from "./table.ts";

const DEPENDENCIES = ["jose", "cookie", "iron-webcrypto", "lru-cache"];

/** Written by each process: CPU time since its start, in microseconds. */
const REPORT = "const { user, system } = process.cpuUsage(); process.stdout.write(String(user + system));";

/**
 * Measures fresh processes that import the built package, beside processes that import its dependencies.
 *
 * @param folder - where `orgate` and the dependencies resolve
 */
export function measureImports(folder: string, rounds: number): readonly Row[] {
  const scripts = {
    nothing: [],
    orgate: ["orgate"],
    dependencies: DEPENDENCIES,
  };
  const names = Object.keys(scripts) as (keyof typeof scripts)[];
  const taken = { nothing: [], orgate: [], dependencies: [] } as Record<keyof typeof scripts, number[]>;
  for (let round = -1; round < rounds; round += 1) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const cpu = runProcess(folder, scripts[name]);
      if (round >= 0) taken[name].push(cpu);
    }
  }
  const row = (what: string, values: readonly number[]): Row => ({
    what,
    measured: spreadOf(values.map((value) => value / 1000)),
    unit: "ms",
    digits: 1,
  });
  return [
    row("a process that imports nothing", taken.nothing),
    row(`... ${DEPENDENCIES.join(", ")}`, taken.dependencies),
    row("... orgate", taken.orgate),
    {
      what: "import of orgate in a fresh process, of importing its dependencies",
      measured: ratioOf(taken.orgate, taken.dependencies),
      unit: "x",
      target: { atMost: 1.4 },
    },
  ];
}

function runProcess(folder: string, modules: readonly string[]): number {
  const script = [...modules.map((name) => `import "${name}";`), REPORT].join("\n");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    cwd: folder,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}
