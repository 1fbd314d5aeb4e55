import { toRedirectTarget } from "../lib/http.ts";
import { isString } from "../lib/values.ts";
import type { RejectedState } from "../model.ts";
import type { StaleCredential } from "../store.ts";
import type { VerifiedSession } from "./cache.ts";
import { toLabel } from "./call-store.ts";
import type { Instance } from "./instance.ts";
import {
  type FreshnessRequirement,
  type RenewalResult,
  type Resolution,
  type Successor,
  keyOfSuccessor,
  refuse,
  reportUnavailable,
} from "./request-auth.ts";
import { type VerifiedCredential, needsStore, resolveEnded } from "./verify-credential.ts";

/** A stale credential, and why and for whom it is renewed. */
export interface RenewalStep {
  /** The cache key of the credential. */
  readonly key: string;
  readonly credential: VerifiedCredential;
  readonly reason: StaleCredential["reason"];
  readonly requirement: FreshnessRequirement;
  /** What the client must get, where the credential is not the one it sent. */
  readonly successor?: Successor;
  /** Whether the token is still good: then the renewal may fail, and is put off where the other processes cannot be asked. */
  readonly isAhead?: true;
}

/** What the result of a renewal means for one request. */
export function toResolution(
  instance: Instance,
  step: RenewalStep,
  result: RenewalResult,
  { isLater }: { readonly isLater: boolean },
): Resolution {
  const { cache, events } = instance;
  const { kind, via } = step.credential;
  switch (result.status) {
    case "active": {
      const { session, successor, isNew } = result;
      // It may have ended meanwhile. Of a credential that was not verified locally, only the answer tells the session.
      const ended = resolveEnded(instance, session);
      if (ended !== undefined) return ended;
      cache.set(isNew ? keyOfSuccessor(successor) : step.key, session);
      // An opaque token stays valid, and is not asked about again while the JWT beside it is good.
      if (kind === "opaque") cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", ...((isNew || isLater) && { successor }) };
    }
    case "ended": {
      cache.delete(step.key);
      const reason = toLabel(result.reason, "ended");
      const state = { status: "rejected", code: "session_revoked", via } as const;
      return refuse(events, state, { reason, clearsCookie: reason !== "superseded" });
    }
    case "reauthenticate": {
      const reason = toLabel(result.reason, "authentication_required");
      const signInUrl = toRedirectTarget(result.url);
      const { organizationId } = result;
      const state: RejectedState = {
        status: "rejected",
        code: "reauthentication_required",
        via,
        reason,
        ...(signInUrl !== undefined && { signInUrl }),
        ...(isString(organizationId) && { organizationId }),
      };
      return { ...refuse(events, state, { reason }), ...successorOf(step) };
    }
    case "rejected": {
      const code = kind === "opaque" ? "invalid_session" : "invalid_token";
      const reason = toLabel(result.reason, "not_accepted");
      return refuse(events, { status: "rejected", code, via }, { reason, clearsCookie: kind === "opaque" });
    }
    case "unrenewable": {
      const { session } = step.credential;
      if (session !== undefined && isAskedForGapAlone(instance, step, session)) {
        // It was asked about, as far as it can be.
        session.checkedEpoch = instance.invalidations.epoch;
        cache.set(step.key, session);
        return { status: "authenticated", session, source: "local", ...successorOf(step) };
      }
      // A token that has not expired is only too old, or older than an invalidation.
      const code = step.reason === "expired" ? "token_expired" : "token_too_old";
      return refuse(events, { status: "rejected", code, via }, { reason: "not_renewable" });
    }
    default:
      return resolveUnavailable(instance, step, result);
  }
}

/** What the client must get in place of a spent credential, whatever the store says about it. */
function successorOf({ successor }: RenewalStep): { readonly successor?: Successor } {
  return successor === undefined ? {} : { successor };
}

/** Cannot know: a token that is merely too old is served for a while if the application allows it, nothing else is. */
export function resolveUnavailable(
  instance: Instance,
  step: RenewalStep,
  unavailable: Extract<RenewalResult, { status: "unavailable" }>,
): Resolution {
  const { via } = step.credential;
  if (unavailable.refusal === "lasting") {
    const reason = "refused_upstream";
    const state = { status: "rejected", code: "reauthentication_required", via, reason } as const;
    return refuse(instance.events, state, { reason, cause: unavailable.cause });
  }
  reportUnavailable(instance.events, unavailable);
  const { retryAfter } = unavailable;
  const { session } = step.credential;
  const sent = unavailable.successor === undefined ? successorOf(step) : { successor: unavailable.successor };
  if (session !== undefined && mayServeStale(instance, step, session)) {
    return { status: "authenticated", session, source: "local", ...sent };
  }
  const wait = retryAfter === undefined ? {} : { retryAfter };
  const state = { status: "unavailable", code: "store_unavailable", ...wait } as const;
  return { status: "refused", state, clearsCookie: false, ...sent };
}

function mayServeStale(instance: Instance, step: RenewalStep, session: VerifiedSession): boolean {
  if (isAskedForGapAlone(instance, step, session)) return true;
  const { options, invalidations } = instance;
  const { reason, requirement } = step;
  const { maxAge, mayServeStale: isAllowed } = requirement;
  const { staleIfUnavailable, clock } = options;
  if (reason !== "too_old" || staleIfUnavailable === 0 || maxAge === undefined || maxAge === 0) return false;
  if (!isAllowed() || invalidations.mustAsk(session)) return false;
  const confirmedAt = Math.max(session.iat, session.verifiedAt ?? session.iat);
  return clock() - (confirmedAt + maxAge) < staleIfUnavailable;
}

/**
 * Whether the store is asked only because messages of the other processes may have been missed. That is no invalidation: where
 * the store cannot say, the bound of a lost channel holds.
 */
function isAskedForGapAlone(
  instance: Instance,
  { reason, requirement: { maxAge } }: RenewalStep,
  session: VerifiedSession,
): boolean {
  if (reason !== "asked" || maxAge === 0) return false;
  if (instance.invalidations.mustAsk(session, { afterGap: false })) return false;
  return needsStore(instance, session, { maxAge }) === "asked";
}
