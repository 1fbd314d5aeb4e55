import type { Clock } from "../clock.ts";
import type { EventSink } from "../events.ts";
import { loadPolicy, type LoadedPolicy } from "./load-policy.ts";
import type { Policy } from "./policy.ts";

/** The policy in force: there is one, there is none to go by, or it cannot be had right now. */
export type PolicyLookup =
  | { readonly status: "found"; readonly policy: Policy }
  | { readonly status: "none" }
  /** `retryAfter` in seconds; `undefined`: waiting does not help. */
  | { readonly status: "unavailable"; readonly retryAfter: number | undefined };

/** What a slot is made of. */
export interface PolicySlotParts {
  readonly load: (signal: AbortSignal) => Promise<unknown>;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** Seconds for which a loaded policy is served without asking. */
export const POLICY_MAX_AGE = 300;

const LONGEST_WAIT = 60;

/**
 * Keeps one policy that is loaded at first use, by one call at a time, and again after five minutes.
 *
 * When it cannot be loaded the old one goes on being served, and after 1, 2, 4 ... 60 seconds it is tried again.
 *
 * @returns what answers: at once while the policy is fresh or a failed load is being waited out.
 */
export function createPolicySlot(parts: PolicySlotParts): () => PolicyLookup | Promise<PolicyLookup> {
  const { load, clock, events } = parts;
  let found: PolicyLookup | undefined;
  let loadedAt = -Infinity;
  let failures = 0;
  let failedAt = -Infinity;
  let wait = 0;
  let mayWait = true;
  let flight: Promise<PolicyLookup> | undefined;

  async function reload(startedAt: number): Promise<PolicyLookup> {
    const loaded = await loadPolicy(load);
    flight = undefined;
    if (loaded.status === "loaded") {
      found = Object.freeze({ status: "found", policy: loaded.policy });
      loadedAt = startedAt;
      failures = 0;
      return found;
    }
    failures += 1;
    failedAt = clock();
    wait = chooseWait(failures, loaded.retryAfter);
    mayWait = tellFailure(events, loaded, wait);
    return found ?? missing(mayWait ? wait : undefined);
  }

  return () => {
    const now = clock();
    const fresh = isWithin(POLICY_MAX_AGE, loadedAt, now);
    const waiting = isWithin(wait, failedAt, now);
    if (found !== undefined && (fresh || waiting)) return found;
    if (waiting) return missing(mayWait ? Math.ceil(failedAt + wait - now) : undefined);
    flight ??= reload(now);
    // Somebody saw a moment ago that it cannot be had: nobody needs to wait to see it again.
    const failing = failures > 0 && isWithin(POLICY_MAX_AGE, failedAt, now);
    return found !== undefined && failing ? found : flight;
  };
}

/** @returns whether waiting helps: what refuses this application is tried again all the same, but nobody is told to wait. */
function tellFailure(
  events: EventSink,
  { reason, misconfigured }: Extract<LoadedPolicy, { status: "failed" }>,
  retryAfter: number,
): boolean {
  if (misconfigured !== undefined) events.emit({ type: "misconfigured", reason: misconfigured });
  events.emit({ type: "unavailable", code: "store_unavailable", reason, retryAfter });
  return misconfigured === undefined;
}

function missing(retryAfter: number | undefined): PolicyLookup {
  return { status: "unavailable", retryAfter };
}

/** A clock that was set back makes everything old, never fresh for longer. */
function isWithin(seconds: number, since: number, now: number): boolean {
  const age = now - since;
  return age >= 0 && age < seconds;
}

function chooseWait(failures: number, asked: number | undefined): number {
  const wait = Math.min(2 ** (failures - 1), LONGEST_WAIT);
  return asked !== undefined && asked > wait ? Math.min(Math.ceil(asked), POLICY_MAX_AGE) : wait;
}
