import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import * as fc from "fast-check";
import type { OrgateEvent } from "../../../src/events.ts";
import {
  createSingleFlight,
  type FlightResult,
  type Settled,
  type SingleFlight,
} from "../../../src/lib/concurrency.ts";

/** For what is run many times, on a machine that has other things to do. */
const LONG = 60_000;
const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);
const BUDGET = 5;
const GRACE = 30;

/** An answer says whose it is, and whether it is trouble. */
interface Answer {
  readonly of: string;
  readonly trouble?: true;
}

interface Call {
  readonly key: string;
  readonly signal: AbortSignal;
  readonly startedAt: number;
  resolve(answer: Answer): void;
  reject(reason: unknown): void;
}

let now: number;
let calls: Call[];
let events: OrgateEvent[];
let renewer: SingleFlight<Answer>;
const unhandled: unknown[] = [];
const collect = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["setImmediate", "clearImmediate"] });
  process.on("unhandledRejection", collect);
  now = 1_800_000_000;
  calls = [];
  events = [];
  renewer = makeRenewer();
});

afterEach(async () => {
  jest.useRealTimers();
  await new Promise(setImmediate);
  process.off("unhandledRejection", collect);
  if (unhandled.length > 0) throw new AggregateError(unhandled.splice(0), "promises were rejected unhandled");
});

function makeRenewer(budget = BUDGET): SingleFlight<Answer> {
  return createSingleFlight<Answer>({
    clock: () => now,
    onShared: (shared) => void events.push({ type: "coalesced", with: shared }),
    budget,
    grace: GRACE,
    keeps: (answer) => answer.trouble !== true,
  });
}

/** Asks; `since` refuses answers of calls that began before. */
function renew(key: string, since = 0, by = renewer): Promise<FlightResult<Answer>> {
  return by.run({
    key,
    accepts: ({ startedAt }) => startedAt >= since,
    start: (signal) =>
      new Promise((resolve, reject) => {
        calls.push({ key, signal, startedAt: now, resolve, reject });
      }),
  });
}

function call(index: number): Call {
  const found = calls[index];
  if (found === undefined) throw new Error(`the store was asked ${calls.length} times only`);
  return found;
}

function answerOf(result: FlightResult<Answer>): string {
  return result.status === "settled" ? result.settled.result.of : result.status;
}

describe("R-20: one call per credential", () => {
  it("is shared by everybody who asks while it is in flight", async () => {
    const waiting = Array.from({ length: 200 }, () => renew("a"));
    call(0).resolve({ of: "a" });
    const results = await Promise.all(waiting);

    expect(calls).toHaveLength(1);
    expect(new Set(results.map(answerOf))).toEqual(new Set(["a"]));
    expect(events).toHaveLength(199);
    expect(events[0]).toEqual({ type: "coalesced", with: "in_flight" });
  });

  it("is made for each credential by itself", async () => {
    const [a, b] = [renew("a"), renew("b")];
    expect(calls.map(({ key }) => key)).toEqual(["a", "b"]);
    call(1).resolve({ of: "b" });
    call(0).resolve({ of: "a" });
    expect(answerOf(await a)).toBe("a");
    expect(answerOf(await b)).toBe("b");
  });

  it("R-39: takes names of Object.prototype like any other", async () => {
    expect(renewer.settledFor("__proto__")).toBeUndefined();
    expect(renewer.settledFor("constructor")).toBeUndefined();
    const waiting = renew("__proto__");
    call(0).resolve({ of: "__proto__" });
    expect(answerOf(await waiting)).toBe("__proto__");
    expect(renewer.settledFor("toString")).toBeUndefined();
  });
});

describe("R-20: the grace window", () => {
  it("answers late requests with the settled result, until it is over", async () => {
    const first = renew("a");
    call(0).resolve({ of: "a" });
    await first;

    now += GRACE - 0.001;
    expect(answerOf(await renew("a"))).toBe("a");
    expect(calls).toHaveLength(1);
    expect(events).toEqual([{ type: "coalesced", with: "settled" }]);

    now += 0.001;
    expect(renewer.settledFor("a")).toBeUndefined();
    void renew("a");
    expect(calls).toHaveLength(2);
    call(1).resolve({ of: "a" });
  });

  it("counts from when the answer came, and keeps when the call began", async () => {
    const startedAt = now;
    const first = renew("a");
    now += 4;
    call(0).resolve({ of: "a" });
    await first;
    expect(renewer.settledFor("a")).toEqual({ result: { of: "a" }, startedAt, settledAt: startedAt + 4 });
    now += GRACE - 1;
    expect(renewer.settledFor("a")).toBeDefined();
  });

  it("does not last longer when the clock is set back", async () => {
    const first = renew("a");
    call(0).resolve({ of: "a" });
    await first;
    now -= 3_600;
    expect(renewer.settledFor("a")).toBeUndefined();
  });

  it("does not keep trouble, but shares it with those who wait", async () => {
    const waiting = [renew("a"), renew("a")];
    call(0).resolve({ of: "trouble", trouble: true });
    expect((await Promise.all(waiting)).map(answerOf)).toEqual(["trouble", "trouble"]);
    expect(renewer.settledFor("a")).toBeUndefined();
    void renew("a");
    expect(calls).toHaveLength(2);
    call(1).resolve({ of: "a" });
  });

  it(
    "keeps no more than 10,000 answers, and lets go of those that are over",
    async () => {
      for (let index = 0; index <= 10_000; index++) {
        const waiting = renew(`k${index}`);
        call(index).resolve({ of: `k${index}` });
        await waiting;
      }
      expect(renewer.settledFor("k0")).toBeUndefined();
      expect(renewer.settledFor("k1")).toBeDefined();
      expect(renewer.settledFor("k10000")).toBeDefined();
    },
    LONG,
  );
});

describe("R-20: an answer replaces the credential, never the question", () => {
  it("is not given to a request that arrived after the call began and wants the store's word of now", async () => {
    const early = renew("a");
    now += 1;
    const late = renew("a", now);
    call(0).resolve({ of: "early" });
    expect(answerOf(await early)).toBe("early");
    expect(answerOf(await late)).toBe("not_accepted");

    const again = renew("a", now);
    expect(calls).toHaveLength(2);
    call(1).resolve({ of: "late" });
    expect(answerOf(await again)).toBe("late");
  });

  it("is given to one that arrived before, or in the same moment", async () => {
    const arrivedAt = now;
    const first = renew("a", arrivedAt);
    const second = renew("a", arrivedAt);
    call(0).resolve({ of: "a" });
    expect((await Promise.all([first, second])).map(answerOf)).toEqual(["a", "a"]);
    now += 1;
    expect(answerOf(await renew("a", arrivedAt))).toBe("a");
    expect(calls).toHaveLength(1);
  });

  it("does not hold it against the one who made the call", async () => {
    const own = renew("a", now + 60);
    call(0).resolve({ of: "a" });
    expect(answerOf(await own)).toBe("a");
  });
});

describe("the time budget", () => {
  it("aborts the call when it is spent", async () => {
    jest.useRealTimers();
    const waiting = renew("a", 0, makeRenewer(0.01));
    const { signal } = call(0);
    expect(signal.aborted).toBe(false);
    await once(signal, "abort");
    expect(await waiting).toEqual({ status: "timed_out" });
  });

  it("lets a request wait that long and no longer, those that join as well", async () => {
    const first = renew("a");
    await jest.advanceTimersByTimeAsync(4_000);
    const second = renew("a");
    const settled: string[] = [];
    void first.then((result) => settled.push(`first ${result.status}`));
    void second.then((result) => settled.push(`second ${result.status}`));
    await jest.advanceTimersByTimeAsync(999);
    expect(settled).toEqual([]);
    await jest.advanceTimersByTimeAsync(1);
    expect(settled).toEqual(["first timed_out"]);
    await jest.advanceTimersByTimeAsync(4_000);
    expect(settled).toEqual(["first timed_out", "second timed_out"]);
    expect(calls).toHaveLength(1);
    call(0).resolve({ of: "a" });
  });

  it("R-23: keeps the reply that comes after it, because the pair in it has been rotated already", async () => {
    const waiting = renew("a");
    await jest.advanceTimersByTimeAsync(BUDGET * 1_000);
    expect(await waiting).toEqual({ status: "timed_out" });
    call(0).resolve({ of: "late" });
    await jest.advanceTimersByTimeAsync(0);
    expect(renewer.settledFor("a")?.result).toEqual({ of: "late" });
    expect(answerOf(await renew("a"))).toBe("late");
    expect(calls).toHaveLength(1);
  });

  it("abandons a store that never answers, so that it cannot block the credential for ever", async () => {
    void renew("a");
    await jest.advanceTimersByTimeAsync(BUDGET * 6_000 - 1);
    const joined = renew("a");
    expect(calls).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    const again = renew("a");
    expect(calls).toHaveLength(2);
    call(1).resolve({ of: "second" });
    expect(answerOf(await again)).toBe("second");
    await jest.advanceTimersByTimeAsync(BUDGET * 1_000);
    expect(await joined).toEqual({ status: "timed_out" });
  });

  it("waits as long as it is told to before it abandons a store", async () => {
    renewer = createSingleFlight<Answer>({ clock: () => now, budget: BUDGET, abandonAfter: 60 });
    void renew("a");
    await jest.advanceTimersByTimeAsync(59_999);
    void renew("a");
    expect(calls).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    void renew("a");
    expect(calls).toHaveLength(2);
  });

  it("does not let the landing of an abandoned call take away the one that followed", async () => {
    void renew("a");
    await jest.advanceTimersByTimeAsync(BUDGET * 6_000);
    const second = renew("a");
    call(0).resolve({ of: "first", trouble: true });
    await jest.advanceTimersByTimeAsync(0);
    const third = renew("a");
    expect(calls).toHaveLength(2);
    call(1).resolve({ of: "second" });
    expect((await Promise.all([second, third])).map(answerOf)).toEqual(["second", "second"]);
  });

  it("leaves no timer behind", async () => {
    const waiting = [renew("a"), renew("b")];
    call(0).resolve({ of: "a" });
    call(1).reject(new Error("down"));
    await Promise.allSettled(waiting);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe("R-45: a call that rejects", () => {
  it.each([
    ["an error", new Error("down")],
    ["undefined", undefined],
    ["a string", "down"],
  ])("with %s rejects for all who wait, and is not kept", async (_, reason) => {
    const waiting = [renew("a"), renew("a"), renew("a")];
    const outcomes = Promise.allSettled(waiting);
    call(0).reject(reason);
    expect(await outcomes).toEqual(waiting.map(() => ({ status: "rejected", reason })));
    expect(renewer.settledFor("a")).toBeUndefined();
    void renew("a");
    expect(calls).toHaveLength(2);
    call(1).resolve({ of: "a" });
  });

  it("is nobody's unhandled rejection when it comes after the budget", async () => {
    const waiting = renew("a");
    await jest.advanceTimersByTimeAsync(BUDGET * 1_000);
    await waiting;
    call(0).reject(new Error("late"));
    await jest.advanceTimersByTimeAsync(0);
    expect(renewer.settledFor("a")).toBeUndefined();
  });
});

describe("whenSettled", () => {
  it("waits for a call in flight, and for nothing where there is none", async () => {
    await renewer.whenSettled("a");
    void renew("a");
    let settled = false;
    const waiting = renewer.whenSettled("a").then(() => (settled = true));
    await jest.advanceTimersByTimeAsync(1_000);
    expect(settled).toBe(false);
    call(0).resolve({ of: "a" });
    await waiting;
    expect(renewer.settledFor("a")?.result).toEqual({ of: "a" });
  });

  it("waits no longer than the budget, and does not reject", async () => {
    void renew("a").catch(() => undefined);
    const waiting = renewer.whenSettled("a");
    await jest.advanceTimersByTimeAsync(BUDGET * 1_000);
    await expect(waiting).resolves.toBeUndefined();
    void renew("b").catch(() => undefined);
    const failing = renewer.whenSettled("b");
    call(1).reject(new Error("down"));
    await expect(failing).resolves.toBeUndefined();
    call(0).resolve({ of: "a" });
  });
});

/** One step of an interleaving. */
const STEP = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("ask" as const),
      key: fc.constantFrom("a", "b", "c"),
      strict: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant("answer" as const), which: fc.nat(5), trouble: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("fail" as const), which: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant("wait" as const),
      seconds: fc.constantFrom(0, 0.5, 1, 5, 12, 31),
    }),
  },
);

describe("R-20: interleavings", () => {
  it(
    `never give a caller another credential's answer, nor one older than its question (seed ${SEED})`,
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(STEP, { maxLength: 40 }), async (steps) => {
          calls = [];
          renewer = makeRenewer();
          const open = new Set<Call>();
          let mostInFlight = 0;
          const results: { key: string; since: number; result: Promise<FlightResult<Answer> | "failed"> }[] =
            [];
          for (const step of steps) {
            if (step.do === "ask") {
              const before = calls.length;
              const since = step.strict ? now : 0;
              const result = renew(step.key, since).catch(() => "failed" as const);
              results.push({ key: step.key, since, result });
              for (const made of calls.slice(before)) open.add(made);
              const inFlight = [...open].filter(
                ({ key, startedAt }) => key === step.key && now - startedAt < 30,
              );
              mostInFlight = Math.max(mostInFlight, inFlight.length);
            } else if (step.do === "wait") {
              now += step.seconds;
              await jest.advanceTimersByTimeAsync(step.seconds * 1_000);
            } else {
              const target = [...open][step.which];
              if (target === undefined) continue;
              open.delete(target);
              if (step.do === "fail") target.reject(new Error("down"));
              else target.resolve({ of: target.key, ...(step.trouble && { trouble: true as const }) });
              await jest.advanceTimersByTimeAsync(0);
            }
          }
          await jest.advanceTimersByTimeAsync(60_000);
          expect(mostInFlight).toBeLessThanOrEqual(1);
          for (const { key, since, result } of results) {
            const settled = settledOf(await result);
            if (settled === undefined) continue;
            expect(settled.result.of).toBe(key);
            expect(settled.startedAt).toBeGreaterThanOrEqual(since);
          }
        }),
        { seed: SEED, numRuns: 400 },
      );
    },
    LONG,
  );
});

function settledOf(result: FlightResult<Answer> | "failed"): Settled<Answer> | undefined {
  return result !== "failed" && result.status === "settled" ? result.settled : undefined;
}
