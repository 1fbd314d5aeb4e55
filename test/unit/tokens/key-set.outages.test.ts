import { describe, expect, it } from "@jest/globals";
import { createKeySetBench, hold, refuse } from "../../support/key-source.ts";
import { generateSigningKey, publicJwks } from "../../support/tokens.ts";

const OLD = generateSigningKey("ES256", "old");
const OLD_SET = publicJwks([OLD]);
const BOTH = publicJwks([OLD, generateSigningKey("ES256", "new")]);

const FOUND = { status: "found", key: expect.anything() };
const UNKNOWN = { status: "unknown" };

describe("R-32: the source is down", () => {
  it("is asked a handful of times, never once a request", async () => {
    const { keys, source, events, advance } = createKeySetBench(OLD_SET);
    source.answer = refuse;
    const intervals: number[] = [];
    for (let tenth = 0; tenth < 9000; tenth += 1) {
      const before = source.loads;
      const answer = await keys.find("old", "ES256");
      expect(answer.status).toBe("unavailable");
      if (source.loads > before) intervals.push(tenth / 10);
      advance(0.1);
    }
    const gaps = intervals.slice(1).map((at, index) => Math.round(at - (intervals[index] ?? 0)));
    expect(gaps.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    expect(source.loads).toBeLessThanOrEqual(21);
    expect(events).toHaveLength(source.loads);
    expect(events.slice(0, 3)).toEqual(
      [1, 2, 4].map((retryAfter) => ({
        type: "unavailable",
        error: expect.objectContaining({ message: "the source is down" }),
        code: "store_unavailable",
        reason: "keys_unavailable",
        retryAfter,
      })),
    );
  });

  it("answers 500 requests at once with one load, and says when to come back", async () => {
    const { keys, source } = createKeySetBench(OLD_SET);
    source.answer = refuse;
    const answers = await Promise.all(Array.from({ length: 500 }, async () => keys.find("old", "ES256")));
    expect(answers).toEqual(answers.map(() => downFor(1)));
    expect(keys.find("old", "ES256")).toEqual(downFor(1));
    expect(source.loads).toBe(1);
  });

  it("goes on serving known keys for a day after the last success, and no longer", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    source.answer = refuse;
    for (let minute = 1; minute < 24 * 60; minute += 1) {
      advance(60);
      expect(await keys.find("old", "ES256")).toEqual(FOUND);
    }
    expect(source.loads).toBeLessThan(24 * 60);
    advance(60);
    expect(await keys.find("old", "ES256")).toMatchObject({ status: "unavailable" });
    source.answer = () => OLD_SET;
    advance(60);
    expect(await keys.find("old", "ES256")).toEqual(FOUND);
  });

  it("does not make known keys wait for a source that is known to hang", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET, { loadBudget: 0.01 });
    await keys.find("old", "ES256");
    source.answer = () => new Promise<never>(() => undefined);
    advance(3600);
    expect(await keys.find("old", "ES256")).toEqual(FOUND);
    advance(3600);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(3);
  });

  it("cannot know of an unknown key while the source cannot be asked", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    source.answer = refuse;
    advance(30);
    expect(await keys.find("new", "ES256")).toEqual(downFor(1));
    expect(keys.find("new", "ES256")).toEqual(downFor(1));
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    source.answer = () => BOTH;
    advance(1);
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
    expect(await keys.find("random", "ES256")).toEqual(UNKNOWN);
  });

  it("tries again at once when the clock was set back by more than the pause", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    source.answer = refuse;
    await keys.find("old", "ES256");
    source.answer = () => OLD_SET;
    advance(-3600);
    expect(await keys.find("old", "ES256")).toEqual(FOUND);
  });

  it("gives up a source that neither answers nor obeys the signal", async () => {
    const { keys, source } = createKeySetBench(OLD_SET, { loadBudget: 0.01 });
    const late = hold(source, OLD_SET);
    expect(await keys.find("old", "ES256")).toMatchObject({ status: "unavailable" });
    expect(source.signal?.aborted).toBe(true);
    await late.release();
    expect(keys.find("old", "ES256")).toMatchObject({ status: "unavailable" });
  });

  it("gives up a source that throws before it returns a promise", async () => {
    const { keys, source } = createKeySetBench(OLD_SET);
    source.load = () => {
      throw new Error("synchronous");
    };
    expect(await keys.find("old", "ES256")).toMatchObject({ status: "unavailable" });
  });
});

function downFor(retryAfter: number) {
  return { status: "unavailable", retryAfter, cause: new Error("the source is down") };
}
