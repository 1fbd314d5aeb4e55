import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import {
  type Arbitrary,
  array,
  assert as assertProperty,
  asyncProperty,
  constant,
  constantFrom,
  nat,
  oneof,
  pre,
  record,
} from "fast-check";
import { createEventSink } from "../../../src/events.ts";
import type { Coordinator, Lease } from "../../../src/fleet/coordinator.ts";
import { createCoordination } from "../../../src/request/coordination.ts";
import { renewOnce, type RenewedOnce } from "../../../src/request/renew-once.ts";
import { sharedCoordinator } from "../../../src/testing/shared-coordinator.ts";
import { controlTimers, settle, type ControlledTimers } from "../../support/timers.ts";

/*
 * A model of several processes that renew one credential. Each step of each process (start, acquire, recall, call, reply, keep,
 * release) waits until the test lets it happen, in any order; between them a process may crash, a reply may be lost, time may
 * pass, and a process's clock may jump.
 */

let timers: ControlledTimers;
beforeEach(() => {
  timers = controlTimers();
});
afterEach(() => timers.restore());

/** What a renewal came to in the model: the version of the credential, or `contended` where the service said "spent". */
type Outcome = number | "contended" | "no reply";

interface PendingStep {
  readonly process: Process;
  readonly name: string;
  readonly go: () => void;
}

/** A process that crashed takes no further step. */
interface Process {
  readonly id: number;
  clockOffset: number;
  hasCrashed: boolean;
  losesReply: boolean;
  result: RenewedOnce<Outcome> | Error | undefined;
}

/** `spends`: the service accepts a credential once. Otherwise each call makes another version, and only fencing keeps the order. */
interface WorldOptions {
  readonly spends: boolean;
  /** Whether the coordinator has the optional methods. */
  readonly isComplete: boolean;
  /** Whether a lease tells what is kept. @defaultValue as {@link isComplete} */
  readonly tells?: boolean;
}

class World {
  readonly pending: PendingStep[] = [];
  readonly processes: Process[] = [];
  /** Versions that were kept, in their order. */
  readonly kept: number[] = [];
  now = 1_800_000_000;
  calls = 0;
  version = 0;
  /** Whether something happened that a lease cannot prevent. */
  hasFault = false;
  #passed = 0;
  readonly #options: WorldOptions;
  readonly #hub = sharedCoordinator({ clock: () => this.now });

  constructor(options: WorldOptions) {
    this.#options = options;
  }

  /** Waits until the explorer lets the process go on. */
  #step(process: Process, name: string): Promise<void> {
    return new Promise((resolve) => {
      // Timers of a crashed process still run in this one: what they lead to must not happen.
      if (!process.hasCrashed) this.pending.push({ process, name, go: resolve });
    });
  }

  #join(process: Process): Coordinator {
    const end = this.#hub.join();
    const { isComplete, tells = isComplete } = this.#options;
    const lend = (lease: Lease): Lease => ({
      ...(tells && { kept: lease.kept }),
      ...(isComplete && {
        remember: async (sealed: string, seconds: number) => {
          await this.#step(process, "keep");
          const isKept = (await lease.remember?.(sealed, seconds)) === true;
          if (isKept) this.kept.push(Number(sealed));
          return isKept;
        },
      }),
      release: async () => {
        await this.#step(process, "release");
        await lease.release();
      },
    });
    return {
      ...end,
      settled: isComplete ? end.settled?.bind(end) : undefined,
      acquire: async (key, seconds) => {
        await this.#step(process, "acquire");
        const lease = await end.acquire(key, seconds);
        return lease && lend(lease);
      },
      recall: async (key) => {
        await this.#step(process, "recall");
        return end.recall(key);
      },
      remember: async (key, sealed, seconds) => {
        await this.#step(process, "keep");
        await end.remember(key, sealed, seconds);
        this.kept.push(Number(sealed));
      },
    } as Coordinator;
  }

  start(): Process {
    const process: Process = {
      id: this.processes.length,
      clockOffset: 0,
      hasCrashed: false,
      losesReply: false,
      result: undefined,
    };
    this.processes.push(process);
    const aborting = new AbortController();
    setTimeout(() => aborting.abort(), 5_000);
    const coordination = createCoordination(this.#join(process), {
      clock: () => this.now + process.clockOffset,
      events: createEventSink(),
    });
    const renewing = renewOnce<Outcome>({
      coordination,
      key: "credential",
      signal: aborting.signal,
      open: (sealed) => Promise.resolve(Number(sealed)),
      call: async (keep) => {
        const outcome = await this.#call(process);
        if (typeof outcome === "number") await keep(String(outcome));
        return outcome;
      },
      mayGoAlone: true,
      keptFor: 900,
      isContended: (outcome) => outcome === "contended",
      isRevoked: () => false,
    });
    renewing.then(
      (result) => (process.result = result),
      (error: unknown) => (process.result = error as Error),
    );
    return process;
  }

  /** Lets one process alone go on until it is about to take a step of this name, or has finished. */
  async advanceUntil(process: Process, name: string): Promise<void> {
    for (;;) {
      const index = this.pending.findIndex((one) => one.process === process);
      if (index === -1 || this.pending[index]?.name === name) return;
      // oxlint-disable-next-line no-await-in-loop -- one step after the other
      await this.advance(index);
    }
  }

  async #call(process: Process): Promise<Outcome> {
    await this.#step(process, "call");
    this.calls++;
    const isSpent = this.#options.spends && this.version > 0;
    const answer = isSpent ? "contended" : ++this.version;
    await this.#step(process, "reply");
    if (!process.losesReply) return answer;
    this.hasFault = true;
    return "no reply";
  }

  crash(index: number): void {
    const process = this.processes[index % Math.max(1, this.processes.length)];
    if (process === undefined || process.result !== undefined) return;
    process.hasCrashed = true;
    this.hasFault = true;
    for (const step of this.pending.filter((one) => one.process === process)) {
      this.pending.splice(this.pending.indexOf(step), 1);
    }
  }

  async pass(seconds: number): Promise<void> {
    this.now += seconds;
    this.#passed += seconds;
    // A call to the coordinator that takes so long counts as failed.
    if (this.#passed >= 0.8) this.hasFault = true;
    await timers.pass(seconds);
    await settle();
  }

  /** Lets one process take its next step. */
  async advance(choice: number): Promise<void> {
    const [step] = this.pending.splice(choice % Math.max(1, this.pending.length), 1);
    step?.go();
    await settle();
  }

  /** Lets everybody finish who has not crashed. */
  async finish(): Promise<void> {
    for (let turn = 0; turn < 400; turn++) {
      while (this.pending.length > 0) {
        // oxlint-disable-next-line no-await-in-loop -- one step after the other
        await this.advance(0);
      }
      if (this.processes.every(({ hasCrashed, result }) => hasCrashed || result !== undefined)) return;
      // oxlint-disable-next-line no-await-in-loop -- as above
      await this.pass(0.25);
    }
  }

  get survivors(): readonly Process[] {
    return this.processes.filter(({ hasCrashed }) => !hasCrashed);
  }
}

type Action =
  | { readonly do: "advance" | "crash" | "lose reply"; readonly choice: number }
  | { readonly do: "start" }
  | { readonly do: "pass" | "jump"; readonly seconds: number; readonly choice: number };

const choice = nat(7);
const HARMLESS: Arbitrary<Action> = oneof(
  { weight: 12, arbitrary: record({ do: constant("advance" as const), choice }) },
  { weight: 1, arbitrary: record({ do: constant("start" as const) }) },
);
const ANY: Arbitrary<Action> = oneof(
  { weight: 20, arbitrary: HARMLESS },
  {
    weight: 1,
    arbitrary: record({ do: constantFrom("crash" as const, "lose reply" as const), choice }),
  },
  {
    weight: 2,
    arbitrary: record({
      do: constantFrom("pass" as const, "jump" as const),
      seconds: constantFrom(0.1, 0.9, 2, 6),
      choice,
    }),
  },
);

async function perform(world: World, action: Action): Promise<void> {
  switch (action.do) {
    case "start":
      world.start();
      break;
    case "advance":
      await world.advance(action.choice);
      break;
    case "crash":
      world.crash(action.choice);
      break;
    case "lose reply": {
      const process = world.processes[action.choice % Math.max(1, world.processes.length)];
      if (process !== undefined) process.losesReply = true;
      break;
    }
    case "jump": {
      const process = world.processes[action.choice % Math.max(1, world.processes.length)];
      if (process !== undefined) process.clockOffset += action.choice % 2 === 0 ? 3_600 : -3_600;
      break;
    }
    default:
      await world.pass(action.seconds);
  }
  await settle();
}

async function explore(options: WorldOptions, actions: readonly Action[]): Promise<World> {
  const world = new World(options);
  world.start();
  world.start();
  for (const action of actions) {
    // oxlint-disable-next-line no-await-in-loop -- one action after the other
    await perform(world, action);
  }
  await world.finish();
  return world;
}

const RUNS = { numRuns: 250 };
const FORMS = [
  ["a complete coordinator", { isComplete: true }],
  ["a coordinator whose leases do not tell what is kept", { isComplete: true, tells: false }],
  ["a coordinator without the optional methods", { isComplete: false }],
] as const;

describe.each(FORMS)("one renewal over several processes with %s", (_name, form) => {
  it("makes one call, whose result everybody gets, while nothing fails", async () => {
    await assertProperty(
      asyncProperty(array(HARMLESS, { maxLength: 60 }), async (actions) => {
        const world = await explore({ spends: true, ...form }, actions);
        expect(world.calls).toBe(1);
        for (const { result } of world.processes) expect(result).toMatchObject({ value: 1 });
      }),
      RUNS,
    );
  });

  it("ends for everybody, and says that a credential is spent only after a fault", async () => {
    await assertProperty(
      asyncProperty(array(ANY, { maxLength: 60 }), async (actions) => {
        const world = await explore({ spends: true, ...form }, actions);
        for (const { result } of world.survivors) {
          expect(result).toBeDefined();
          expect(result).not.toBeInstanceOf(Error);
          const isSuccess = typeof result === "object" && "value" in result && result.value === 1;
          expect(isSuccess || world.hasFault).toBe(true);
        }
        expect(world.version).toBeLessThanOrEqual(1);
      }),
      RUNS,
    );
  });

  it("leads a process that starts later to the result that was kept, without another call", async () => {
    await assertProperty(
      asyncProperty(array(ANY, { maxLength: 60 }), async (actions) => {
        const world = await explore({ spends: true, ...form }, actions);
        pre(world.kept.length > 0);
        await world.pass(40);
        const calls = world.calls;
        world.start();
        await world.finish();
        expect(world.processes.at(-1)?.result).toEqual({ status: "recalled", value: 1 });
        expect(world.calls).toBe(calls);
      }),
      RUNS,
    );
  });
});

describe("a holder that slept past its lease", () => {
  it("never replaces a newer result by its own", async () => {
    await assertProperty(
      asyncProperty(array(ANY, { maxLength: 80 }), async (actions) => {
        const world = await explore({ spends: false, isComplete: true }, actions);
        expect(world.kept).toEqual(world.kept.toSorted((a, b) => a - b));
      }),
      RUNS,
    );
  });

  it.each([
    ["call", 1, 1],
    ["reply", 2, 2],
    // Its own coordinator call took too long: it goes on alone, and keeps nothing.
    ["keep", 1, 2],
  ])(
    "changes nothing that the next holder kept when it slept before its step %s",
    async (step, value, kept) => {
      const world = new World({ spends: false, isComplete: true });
      const sleeper = world.start();
      await settle();
      await world.advanceUntil(sleeper, step);
      await world.pass(6);
      const next = world.start();
      await settle();
      await world.advanceUntil(next, "nothing");
      expect(next.result).toMatchObject({ status: "called" });
      await world.finish();
      expect(world.kept).toEqual([kept]);
      expect(sleeper.result).toMatchObject({ value });
    },
  );
});

describe("the crash of the process that renews", () => {
  it.each(["acquire", "recall", "call", "reply", "keep", "release"])(
    "before its step %s is survived by the others once the lease is over",
    async (step) => {
      const world = new World({ spends: true, isComplete: true, tells: step !== "recall" });
      world.start();
      await settle();
      while (world.pending[0]?.name !== step) {
        // oxlint-disable-next-line no-await-in-loop -- one step after the other
        await world.advance(0);
      }
      const wasSpent = world.version === 1;
      world.crash(0);
      await world.pass(6);
      world.start();
      await world.finish();
      const isKept = world.kept.length > 0;
      const expected = wasSpent && !isKept && step !== "release" ? "contended" : 1;
      expect(world.processes[1]?.result).toMatchObject({ value: expected });
    },
  );
});

describe("a process whose credential another one spent", () => {
  it("looks for that one's result a few times a second, also where each look is told at once that it is there", async () => {
    let looks = 0;
    const end = sharedCoordinator().join();
    const coordinator: Coordinator = {
      ...end,
      async acquire(key, seconds) {
        const lease = await end.acquire(key, seconds);
        return lease && { release: () => lease.release() };
      },
      async recall() {
        looks += 1;
        return "of no use";
      },
      settled: () => Promise.resolve(),
    };
    const renewal = renewOnce<Outcome>({
      coordination: createCoordination(coordinator, { clock: () => 1, events: createEventSink() }),
      key: "key",
      signal: new AbortController().signal,
      open: () => Promise.resolve(undefined),
      call: () => Promise.resolve("contended"),
      mayGoAlone: true,
      keptFor: 30,
      isContended: () => true,
      isRevoked: () => false,
    });
    await timers.pass(1);
    expect(await renewal).toEqual({ status: "called", value: "contended" });
    expect(looks).toBeGreaterThan(10);
    expect(looks).toBeLessThan(60);
  });
});
