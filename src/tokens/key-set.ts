import type { KeyObject } from "node:crypto";
import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import type { Algorithm, JsonWebKeySet, KeySource } from "../store.ts";
import { type ImportedKeys, importKeys } from "./import-keys.ts";

/** What a key set knows of one key. */
export type KeyLookup =
  | { readonly status: "found"; readonly key: KeyObject }
  | { readonly status: "unknown" }
  /** The source cannot be asked right now: the key may well exist. */
  | { readonly status: "unavailable"; readonly retryAfter: number };

/** The public keys of one store, kept current. */
export interface KeySet {
  /** Answers at once for keys it holds; waits for the source only for the first set, or for a key it does not know. Never rejects. */
  find(kid: string | undefined, algorithm: Algorithm): KeyLookup | Promise<KeyLookup>;
  /** Whether it can tell, without asking the source, that there is no such key. */
  lacks(kid: string | undefined, algorithm: Algorithm): boolean;
  /** Ends a load under way, and loads no more. The keys at hand go on serving. */
  close(): void;
}

/** What a key set works with. */
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
const MAX_BACKOFF = 60;

/**
 * Keeps a source's keys.
 *
 * Loaded when first needed, one load at a time; renewed in the background after `maxAge` while the keys at hand go on
 * serving, for at most a day after the last success; failures back off from 1 to 60 seconds. An unknown key causes a load
 * at most once per `cooldown` and is remembered by nothing else, so that random key ids cost neither memory nor fetches.
 */
export function createKeySet(source: KeySource, context: KeySetContext): KeySet {
  return new SourcedKeySet(source, context);
}

class SourcedKeySet implements KeySet {
  readonly #source: KeySource;
  readonly #context: KeySetContext;
  readonly #maxAge: number;
  readonly #cooldown: number;
  readonly #closing = new AbortController();
  #keys: ImportedKeys | undefined;
  /** What the source said of them before they were loaded. */
  #revision: unknown;
  #loadedAt = 0;
  #finishedAt = -Infinity;
  #failures = 0;
  #loading: Promise<void> | undefined;

  constructor(source: KeySource, context: KeySetContext) {
    this.#source = source;
    this.#context = context;
    this.#maxAge = source.maxAge ?? DEFAULT_MAX_AGE;
    this.#cooldown = source.cooldown ?? DEFAULT_COOLDOWN;
  }

  find(kid: string | undefined, algorithm: Algorithm): KeyLookup | Promise<KeyLookup> {
    const key = this.#findHeld(kid, algorithm);
    if (key === undefined) return this.#mustLoad() ? this.#ask(kid, algorithm) : this.#answerMissing();
    const age = this.#age();
    if (age < this.#maxAge || !this.#mayLoad()) return { status: "found", key };
    // After an idle time nobody has seen what was withdrawn meanwhile: look first, unless the source is known to be down.
    if (age >= this.#maxAge + this.#cooldown && this.#failures === 0) return this.#ask(kid, algorithm);
    void this.#load();
    return { status: "found", key };
  }

  lacks(kid: string | undefined, algorithm: Algorithm): boolean {
    if (this.#findHeld(kid, algorithm) !== undefined || this.#mustLoad()) return false;
    return this.#answerMissing().status === "unknown";
  }

  close(): void {
    this.#closing.abort();
  }

  #mayLoad(): boolean {
    return this.#loading !== undefined || this.#secondsUntilLoad() === 0;
  }

  /** Whether a key that is not here may have come meanwhile. */
  #mustLoad(): boolean {
    return this.#mayLoad() && !this.#isCurrent();
  }

  async #ask(kid: string | undefined, algorithm: Algorithm): Promise<KeyLookup> {
    // A load that began before the question may have missed the key it asks for.
    const isLate = this.#loading !== undefined;
    await this.#load();
    if (isLate && this.#findHeld(kid, algorithm) === undefined && this.#secondsUntilLoad() === 0) {
      await this.#load();
    }
    const key = this.#findHeld(kid, algorithm);
    return key === undefined ? this.#answerMissing() : { status: "found", key };
  }

  #findHeld(kid: string | undefined, algorithm: Algorithm): KeyObject | undefined {
    return this.#age() < MAX_STALENESS ? this.#keys?.find(kid, algorithm) : undefined;
  }

  /** Whether the source says that nothing has changed since the keys were loaded. Keys too old to serve are loaded again. */
  #isCurrent(): boolean {
    if (this.#source.revision === undefined || this.#keys === undefined) return false;
    if (this.#age() >= MAX_STALENESS) return false;
    return this.#readRevision() === this.#revision;
  }

  /** A source that cannot say is one that has changed. */
  #readRevision(): unknown {
    try {
      return this.#source.revision?.();
    } catch {
      return Symbol("unknown");
    }
  }

  #answerMissing(): KeyLookup {
    return this.#keys === undefined || this.#failures > 0 || this.#closing.signal.aborted
      ? { status: "unavailable", retryAfter: this.#retryAfter() }
      : { status: "unknown" };
  }

  /** Seconds since the last success. A clock set back makes old what was loaded "in the future". */
  #age(): number {
    return Math.abs(this.#context.clock() - this.#loadedAt);
  }

  #secondsUntilLoad(): number {
    if (this.#closing.signal.aborted) return MAX_BACKOFF;
    const pause = this.#failures === 0 ? this.#cooldown : Math.min(2 ** (this.#failures - 1), MAX_BACKOFF);
    const left = this.#finishedAt + pause - this.#context.clock();
    // More than the whole pause: the clock was set back.
    return left > pause ? 0 : Math.max(left, 0);
  }

  #retryAfter(): number {
    return Math.max(1, Math.ceil(this.#secondsUntilLoad()));
  }

  #load(): Promise<void> {
    return (this.#loading ??= this.#loadOnce());
  }

  async #loadOnce(): Promise<void> {
    const { clock, events, loadBudget = DEFAULT_LOAD_BUDGET } = this.#context;
    const revision = this.#readRevision();
    try {
      const set = await loadWithin(this.#source, loadBudget, this.#closing.signal);
      const keys = importKeys(set, this.#keys);
      if (keys.size > 0) {
        this.#keys = keys;
        this.#revision = revision;
        this.#loadedAt = clock();
        this.#failures = 0;
      } else {
        this.#failures += 1;
        events.emit({ type: "misconfigured", reason: "key_set_unusable" });
      }
    } catch {
      this.#failures += 1;
    }
    this.#finishedAt = clock();
    this.#loading = undefined;
    if (this.#failures === 0 || this.#closing.signal.aborted) return;
    const retryAfter = this.#retryAfter();
    events.emit({ type: "unavailable", code: "store_unavailable", reason: "keys_unavailable", retryAfter });
  }
}

/** A source that ignores the signal is left behind; what it says later is not heard. */
async function loadWithin(source: KeySource, budget: number, closing: AbortSignal): Promise<JsonWebKeySet> {
  const aborting = new AbortController();
  const abort = (): void => aborting.abort();
  const timer = setTimeout(abort, budget * 1000).unref();
  closing.addEventListener("abort", abort);
  const aborted = new Promise<never>((_, reject) => {
    aborting.signal.addEventListener("abort", () => reject(new Error("The key set was not loaded in time.")));
  });
  try {
    return await Promise.race([source.load(aborting.signal), aborted]);
  } finally {
    clearTimeout(timer);
    closing.removeEventListener("abort", abort);
  }
}
