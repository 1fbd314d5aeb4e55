/** The median and the quartiles of a series of measurements. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The median and the quartiles. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number): number => sorted[Math.floor((sorted.length - 1) * share)] ?? NaN;
  return { median: at(0.5), low: at(0.25), high: at(0.75) };
}

/** The spread of the differences within each round, because a disturbance affects both sides of a round. */
export function differenceOf(values: readonly number[], from: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value - (from[round] ?? NaN)));
}

/** The spread of the ratios, round by round. */
export function ratioOf(values: readonly number[], to: readonly number[]): Spread {
  return spreadOf(values.map((value, round) => value / (to[round] ?? NaN)));
}

/** CPU microseconds of all threads that a job takes. */
export function cpuOf(job: () => void): number {
  const start = process.cpuUsage();
  job();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** The same for an asynchronous job. */
export async function cpuOfAsync(job: () => Promise<unknown>): Promise<number> {
  const start = process.cpuUsage();
  await job();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** Shuffles the names, so that no job always runs after the same other one. */
export function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

/** The cost of each job in each round, by name. */
export type Rounds<Name extends string> = Readonly<Record<Name, readonly number[]>>;

/** Runs every job once in each round, in a new order. The first rounds warm up and do not count. */
export async function inRounds<Name extends string>(
  rounds: number,
  jobs: Readonly<Record<Name, () => number | Promise<number>>>,
): Promise<Rounds<Name>> {
  const names = Object.keys(jobs) as Name[];
  const taken = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  const warmUps = Math.ceil(rounds / 10) + 1;
  for (let round = -warmUps; round < rounds; round += 1) {
    for (const name of shuffled(names)) {
      const microseconds = await jobs[name]();
      if (round >= 0) taken[name].push(microseconds);
    }
  }
  return taken;
}
