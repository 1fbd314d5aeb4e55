import type { Clock } from "./clock.ts";
import { abortAfter, limitTime, TIMED_OUT } from "./time-limit.ts";

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
  /** Waits for the work under way, if there is any, within the budget. */
  whenSettled(key: string): Promise<void>;
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

  async whenSettled(key: string): Promise<void> {
    const flight = this.#flights.get(key);
    // Whoever started the work is told how it failed.
    if (flight !== undefined) await Promise.allSettled([this.#wait(flight)]);
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
    const flight = start(abortAfter(budget)).then((result) => {
      const settled = { result, startedAt, settledAt: clock() };
      if (keeps(result)) this.#keep(key, settled);
      return settled;
    });
    this.#flights.set(key, flight);
    const land = (): void => {
      clearTimeout(abandon);
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    const abandon = setTimeout(land, abandonAfter * 1000).unref();
    flight.then(land, land);
    return flight;
  }

  async #wait(flight: Promise<Settled<Result>>): Promise<FlightResult<Result>> {
    const settled = await limitTime(this.#options.budget, () => flight);
    return settled === TIMED_OUT ? { status: "timed_out" } : { status: "settled", settled };
  }
}
