import { type Clock, onNextTurn } from "./clock.ts";

/** A signal that aborts after so many seconds. It keeps no process alive. */
export function abortAfter(seconds: number): AbortSignal {
  return AbortSignal.timeout(seconds * 1000);
}

/** Resolves after so many seconds, or when the signal aborts. It keeps no process alive. */
export function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, seconds * 1000).unref();
    signal?.addEventListener("abort", end, { once: true });
    if (signal?.aborted === true) end();
  });
}

/** Stands for work that did not finish in time. */
export const TIMED_OUT: unique symbol = Symbol("timed out");

/** What bounds work beside its seconds. */
export interface TimeLimitOptions {
  /** Ends the work early, as if its time were over. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Seconds that the work goes on after its limit or its signal: for calls that spend something, whose late reply is worth
   * having. @defaultValue 0
   */
  readonly grace?: number | undefined;
}

/** The time that work has. */
export interface TimeLimit {
  readonly isOver: boolean;
  /** Calls a function once, when the time is over. Returns what forgets it. */
  onOver(end: () => void): () => void;
  /** Aborts when the time is over. It is made when it is first read: most work needs none, and it costs more than the timer. */
  readonly signal: AbortSignal;
}

/**
 * Runs work for at most so many seconds.
 *
 * The signal of the limit that the work receives aborts when its time is over. Work that ignores it goes on, but is not waited
 * for.
 *
 * @returns what the work returns, or {@link TIMED_OUT}; rejects as the work does.
 */
export async function limitTime<Value>(
  seconds: number,
  work: (limit: TimeLimit) => Promise<Value>,
  { signal: outer, grace = 0 }: TimeLimitOptions = {},
): Promise<Value | typeof TIMED_OUT> {
  if (outer?.aborted === true) return TIMED_OUT;
  const limit = new RunningLimit();
  const timedOut = new Promise<typeof TIMED_OUT>((resolve) => {
    limit.onOver(() => resolve(TIMED_OUT));
  });
  let isSettled = false;
  // Node runs timers before it reads sockets: a busy process reads the replies that have arrived before it gives up.
  const end = (): void => {
    onNextTurn(() => {
      if (!isSettled) limit.end();
    });
  };
  const timers = [setTimeout(end, (seconds + grace) * 1000)];
  const onOuterAbort = (): void => {
    if (grace > 0) timers.push(setTimeout(end, grace * 1000));
    else limit.end();
  };
  outer?.addEventListener("abort", onOuterAbort, { once: true });
  try {
    return await Promise.race([work(limit), timedOut]);
  } finally {
    isSettled = true;
    for (const timer of timers) clearTimeout(timer);
    outer?.removeEventListener("abort", onOuterAbort);
  }
}

class RunningLimit implements TimeLimit {
  readonly #listeners = new Set<() => void>();
  #isOver = false;
  #aborting: AbortController | undefined;

  get isOver(): boolean {
    return this.#isOver;
  }

  get signal(): AbortSignal {
    this.#aborting ??= new AbortController();
    if (this.#isOver) this.#aborting.abort();
    return this.#aborting.signal;
  }

  onOver(end: () => void): () => void {
    this.#listeners.add(end);
    return () => void this.#listeners.delete(end);
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const end of this.#listeners) end();
    // Last: the caller is told that the time is over, and not what work makes of its signal.
    this.#aborting?.abort();
  }
}

/** Makes a function whose first call does the work; later ones wait for it too, and end as it does. */
export function once<Value>(work: () => Promise<Value>): () => Promise<Value> {
  let working: Promise<Value> | undefined;
  return () => (working ??= work());
}

/** A result that is kept, so that late callers with the same key get it too. */
export interface Settled<Result> {
  readonly result: Result;
  /** When the work began and when it ended, in seconds since the epoch. */
  readonly startedAt: number;
  readonly settledAt: number;
}

/** What one caller asks for. */
export interface FlightRequest<Result> {
  readonly key: string;
  /** Starts the work. The signal aborts when the budget is spent. */
  readonly start: (signal: AbortSignal) => Promise<Result>;
  /** Whether a kept result, or the result of work that others started, will do for this caller. @defaultValue always */
  readonly accepts?: (settled: Settled<Result>) => boolean;
}

/**
 * How it ended: with a result; the budget ran out first; or the work of another caller was waited for, but its result does
 * not do: look at what it left, and ask again.
 */
export type FlightResult<Result> =
  | { readonly status: "settled"; readonly settled: Settled<Result> }
  | { readonly status: "timed_out" }
  | { readonly status: "not_accepted" };

/** Options of {@link createSingleFlight}. */
export interface SingleFlightOptions<Result> {
  readonly clock: Clock;
  /** Seconds that one caller waits. */
  readonly budget: number;
  /** Seconds for which a result is kept after the work ended. @defaultValue 0: results are not kept */
  readonly grace?: number;
  /** Seconds after which work that has not ended no longer blocks its key. @defaultValue six budgets */
  readonly abandonAfter?: number;
  /** Whether a result is worth keeping. @defaultValue always */
  readonly keeps?: (result: Result) => boolean;
  /** Called when a caller gets what another caller started. */
  readonly onShared?: (shared: "in_flight" | "settled") => void;
}

/** Runs work once for all callers that ask with the same key, and keeps its result for a while. */
export interface SingleFlight<Result> {
  /** Joins the work under way, uses the kept result, or starts the work. Rejects as the work does. */
  run(request: FlightRequest<Result>): Promise<FlightResult<Result>>;
  /** The kept result, if there is one. */
  settledFor(key: string): Settled<Result> | undefined;
  /** Whether work with the key is under way. */
  isUnderWay(key: string): boolean;
  /** Waits for the work under way, if there is any, within the budget. */
  whenSettled(key: string): Promise<void>;
  /** Waits for all work whose callers may still wait for it. */
  whenIdle(): Promise<void>;
}

// Work that ignores its signal and never ends must not block its key for ever.
const ABANDON_AFTER_BUDGETS = 6;
const MAX_SETTLED = 10_000;

/** Makes an empty {@link SingleFlight}. Work goes on when its callers stop waiting; a late result is kept all the same. */
export function createSingleFlight<Result>(options: SingleFlightOptions<Result>): SingleFlight<Result> {
  return new KeyedFlights(options);
}

class KeyedFlights<Result> implements SingleFlight<Result> {
  readonly #options: SingleFlightOptions<Result>;
  readonly #flights = new Map<string, Promise<Settled<Result>>>();
  /** The signals of the work under way, which abort when its budget is spent. */
  readonly #signals = new Map<Promise<Settled<Result>>, AbortSignal>();
  readonly #settled = new Map<string, Settled<Result>>();

  constructor(options: SingleFlightOptions<Result>) {
    this.#options = options;
  }

  async run({ key, start, accepts = () => true }: FlightRequest<Result>): Promise<FlightResult<Result>> {
    const settled = this.settledFor(key);
    if (settled !== undefined && accepts(settled)) {
      this.#options.onShared?.("settled");
      return { status: "settled", settled };
    }
    const flight = this.#flights.get(key);
    if (flight === undefined) return this.#wait(this.#launch(key, start));
    this.#options.onShared?.("in_flight");
    const result = await this.#wait(flight);
    return result.status === "settled" && !accepts(result.settled) ? { status: "not_accepted" } : result;
  }

  settledFor(key: string): Settled<Result> | undefined {
    const settled = this.#settled.get(key);
    if (settled === undefined || this.#isRecent(settled)) return settled;
    this.#settled.delete(key);
    return undefined;
  }

  isUnderWay(key: string): boolean {
    return this.#flights.has(key);
  }

  async whenSettled(key: string): Promise<void> {
    const flight = this.#flights.get(key);
    // Whoever started the work is told how it failed.
    if (flight !== undefined) await Promise.allSettled([this.#wait(flight)]);
  }

  async whenIdle(): Promise<void> {
    // Whoever started the work is told how it failed.
    await Promise.allSettled(
      [...this.#flights.values()].map((flight) => this.#wait(flight, this.#signals.get(flight))),
    );
  }

  #isRecent({ settledAt }: Settled<Result>): boolean {
    const age = this.#options.clock() - settledAt;
    return age >= 0 && age < (this.#options.grace ?? 0);
  }

  #keep(key: string, settled: Settled<Result>): void {
    this.#settled.delete(key);
    this.#settled.set(key, settled);
    // Insertion order is settling order, so the oldest are first.
    for (const [oldest, candidate] of this.#settled) {
      if (this.#settled.size <= MAX_SETTLED && this.#isRecent(candidate)) break;
      this.#settled.delete(oldest);
    }
  }

  #launch(key: string, start: FlightRequest<Result>["start"]): Promise<Settled<Result>> {
    const {
      clock,
      budget,
      abandonAfter = budget * ABANDON_AFTER_BUDGETS,
      keeps = () => true,
    } = this.#options;
    const startedAt = clock();
    const signal = abortAfter(budget);
    const flight = start(signal).then((result) => {
      const settled = { result, startedAt, settledAt: clock() };
      if (keeps(result)) this.#keep(key, settled);
      return settled;
    });
    this.#flights.set(key, flight);
    this.#signals.set(flight, signal);
    const land = (): void => {
      clearTimeout(abandon);
      this.#signals.delete(flight);
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    const abandon = setTimeout(land, abandonAfter * 1000).unref();
    flight.then(land, land);
    return flight;
  }

  async #wait(flight: Promise<Settled<Result>>, signal?: AbortSignal): Promise<FlightResult<Result>> {
    const settled = await limitTime(this.#options.budget, () => flight, { signal });
    return settled === TIMED_OUT ? { status: "timed_out" } : { status: "settled", settled };
  }
}

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
  /** Seconds between two attempts after failures, at most. @defaultValue 60 */
  readonly maxBackOff?: number | undefined;
  /** How long the source asks to be left alone. At most `maxAge` is obeyed. @defaultValue not asked: 1 s, doubling to `maxBackOff` */
  readonly retryAfterOf?: (failure: unknown) => number | undefined;
  /** Called when a new value has been loaded and is in force. */
  readonly onLoad?: (value: Value) => void;
  /** Called after each failure, but not once the value is closed. */
  readonly onFailure?: (failure: LoadFailure) => void;
}

const MAX_BACKOFF = 60;

/**
 * Keeps a value that has to be loaded: caches it, loads it again when it is old, one load at a time, and serves the old value
 * when loading fails. After a failure it backs off: 1 s, doubling to `maxBackOff`, or as long as the source asks.
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
    const { load, clock, budget, cooldown = 0, onLoad } = this.#options;
    const startedAt = clock();
    try {
      const loaded = await limitTime(budget, ({ signal }) => load(signal), { signal: this.#closing.signal });
      if (loaded === TIMED_OUT) {
        this.#fail(new Error(`Nothing was loaded within ${budget} s.`), true);
      } else {
        this.#value = loaded;
        this.#loadedAt = startedAt;
        this.#failures = 0;
        this.#pause = cooldown;
        this.#lastError = undefined;
        onLoad?.(loaded);
      }
    } catch (error) {
      this.#fail(error, false);
    }
    this.#finishedAt = clock();
    this.#loading = undefined;
  }

  #fail(error: unknown, timedOut: boolean): void {
    const { maxAge, maxBackOff = MAX_BACKOFF, retryAfterOf, onFailure } = this.#options;
    this.#failures += 1;
    this.#lastError = error;
    const backoff = backOffSeconds(this.#failures, maxBackOff);
    const asked = retryAfterOf?.(error) ?? 0;
    this.#pause = asked > backoff ? Math.min(Math.ceil(asked), maxAge) : backoff;
    if (!this.#closing.signal.aborted) onFailure?.({ error, timedOut, retryAfter: this.#pause });
  }
}

/** Seconds to wait after as many failures in a row: 1, doubling to `most`. */
export function backOffSeconds(failures: number, most: number): number {
  return Math.min(2 ** (failures - 1), most);
}
