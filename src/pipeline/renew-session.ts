import type { Clock } from "../clock.ts";
import type { EventSink } from "../events.ts";

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
  ask(signal: AbortSignal): Promise<Answer>;
  /** Whether an answer that is already there, or on its way since `startedAt`, answers this request's question. */
  accepts(settled: { readonly answer?: Answer; readonly startedAt: number }): boolean;
}

/** How a renewal ended: an answer, or the budget ran out first. */
export type RenewalResult<Answer> =
  | { readonly status: "settled"; readonly settled: Settled<Answer>; readonly shared: boolean }
  | { readonly status: "timed_out" };

/** One call in flight per credential, and its result for the grace window. */
export interface Renewer<Answer> {
  renew(request: RenewalRequest<Answer>): Promise<RenewalResult<Answer>>;
  /** What is known about the credential without asking. */
  settledFor(key: string): Settled<Answer> | undefined;
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
  keeps(answer: Answer): boolean;
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
  const { clock, events, budget, grace } = context;
  const flights = new Map<string, Flight<Answer>>();
  const settledByKey = new Map<string, Settled<Answer>>();

  const settledFor = (key: string): Settled<Answer> | undefined => {
    const settled = settledByKey.get(key);
    if (settled === undefined) return undefined;
    const age = clock() - settled.settledAt;
    if (age >= 0 && age < grace) return settled;
    settledByKey.delete(key);
    return undefined;
  };

  const keep = (key: string, settled: Settled<Answer>): void => {
    settledByKey.delete(key);
    settledByKey.set(key, settled);
    // Insertion order is settling order, so the oldest are first.
    for (const [oldest, { settledAt }] of settledByKey) {
      if (settledByKey.size <= MAX_SETTLED && clock() - settledAt < grace) break;
      settledByKey.delete(oldest);
    }
  };

  const launch = (request: RenewalRequest<Answer>): Flight<Answer> => {
    const startedAt = clock();
    const settled = request.ask(AbortSignal.timeout(budget * 1000)).then((answer) => {
      const result = { answer, startedAt, settledAt: clock() };
      if (context.keeps(answer)) keep(request.key, result);
      return result;
    });
    const flight = { startedAt, settled };
    flights.set(request.key, flight);
    const land = (): void => {
      clearTimeout(abandon);
      if (flights.get(request.key) === flight) flights.delete(request.key);
    };
    const abandon = setTimeout(land, budget * 1000 * ABANDON_AFTER_BUDGETS).unref();
    settled.then(land, land);
    return flight;
  };

  const wait = async (flight: Flight<Answer>, shared: boolean): Promise<RenewalResult<Answer>> => {
    const settled = await within(budget, flight.settled);
    return settled === undefined ? { status: "timed_out" } : { status: "settled", settled, shared };
  };

  return {
    settledFor,
    forget: () => settledByKey.clear(),
    async renew(request) {
      const settled = settledFor(request.key);
      if (settled !== undefined && request.accepts(settled)) {
        events.emit({ type: "coalesced", with: "settled" });
        return { status: "settled", settled, shared: true };
      }
      const flight = flights.get(request.key);
      if (flight === undefined) return wait(launch(request), false);
      events.emit({ type: "coalesced", with: "in_flight" });
      const result = await wait(flight, true);
      if (result.status === "timed_out" || request.accepts(result.settled)) return result;
      // The call began too early for this request's question; the next one has not.
      return this.renew(request);
    },
  };
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
