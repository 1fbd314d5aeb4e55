import { describe, expect, it } from "@jest/globals";
import { createKeySetBench, hold, settle } from "../../support/key-source.ts";
import { generateSigningKey, publicJwks } from "../../support/tokens.ts";

const OLD = generateSigningKey("ES256", "old");
const NEW = generateSigningKey("ES256", "new");
const OLD_SET = publicJwks([OLD]);
const NEW_SET = publicJwks([NEW]);

const FOUND = { status: "found", key: expect.anything() };
const UNKNOWN = { status: "unknown" };

describe("createKeySet", () => {
  it("loads when first asked, once for all who ask at the same time", async () => {
    const { keys, source } = createKeySetBench(OLD_SET);
    expect(source.loads).toBe(0);
    const answers = await Promise.all(Array.from({ length: 100 }, async () => keys.find("old", "ES256")));
    expect(answers).toEqual(answers.map(() => FOUND));
    expect(source.loads).toBe(1);
  });

  it("answers at once, without a promise, for a key at hand", async () => {
    const { keys } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    expect(keys.find("old", "ES256")).toEqual(FOUND);
  });

  it("finds the one key that fits where the token names none", async () => {
    const { keys } = createKeySetBench(OLD_SET);
    expect(await keys.find(undefined, "ES256")).toEqual(FOUND);
    expect(await keys.find(undefined, "RS256")).toEqual(UNKNOWN);
  });

  it("renews in the background after maxAge, and goes on serving meanwhile", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    advance(599);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(1);
    advance(1);
    const renewal = hold(source, NEW_SET);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(2);
    await renewal.release();
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(keys.find("new", "ES256")).toEqual(FOUND);
  });

  it("obeys the source's own maxAge and cooldown", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET, { maxAge: 10, cooldown: 3 });
    await keys.find("old", "ES256");
    advance(3);
    expect(await keys.find("new", "ES256")).toEqual(UNKNOWN);
    expect(source.loads).toBe(2);
    advance(10);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(3);
  });

  it("R-33: looks for withdrawn keys first after an idle time", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    source.answer = () => NEW_SET;
    advance(630);
    expect(await keys.find("old", "ES256")).toEqual({ status: "unknown", isWithdrawn: true });
  });

  it("renews when the clock was set back", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    advance(-3600);
    expect(await keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(2);
  });

  it("stops loading when it is closed, and keeps what it has", async () => {
    const { keys, source, events, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    advance(600);
    hold(source, NEW_SET);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    keys.close();
    expect(source.signal?.aborted).toBe(true);
    await settle();
    advance(700);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(keys.find("new", "ES256")).toMatchObject({ status: "unavailable", retryAfter: 60 });
    expect(source.loads).toBe(2);
    expect(events).toEqual([]);
  });

  it("lacks a key only when nothing that could be asked would know more", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    const isLacked = (): boolean[] => ["old", "new"].map((kid) => keys.lacks(kid, "ES256"));
    expect(isLacked()).toEqual([false, false]);
    await keys.find("old", "ES256");
    expect(isLacked()).toEqual([false, true]);
    expect(keys.lacks("old", "RS256")).toBe(true);
    advance(30);
    expect(isLacked()).toEqual([false, false]);
    const looking = hold(source, NEW_SET);
    const found = keys.find("new", "ES256");
    expect(isLacked()).toEqual([false, false]);
    await looking.release();
    expect(await found).toEqual(FOUND);
    expect(isLacked()).toEqual([false, false]);
    expect(source.loads).toBe(2);
  });

  it("lacks nothing while the source is down, nor once it is closed", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    advance(30);
    source.answer = () => Promise.reject(new Error("down"));
    expect(await keys.find("new", "ES256")).toMatchObject({ status: "unavailable" });
    expect(keys.lacks("new", "ES256")).toBe(false);
    keys.close();
    expect(keys.lacks("new", "ES256")).toBe(false);
  });

  it("cannot know once it is closed before its first load", () => {
    const { keys, source } = createKeySetBench(OLD_SET);
    keys.close();
    expect(keys.find("old", "ES256")).toEqual({ status: "unavailable", retryAfter: 60 });
    expect(source.loads).toBe(0);
  });
});
