import type { Instance } from "./instance.ts";
import { keptRenewal, shareRenewal } from "./renew.ts";
import { type Resolution, reportMisconfigured, reportUnavailable } from "./request-auth.ts";
import { type RenewalStep, toResolution } from "./resolve-renewal.ts";

/*
 * Renews a session shortly before its token expires, so that no request waits for the store. The request that starts the renewal
 * is served with the session that is still good. The successor is with the coordinator before this process uses it: any process
 * sends it with the next response, and no response that has begun is needed for that.
 */

/**
 * Starts the renewal of a session that is still good, unless it is under way, and returns at once.
 *
 * @returns what an earlier renewal came to; `undefined` where the session at hand is the answer
 */
export function renewAheadOfExpiry(instance: Instance, step: RenewalStep): Resolution | undefined {
  const kept = keptRenewal(instance, step);
  if (kept === undefined) {
    // Its refresh token is spent. The successor goes out when this token expires.
    if (instance.lostReplies.find(step.key) !== undefined) return undefined;
    void renewInBackground(instance, step);
    return undefined;
  }
  // Whatever else a store says, the token is good until it expires.
  if (kept.status !== "active" && kept.status !== "ended") return undefined;
  if (kept.status === "active" && !kept.isNew) return undefined;
  return toResolution(instance, step, kept, { isLater: false });
}

/** Renews for the requests to come. Nobody waits, so nothing may be thrown. */
async function renewInBackground(instance: Instance, step: RenewalStep): Promise<void> {
  const { backOff, events, renewals } = instance;
  if (renewals.isUnderWay(step.key) || backOff.waitFor(step.key) !== undefined) return;
  try {
    const flight = await shareRenewal(instance, { ...step, isAhead: true });
    const result = flight.status === "settled" ? flight.settled.result : undefined;
    if (result?.status === "unavailable" && result.manner !== "put_off") reportUnavailable(events, result);
  } catch (cause) {
    reportMisconfigured(events, { reason: "internal_error", cause });
  }
}
