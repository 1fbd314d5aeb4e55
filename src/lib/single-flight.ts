import type { EventSink } from "../events.ts";
import type { Clock } from "./clock.ts";

/** A settled answer of the store, kept so that late requests with the old credential get the winner's result. */
export interface Settled<Answer> {
  readonly answer: Answer;
  /** When the call began, in seconds since the epoch. */
  readonly startedAt: number;
  readonly settledAt: number;
}

/** What a request with a stale credential asks for. */
export interface RenewalRequest<Answer> {
  /** Names the credential. */
  readonly key: string;
  /** Asks the store. The signal aborts when the time budget is spent. */
  readonly ask: (signal: AbortSignal) => Promise<Answer>;
  /** Whether an answer that is already there, or on its way since `startedAt`, answers this request's question. */
  readonly accepts: (settled: { readonly answer?: Answer; readonly startedAt: number }) => boolean;
}

/**
 * How a renewal ended: an answer; the budget ran out first; or the call that was in flight does not answer the question,
 * because it began too early: look at what it left, and ask again.
 */
export type RenewalResult<Answer> =
  | { readonly status: "settled"; readonly settled: Settled<Answer>; readonly shared: boolean }
  | { readonly status: "timed_out" }
  | { readonly status: "too_early" };

/** One call in flight per credential, and its result for the grace window. */
export interface Renewer<Answer> {
  renew(request: RenewalRequest<Answer>): Promise<RenewalResult<Answer>>;
  /** What is known about the credential without asking. */
  settledFor(key: string): Settled<Answer> | undefined;
  /** Waits for the call in flight, if there is one, as long as anybody waits for it. */
  whenSettled(key: string): Promise<void>;
  forget(): void;
}

/** What a renewer is made of. */
export interface RenewerContext<Answer> {
  readonly clock: Clock;
  readonly events: EventSink;
  /** Seconds one call may take. */
  readonly budget: number;
  /** Seconds for which a settled result answers late requests. */
  readonly grace: number;
  /** Whether an answer is worth keeping: trouble is not. */
  readonly keeps: (answer: Answer) => boolean;
}

interface Flight<Answer> {
  readonly startedAt: number;
  readonly settled: Promise<Settled<Answer>>;
}

// A store that ignores its abort signal and never answers must not block a credential for ever.
const ABANDON_AFTER_BUDGETS = 6;
const MAX_SETTLED = 10_000;

/** Makes the single flight around the store. */
export function createRenewer<Answer>(context: RenewerContext<Answer>): Renewer<Answer> {
  return new SingleFlight(context);
}

class SingleFlight<Answer> implements Renewer<Answer> {
  readonly #context: RenewerContext<Answer>;
  readonly #flights = new Map<string, Flight<Answer>>();
  readonly #settled = new Map<string, Settled<Answer>>();

  constructor(context: RenewerContext<Answer>) {
    this.#context = context;
  }

  async renew(request: RenewalRequest<Answer>): Promise<RenewalResult<Answer>> {
    const { events } = this.#context;
    const settled = this.settledFor(request.key);
    if (settled !== undefined && request.accepts(settled)) {
      events.emit({ type: "coalesced", with: "settled" });
      return { status: "settled", settled, shared: true };
    }
    const flight = this.#flights.get(request.key);
    if (flight === undefined) return this.#wait(this.#launch(request), false);
    events.emit({ type: "coalesced", with: "in_flight" });
    const result = await this.#wait(flight, true);
    if (result.status !== "settled" || request.accepts(result.settled)) return result;
    return { status: "too_early" };
  }

  settledFor(key: string): Settled<Answer> | undefined {
    const settled = this.#settled.get(key);
    if (settled === undefined || this.#isRecent(settled)) return settled;
    this.#settled.delete(key);
    return undefined;
  }

  async whenSettled(key: string): Promise<void> {
    const flight = this.#flights.get(key);
    if (flight !== undefined) await this.#wait(flight, true).catch(() => undefined);
  }

  forget(): void {
    this.#settled.clear();
  }

  #isRecent({ settledAt }: Settled<Answer>): boolean {
    const age = this.#context.clock() - settledAt;
    return age >= 0 && age < this.#context.grace;
  }

  #keep(key: string, settled: Settled<Answer>): void {
    this.#settled.delete(key);
    this.#settled.set(key, settled);
    // Insertion order is settling order, so the oldest are first.
    for (const [oldest, candidate] of this.#settled) {
      if (this.#settled.size <= MAX_SETTLED && this.#isRecent(candidate)) break;
      this.#settled.delete(oldest);
    }
  }

  #launch({ key, ask }: RenewalRequest<Answer>): Flight<Answer> {
    const { clock, budget, keeps } = this.#context;
    const startedAt = clock();
    const settled = ask(AbortSignal.timeout(budget * 1000)).then((answer) => {
      const result = { answer, startedAt, settledAt: clock() };
      if (keeps(answer)) this.#keep(key, result);
      return result;
    });
    const flight = { startedAt, settled };
    this.#flights.set(key, flight);
    const land = (): void => {
      clearTimeout(abandon);
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    const abandon = setTimeout(land, budget * 1000 * ABANDON_AFTER_BUDGETS).unref();
    settled.then(land, land);
    return flight;
  }

  async #wait(flight: Flight<Answer>, shared: boolean): Promise<RenewalResult<Answer>> {
    const settled = await within(this.#context.budget, flight.settled);
    return settled === undefined ? { status: "timed_out" } : { status: "settled", settled, shared };
  }
}

/** The value, or `undefined` once the seconds are over; the promise itself goes on. */
async function within<Value>(seconds: number, promise: Promise<Value>): Promise<Value | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), seconds * 1000);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
