import { once } from "node:events";
import type { OrgateEvent } from "../../src/events.ts";
import { createKeySet } from "../../src/tokens/key-set.ts";
import type { KeySet } from "../../src/tokens/key-set.ts";
import type { JsonWebKeySet, KeySource } from "../../src/store.ts";

/** A source of keys that is told what to do, and counts how often it was asked. */
export interface FakeKeySource extends KeySource {
  loads: number;
  /** What the next loads come to. */
  answer: () => JsonWebKeySet | Promise<JsonWebKeySet>;
  signal: AbortSignal | undefined;
}

/** A key set over a fake source, with a clock to move and the events it told of. */
export interface KeySetBench {
  readonly source: FakeKeySource;
  readonly keys: KeySet;
  readonly events: OrgateEvent[];
  readonly advance: (seconds: number) => void;
}

/** Sets up a key set whose source answers with this set until it is told otherwise. */
export function createKeySetBench(
  set: JsonWebKeySet,
  options: Pick<KeySource, "maxAge" | "cooldown" | "revision"> & { readonly loadBudget?: number } = {},
): KeySetBench {
  const { loadBudget, ...limits } = options;
  const source: FakeKeySource = {
    ...limits,
    loads: 0,
    answer: () => set,
    signal: undefined,
    async load(signal) {
      source.loads += 1;
      source.signal = signal;
      return await source.answer();
    },
  };
  let now = 1_800_000_000;
  const events: OrgateEvent[] = [];
  const keys = createKeySet(source, {
    clock: () => now,
    events: { wants: () => true, emit: (event) => void events.push(event) },
    ...(loadBudget === undefined ? {} : { loadBudget }),
  });
  return { source, keys, events, advance: (seconds) => void (now += seconds) };
}

/** An answer: there is none. */
export function refuse(): never {
  throw new Error("the source is down");
}

/** Makes the next load wait until it is released. */
export function hold(source: FakeKeySource, set: JsonWebKeySet): { release(): Promise<void> } {
  const gate = new AbortController();
  source.answer = async () => {
    await once(gate.signal, "abort");
    return set;
  };
  return {
    async release() {
      gate.abort();
      await settle();
    },
  };
}

/** Lets everything run that is already due. */
export function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
