import type { KeyObject } from "node:crypto";
import { StoreUnavailableError, isOrgateError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import { RefreshingValue } from "../lib/refreshing-value.ts";
import type { Algorithm, KeySource } from "../store.ts";
import { type ImportedKeys, importKeys } from "./import-keys.ts";

/** The result of looking up one key. */
export type KeyLookup =
  | { readonly status: "found"; readonly key: KeyObject }
  | { readonly status: "unknown" }
  /** The source cannot be asked right now: the key may exist. `cause`: why the last load failed. */
  | { readonly status: "unavailable"; readonly retryAfter: number; readonly cause?: unknown };

/** The public keys of one store, kept current. */
export interface KeySet {
  /** Finds a key. Returns a promise only where the source must be waited for: for the first set, or for an unknown key. Never rejects. */
  find(kid: string | undefined, algorithm: Algorithm): KeyLookup | Promise<KeyLookup>;
  /** Whether it is known, without asking the source, that there is no such key. */
  lacks(kid: string | undefined, algorithm: Algorithm): boolean;
  /** Ends a load under way and loads no more. The keys at hand are still found. */
  close(): void;
}

/** What a key set needs beside its source. */
export interface KeySetContext {
  readonly clock: Clock;
  readonly events: EventSink;
  /** Seconds one load may take. @defaultValue 5 */
  readonly loadBudget?: number;
}

const DEFAULT_MAX_AGE = 600;
const DEFAULT_COOLDOWN = 30;
const DEFAULT_LOAD_BUDGET = 5;
const MAX_STALENESS = 86_400;

/**
 * Caches a source's keys.
 *
 * They are loaded when first needed and renewed in the background after `maxAge`. While the source is down, the keys at hand
 * are found for a day after the last success; failures back off from 1 to 60 seconds. An unknown key causes a load at most
 * once per `cooldown` and is not remembered, so that random key ids cost neither memory nor fetches.
 */
export function createKeySet(source: KeySource, context: KeySetContext): KeySet {
  return new SourcedKeySet(source, context);
}

interface LoadedKeys {
  readonly keys: ImportedKeys;
  /** The source's revision before the keys were loaded. */
  readonly revision: unknown;
}

const UNUSABLE = "key_set_unusable";

class SourcedKeySet implements KeySet {
  readonly #source: KeySource;
  readonly #set: RefreshingValue<LoadedKeys>;

  constructor(source: KeySource, { clock, events, loadBudget = DEFAULT_LOAD_BUDGET }: KeySetContext) {
    const { maxAge = DEFAULT_MAX_AGE, cooldown = DEFAULT_COOLDOWN } = source;
    this.#source = source;
    this.#set = new RefreshingValue({
      load: (signal) => this.#load(signal),
      clock,
      budget: loadBudget,
      maxAge,
      // After a longer idle time, look for withdrawn keys before an old one is used.
      staleWhileLoading: cooldown,
      maxStaleness: MAX_STALENESS,
      cooldown,
      failureMemory: MAX_STALENESS,
      onFailure({ error, retryAfter }) {
        if (isOrgateError(error) && error.reason === UNUSABLE) {
          events.emit({ type: "misconfigured", reason: UNUSABLE });
        }
        events.emit({
          type: "unavailable",
          code: "store_unavailable",
          reason: "keys_unavailable",
          retryAfter,
        });
      },
    });
  }

  find(kid: string | undefined, algorithm: Algorithm): KeyLookup | Promise<KeyLookup> {
    const key = this.#findHeld(kid, algorithm);
    if (key === undefined) {
      return this.#mayHaveChanged() ? this.#reload(kid, algorithm) : this.#answer(kid, algorithm);
    }
    const set = this.#set.get();
    return set instanceof Promise ? set.then(() => this.#answer(kid, algorithm)) : { status: "found", key };
  }

  lacks(kid: string | undefined, algorithm: Algorithm): boolean {
    return !this.#mayHaveChanged() && this.#answer(kid, algorithm).status === "unknown";
  }

  close(): void {
    this.#set.close();
  }

  async #load(signal: AbortSignal): Promise<LoadedKeys> {
    const revision = this.#readRevision();
    const keys = importKeys(await this.#source.load(signal), this.#set.current?.keys);
    if (keys.size === 0) {
      const message = "The key set has no key that can be used.";
      throw new StoreUnavailableError({ reason: UNUSABLE, message, cause: keys.failures[0] });
    }
    return { keys, revision };
  }

  async #reload(kid: string | undefined, algorithm: Algorithm): Promise<KeyLookup> {
    const joinsLoad = this.#set.isLoading;
    await this.#set.refresh();
    // A load that began before this call may have missed a new key.
    const mayHaveMissed = joinsLoad && this.#findHeld(kid, algorithm) === undefined;
    if (mayHaveMissed && this.#set.secondsUntilLoad === 0) await this.#set.refresh();
    return this.#answer(kid, algorithm);
  }

  /** Answers from the keys at hand. */
  #answer(kid: string | undefined, algorithm: Algorithm): KeyLookup {
    const key = this.#findHeld(kid, algorithm);
    if (key !== undefined) return { status: "found", key };
    if (this.#set.current !== undefined && !this.#set.isFailing) return { status: "unknown" };
    const retryAfter = Math.max(1, Math.ceil(this.#set.secondsUntilLoad));
    return { status: "unavailable", retryAfter, cause: this.#set.lastError };
  }

  #findHeld(kid: string | undefined, algorithm: Algorithm): KeyObject | undefined {
    return this.#set.current?.keys.find(kid, algorithm);
  }

  /** Whether the source may have keys that are not at hand, and can be asked for them. */
  #mayHaveChanged(): boolean {
    if (!this.#set.isLoading && this.#set.secondsUntilLoad > 0) return false;
    const { current } = this.#set;
    const isCurrent = this.#source.revision !== undefined && current?.revision === this.#readRevision();
    return current === undefined || !isCurrent;
  }

  #readRevision(): unknown {
    try {
      return this.#source.revision?.();
    } catch (error) {
      // Equal to no other revision: the keys are loaded, and if the source is broken, that load reports it.
      return { error };
    }
  }
}
