/** The median and the quartiles of a series of measurements. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** The median and the quartiles. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const quantile = (share: number): number => {
    const place = (sorted.length - 1) * share;
    const [below = NaN, above = NaN] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return below === above ? below : below + (above - below) * (place - Math.floor(place));
  };
  return { median: quantile(0.5), low: quantile(0.25), high: quantile(0.75) };
}

/** The spread of a figure that each round gives: a disturbance affects all values of a round. */
export function spreadOfRounds(rounds: number, figure: (round: number) => number): Spread {
  return spreadOf(Array.from({ length: rounds }, (_, round) => figure(round)));
}

/** The spread of the differences, round by round. */
export function differenceOf(values: readonly number[], from: readonly number[]): Spread {
  return spreadOfRounds(values.length, (round) => at(values, round) - at(from, round));
}

/** The spread of the ratios, round by round. Beside something that costs nothing, a ratio says nothing: it is infinite. */
export function ratioOf(values: readonly number[], to: readonly number[]): Spread {
  return spreadOfRounds(values.length, (round) =>
    at(to, round) > 0 ? at(values, round) / at(to, round) : Infinity,
  );
}

/** The values less what every job of the same round costs besides. */
export function net(values: readonly number[], base: readonly number[]): readonly number[] {
  return values.map((value, round) => value - at(base, round));
}

function at(values: readonly number[], round: number): number {
  return values[round] ?? NaN;
}

/** What a job takes, in microseconds. */
export interface Cost {
  /** CPU time of all threads. */
  readonly cpu: number;
  readonly wall: number;
}

/** Measures a job. */
export async function costOf(job: () => unknown): Promise<Cost> {
  const wall = performance.now();
  const start = process.cpuUsage();
  await job();
  const { user, system } = process.cpuUsage(start);
  return { cpu: user + system, wall: (performance.now() - wall) * 1000 };
}

/** Shuffles, so that no job always runs after the same other one. */
function shuffled<Item>(items: readonly Item[]): Item[] {
  return items
    .map((item) => ({ item, place: Math.random() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ item }) => item);
}

/** How often each job runs: `slices` times in each of `rounds`, after slices that warm up and do not count. */
export interface Plan {
  readonly rounds: number;
  readonly slices: number;
  readonly warmUps: number;
}

/** The cost of each job in each round, by name. */
export interface Rounds<Name extends string> {
  readonly cpu: Readonly<Record<Name, readonly number[]>>;
  readonly wall: Readonly<Record<Name, readonly number[]>>;
}

/** Runs every job in each round, in slices and in a new order each time; a round's cost is the mean of its slices. */
export async function inRounds<Name extends string>(
  { rounds, slices, warmUps }: Plan,
  jobs: Readonly<Record<Name, () => Promise<Cost>>>,
): Promise<Rounds<Name>> {
  const names = Object.keys(jobs) as Name[];
  const zeros = () =>
    Object.fromEntries(names.map((name) => [name, Array<number>(rounds).fill(0)])) as Record<Name, number[]>;
  const [cpu, wall] = [zeros(), zeros()];
  const runSlice = async (round: number): Promise<void> => {
    for (const name of shuffled(names)) {
      const cost = await jobs[name]();
      if (round < 0) continue;
      cpu[name][round] = (cpu[name][round] ?? 0) + cost.cpu / slices;
      wall[name][round] = (wall[name][round] ?? 0) + cost.wall / slices;
    }
  };
  for (let slice = 0; slice < warmUps; slice += 1) await runSlice(-1);
  for (let round = 0; round < rounds; round += 1) {
    for (let slice = 0; slice < slices; slice += 1) await runSlice(round);
  }
  return { cpu, wall };
}
