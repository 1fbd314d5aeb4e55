import { describe, expect, it } from "@jest/globals";
import type { JsonWebKeySet } from "../../../src/store.ts";
import { collectGarbage } from "../../support/collect-garbage.ts";
import { createKeySetBench, hold, refuse, settle } from "../../support/key-source.ts";
import { generateSigningKey, publicJwks } from "../../support/tokens.ts";

const OLD = generateSigningKey("ES256", "old");
const NEW = generateSigningKey("ES256", "new");
const OLD_SET = publicJwks([OLD]);
const BOTH = publicJwks([OLD, NEW]);
const NEW_SET = publicJwks([NEW]);
const WEAK_SET: JsonWebKeySet = { keys: [{ kty: "oct", k: "AAAA", kid: "old" }] };

const FOUND = { status: "found", key: expect.anything() };
const UNKNOWN = { status: "unknown" };

describe("R-31: unknown key ids", () => {
  it("cause one load in a cooldown, however many they are", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    for (let second = 0; second < 60; second += 1) {
      const answers = await Promise.all(
        Array.from({ length: 200 }, async (_, index) => keys.find(`random-${second}-${index}`, "ES256")),
      );
      expect(answers).toEqual(answers.map(() => UNKNOWN));
      advance(1);
    }
    expect(source.loads).toBe(2);
  });

  it("are answered at once within the cooldown", async () => {
    const { keys } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    expect(keys.find("random", "ES256")).toEqual(UNKNOWN);
  });

  it("do not starve a key that was newly published", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("random", "ES256");
    source.answer = () => BOTH;
    expect(keys.find("new", "ES256")).toEqual(UNKNOWN);
    advance(29.9);
    expect(keys.find("new", "ES256")).toEqual(UNKNOWN);
    advance(0.1);
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(2);
  });

  it("never make a known key wait", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    advance(30);
    const load = hold(source, OLD_SET);
    const unknown = keys.find("random", "ES256");
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    await load.release();
    expect(await unknown).toEqual(UNKNOWN);
  });

  it("leave nothing in memory", async () => {
    const { keys } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    const before = await measureHeap();
    for (let index = 0; index < 200_000; index += 1) await keys.find(`random-${index}`, "ES256");
    expect((await measureHeap()) - before).toBeLessThan(2_000_000);
  });

  it("load every time where the keys are in the same process, still one load at a time", async () => {
    const { keys, source } = createKeySetBench(OLD_SET, { cooldown: 0 });
    await keys.find("old", "ES256");
    await Promise.all([keys.find("a", "ES256"), keys.find("b", "ES256"), keys.find("c", "ES256")]);
    expect(source.loads).toBeLessThanOrEqual(3);
    source.answer = () => BOTH;
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
  });

  it("cause none where the source says that its keys have not changed", async () => {
    let revision = 1;
    const { keys, source } = createKeySetBench(OLD_SET, { cooldown: 0, revision: () => revision });
    await keys.find("old", "ES256");
    expect([keys.find("a", "ES256"), keys.find("b", "ES256"), source.loads]).toEqual([UNKNOWN, UNKNOWN, 1]);
    source.answer = () => BOTH;
    revision = 2;
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
    expect([keys.find("c", "ES256"), source.loads]).toEqual([UNKNOWN, 2]);
  });

  it("cause a load where the keys changed while they were loaded, and where the source cannot say", async () => {
    let revision = 1;
    const ask = (): number => {
      if (revision === 3) throw new Error("no revision");
      return revision;
    };
    const { keys, source } = createKeySetBench(OLD_SET, { cooldown: 0, revision: ask });
    const first = hold(source, OLD_SET);
    const early = keys.find("old", "ES256");
    revision = 2;
    source.answer = () => BOTH;
    await first.release();
    expect(await early).toEqual(FOUND);
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
    revision = 3;
    expect(await keys.find("another", "ES256")).toEqual(UNKNOWN);
    expect(await keys.find("another", "ES256")).toEqual(UNKNOWN);
    expect(source.loads).toBe(4);
  });

  it("cause one while there are no keys at all, whatever the source says", async () => {
    const { keys, source, advance } = createKeySetBench({ keys: [] }, { cooldown: 0, revision: () => 1 });
    await keys.find("old", "ES256");
    source.answer = () => BOTH;
    advance(1);
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
  });

  it("cause one where nobody asked for more than a day, though nothing has changed since", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET, { cooldown: 0, revision: () => 1 });
    await keys.find("old", "ES256");
    advance(2 * 86_400);
    expect(await keys.find("old", "ES256")).toEqual(FOUND);
    expect(source.loads).toBe(2);
  });

  it("ask again where the load they joined had begun before the key was published", async () => {
    const { keys, source } = createKeySetBench(OLD_SET, { cooldown: 0 });
    const first = hold(source, OLD_SET);
    const early = keys.find("old", "ES256");
    source.answer = () => BOTH;
    const late = keys.find("new", "ES256");
    await first.release();
    expect(await early).toEqual(FOUND);
    expect(await late).toEqual(FOUND);
    expect(source.loads).toBe(2);
  });
});

describe("R-33: a set that cannot be used", () => {
  it.each([
    ["is empty", { keys: [] }],
    ["holds only weak or foreign keys", WEAK_SET],
  ])("keeps the keys at hand when the new one %s", async (_, unusable) => {
    const { keys, source, events, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    source.answer = () => unusable;
    advance(600);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    await settle();
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    expect(events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "key_set_unusable" }),
    );
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["no keys", {}],
    ["keys that are no list", { keys: "old" }],
    ["a list that throws when read", { keys: new Proxy([], { get: () => refuse() }) }],
  ])("cannot know when the source gives %s", async (_, set) => {
    const { keys, source } = createKeySetBench(OLD_SET);
    source.answer = () => set as JsonWebKeySet;
    expect(await keys.find("old", "ES256")).toMatchObject({ status: "unavailable" });
  });

  it("accepts the old and the new key while both are published, and the removed one no longer", async () => {
    const { keys, source, advance } = createKeySetBench(OLD_SET);
    await keys.find("old", "ES256");
    source.answer = () => BOTH;
    advance(30);
    expect(await keys.find("new", "ES256")).toEqual(FOUND);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    source.answer = () => NEW_SET;
    advance(600);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    await settle();
    // One set may lack a key by mistake.
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    advance(30);
    expect(keys.find("old", "ES256")).toEqual(FOUND);
    await settle();
    expect(keys.find("old", "ES256")).toEqual(WITHDRAWN);
  });
});

const WITHDRAWN = { status: "unknown", isWithdrawn: true };

describe("R-34: two key sets in one process", () => {
  it("never share a key, though both call it the same", async () => {
    const other = generateSigningKey("ES256", "old");
    const mine = await createKeySetBench(OLD_SET).keys.find("old", "ES256");
    const theirs = await createKeySetBench(publicJwks([other])).keys.find("old", "ES256");
    const same = mine.status === "found" && theirs.status === "found" && mine.key.equals(theirs.key);
    expect([mine.status, theirs.status, same]).toEqual(["found", "found", false]);
  });
});

async function measureHeap(): Promise<number> {
  await collectGarbage();
  return process.memoryUsage().heapUsed;
}
