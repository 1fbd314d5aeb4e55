import type { Clock } from "./clock.ts";
import { limitTime, TIMED_OUT } from "./time-limit.ts";

/** How a load failed. */
export interface LoadFailure {
  /** What `load` threw; an error of our own where it took too long. */
  readonly error: unknown;
  readonly timedOut: boolean;
  /** Seconds until the next attempt. */
  readonly retryAfter: number;
}

/** Options of {@link RefreshingValue}. Durations are seconds. */
export interface RefreshingValueOptions<Value> {
  /** Loads the value. The signal aborts when the budget is spent, and when the value is closed. */
  readonly load: (signal: AbortSignal) => Promise<Value>;
  readonly clock: Clock;
  /** For one load. */
  readonly budget: number;
  /** For this long a value is served without being loaded again. */
  readonly maxAge: number;
  /** For this long after `maxAge` the old value is served while the new one is loaded. @defaultValue 0 */
  readonly staleWhileLoading?: number;
  /** A value of this age is not served, even if loading fails. @defaultValue served at any age */
  readonly maxStaleness?: number;
  /** Between a successful load and one that {@link RefreshingValue.refresh} asks for. @defaultValue 0 */
  readonly cooldown?: number;
  /** For this long after a failure nobody waits for the next attempt where an old value can be served. @defaultValue `maxAge` */
  readonly failureMemory?: number;
  /** How long the source asks to be left alone. At most `maxAge` is obeyed. @defaultValue not asked: 1 s, doubling to 60 s */
  readonly retryAfterOf?: (failure: unknown) => number | undefined;
  /** Called after each failure, but not once the value is closed. */
  readonly onFailure?: (failure: LoadFailure) => void;
}

const MAX_BACKOFF = 60;

/**
 * Keeps a value that has to be loaded: caches it, loads it again when it is old, one load at a time, and serves the old value
 * when loading fails. After a failure it backs off: 1 s, doubling to 60 s, or as long as the source asks.
 */
export class RefreshingValue<Value extends object> {
  readonly #options: RefreshingValueOptions<Value>;
  readonly #closing = new AbortController();
  #value: Value | undefined;
  #loadedAt = -Infinity;
  #finishedAt = -Infinity;
  #failures = 0;
  /** Seconds between the end of the last load and the next. */
  #pause = 0;
  #lastError: unknown;
  #loading: Promise<void> | undefined;

  constructor(options: RefreshingValueOptions<Value>) {
    this.#options = options;
  }

  /** The newest value, without loading; `undefined` if there is none, or if it is too old to be served. */
  get current(): Value | undefined {
    const { maxStaleness = Infinity } = this.#options;
    // A clock that was set back does not make an old value young.
    return Math.abs(this.#age()) < maxStaleness ? this.#value : undefined;
  }

  /** Why the last load failed; `undefined` after a success. */
  get lastError(): unknown {
    return this.#lastError;
  }

  /** Whether the last load failed, or no load is possible any more. */
  get isFailing(): boolean {
    return this.#failures > 0 || this.#closing.signal.aborted;
  }

  get isLoading(): boolean {
    return this.#loading !== undefined;
  }

  /** Seconds until a load may start, with fractions; 0: it may start now. */
  get secondsUntilLoad(): number {
    if (this.#closing.signal.aborted) return MAX_BACKOFF;
    const left = this.#finishedAt + this.#pause - this.#options.clock();
    // More than the whole pause is left only if the clock was set back.
    return left > this.#pause ? 0 : Math.max(left, 0);
  }

  /**
   * Gets the value. Returns a promise only if the caller should wait for a load. Never throws and never rejects.
   *
   * @returns `undefined` if there is no value that can be served: see {@link lastError}.
   */
  get(): Value | undefined | Promise<Value | undefined> {
    const { maxAge, staleWhileLoading = 0 } = this.#options;
    const { current } = this;
    if (current !== undefined && this.#isYoungerThan(maxAge)) return current;
    if (!this.isLoading && this.secondsUntilLoad > 0) return current;
    const loaded = this.refresh();
    const mayServe = this.#isYoungerThan(maxAge + staleWhileLoading) || this.#failedRecently();
    return current !== undefined && mayServe ? current : loaded.then(() => this.current);
  }

  /** Loads the value now, whatever its age, or joins the load under way. Never rejects. */
  refresh(): Promise<void> {
    return (this.#loading ??= this.#load());
  }

  /** Ends a load under way and starts no other. The value at hand is still served. */
  close(): void {
    this.#closing.abort();
  }

  /** Seconds since the newest value was asked for: what the source says is as old as the question. */
  #age(): number {
    return this.#options.clock() - this.#loadedAt;
  }

  #isYoungerThan(seconds: number): boolean {
    const age = this.#age();
    return age >= 0 && age < seconds;
  }

  #failedRecently(): boolean {
    const { clock, maxAge, failureMemory = maxAge } = this.#options;
    const elapsed = clock() - this.#finishedAt;
    return this.#failures > 0 && elapsed >= 0 && elapsed < failureMemory;
  }

  async #load(): Promise<void> {
    const { load, clock, budget, cooldown = 0 } = this.#options;
    const startedAt = clock();
    try {
      const loaded = await limitTime(budget, load, { signal: this.#closing.signal });
      if (loaded === TIMED_OUT) {
        this.#fail(new Error(`Nothing was loaded within ${budget} s.`), true);
      } else {
        this.#value = loaded;
        this.#loadedAt = startedAt;
        this.#failures = 0;
        this.#pause = cooldown;
        this.#lastError = undefined;
      }
    } catch (error) {
      this.#fail(error, false);
    }
    this.#finishedAt = clock();
    this.#loading = undefined;
  }

  #fail(error: unknown, timedOut: boolean): void {
    const { maxAge, retryAfterOf, onFailure } = this.#options;
    this.#failures += 1;
    this.#lastError = error;
    const backoff = Math.min(2 ** (this.#failures - 1), MAX_BACKOFF);
    const asked = retryAfterOf?.(error) ?? 0;
    this.#pause = asked > backoff ? Math.min(Math.ceil(asked), maxAge) : backoff;
    if (!this.#closing.signal.aborted) onFailure?.({ error, timedOut, retryAfter: this.#pause });
  }
}
