import { TIMED_OUT, type TimeLimit, limitTime, sleep } from "../lib/concurrency.ts";
import type { Coordination, HeldLease } from "./coordination.ts";

/*
 * One renewal for all processes, as a state machine that knows neither requests nor stores:
 *
 *   take the lease -- taken --> wait for the holder -- its result --> done
 *        |  ^                        |
 *        |  +---- lease is free -----+
 *        +-- the coordinator fails --> call alone --> done
 *        +-- held --> look for a result, told with the lease or recalled -- found --> done
 *                          +-- none --> call --> keep the result --> done, lease released
 *
 * The lease saves calls. Where it fails (its holder slept, crashed, or could not reach the coordinator) two processes call, and
 * the store refuses one of them, which then waits for the other's result. ARCHITECTURE.md has the states and what ends them.
 */

/** One renewal, as a process goes about it. */
export interface FleetRenewal<Value> {
  readonly coordination: Coordination;
  /** The name of the renewal in every process. */
  readonly key: string;
  /** Aborts when nobody waits any more. */
  readonly signal: AbortSignal;
  /** What another process kept; `undefined` where it is of no use. */
  readonly open: (sealed: string) => Promise<Value | undefined>;
  /** Calls the store. The answer is to be kept before anything else is done with it. */
  readonly call: (keep: (sealed: string) => Promise<void>) => Promise<Value>;
  /** Whether to call where the coordinator fails. */
  readonly mayGoAlone: boolean;
  /** Seconds for which the others can have a result. */
  readonly keptFor: number;
  /** Whether the credential is spent by another process, whose result is worth waiting for. */
  readonly isContended: (value: Value) => boolean;
  /** Whether what was kept must not be used after all. */
  readonly isRevoked: (value: Value) => boolean;
}

/** What became of a renewal. `given_up`: another process is still at it. `put_off`: it did not begin. */
export type RenewedOnce<Value> =
  | { readonly status: "called" | "recalled"; readonly value: Value }
  | { readonly status: "given_up" }
  | { readonly status: "put_off" };

type Turn<Value> =
  | { readonly status: "mine"; readonly lease: HeldLease }
  | { readonly status: "alone" }
  | RenewedOnce<Value>;

/** Seconds between two looks, where the coordinator sends no messages: the first, growing to the last. */
const FIRST_PAUSE = 0.02;
const LAST_PAUSE = 0.25;
/** Looks after which a coordinator that wakes waiters too early is slowed down. */
const MAX_FRUITLESS_LOOKS = 20;
/** Seconds to wait for the result of the process that spent the credential. */
const WINNER_WAIT = 1;

/** Renews once for all processes, or gets what another process renewed. Rejects as `call` does. */
export async function renewOnce<Value>(renewal: FleetRenewal<Value>): Promise<RenewedOnce<Value>> {
  const turn = await awaitTurn(renewal);
  if (turn.status === "alone") {
    return renewal.mayGoAlone ? callInTurn(renewal, undefined) : { status: "put_off" };
  }
  if (turn.status !== "mine") return turn;
  try {
    return await callInTurn(renewal, turn.lease);
  } finally {
    turn.lease.release();
  }
}

async function awaitTurn<Value>(renewal: FleetRenewal<Value>): Promise<Turn<Value>> {
  const { coordination, key, signal } = renewal;
  let pause = FIRST_PAUSE;
  /* oxlint-disable no-await-in-loop -- one look after the other */
  for (let looks = 0; !signal.aborted; looks++) {
    const lease = await coordination.acquire(key);
    if (lease === undefined) return { status: "alone" };
    // Listening begins before the look, so that no message falls between the two.
    const awakened = lease === "taken" ? coordination.awaken(key, pause, signal) : undefined;
    const kept = lease === "taken" ? undefined : lease.kept;
    const found = await (kept === undefined ? recall(renewal) : open(renewal, kept.sealed));
    if (found !== undefined) {
      if (lease !== "taken") lease.release();
      return found;
    }
    if (lease !== "taken") return { status: "mine", lease };
    await awakened;
    if (looks >= MAX_FRUITLESS_LOOKS) await sleep(FIRST_PAUSE);
    pause = Math.min(pause * 1.5, LAST_PAUSE);
    const foundLater = await recall(renewal);
    if (foundLater !== undefined) return foundLater;
  }
  /* oxlint-enable no-await-in-loop */
  return { status: "given_up" };
}

async function recall<Value>(renewal: FleetRenewal<Value>): Promise<RenewedOnce<Value> | undefined> {
  return open(renewal, await renewal.coordination.recall(renewal.key));
}

async function open<Value>(
  renewal: FleetRenewal<Value>,
  sealed: string | undefined,
): Promise<RenewedOnce<Value> | undefined> {
  const value = sealed === undefined ? undefined : await renewal.open(sealed);
  return value === undefined ? undefined : { status: "recalled", value };
}

async function callInTurn<Value>(
  renewal: FleetRenewal<Value>,
  lease: HeldLease | undefined,
): Promise<RenewedOnce<Value>> {
  const { coordination, key, call, keptFor, isContended, isRevoked } = renewal;
  const outcomes: ("kept" | "late" | "failed")[] = [];
  const value = await call(async (sealed) => {
    if (lease !== undefined) outcomes.push(await lease.remember(sealed, keptFor));
  });
  const [kept] = outcomes;
  // An empty text opens to nothing.
  if (kept === "kept" && isRevoked(value)) await coordination.remember(key, "", 1);
  const isBeaten = lease !== undefined && isContended(value);
  const found = kept === "late" ? await recall(renewal) : isBeaten ? await findWinner(renewal) : undefined;
  return found ?? { status: "called", value };
}

/** Waits for the result of the process that spent the credential. */
async function findWinner<Value>(renewal: FleetRenewal<Value>): Promise<RenewedOnce<Value> | undefined> {
  const { coordination, key, signal } = renewal;
  const look = async (limit: TimeLimit): Promise<RenewedOnce<Value> | undefined> => {
    /* oxlint-disable no-await-in-loop -- one look after the other */
    for (let looks = 0; !limit.isOver; looks++) {
      const found = await recall(renewal);
      if (found !== undefined) return found;
      // A result that is of no use here counts as settled too: nothing more may come.
      if (looks > 0) await sleep(FIRST_PAUSE);
      await coordination.awaken(key, LAST_PAUSE, limit.signal);
    }
    /* oxlint-enable no-await-in-loop */
    return undefined;
  };
  const found = await limitTime(WINNER_WAIT, look, { signal });
  return found === TIMED_OUT ? undefined : found;
}
