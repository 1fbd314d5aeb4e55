import type { RejectedState, UnavailableState } from "../model.ts";
import type { StaleCredential } from "../store.ts";
import type { FreshnessRequirement, Resolution } from "./authenticate.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Successor } from "./renew.ts";
import type { Refused, VerifiedCredential } from "./verify-credential.ts";

/** A stale credential, and what is asked about it. */
export interface RenewalStep {
  readonly key: string;
  readonly vouched: VerifiedCredential;
  readonly reason: StaleCredential["reason"];
  readonly question: FreshnessRequirement;
}

/** A session that is over. */
export function refuseEnded(
  instance: Instance,
  via: "bearer" | "cookie",
  reason: string,
  clearsCookie: boolean,
): Resolution {
  instance.events.emit({ type: "rejected", code: "session_revoked", reason });
  return refuse({ status: "rejected", code: "session_revoked", via }, clearsCookie);
}

/** What nothing vouched for, and the store does not know. */
export function refuseUnknown(
  instance: Instance,
  { kind, via }: Pick<VerifiedCredential, "kind" | "via">,
  reason: string,
): Resolution {
  const isOpaque = kind === "opaque";
  const code = isOpaque ? "invalid_session" : "invalid_token";
  instance.events.emit({ type: "rejected", code, reason });
  return refuse({ status: "rejected", code, via }, isOpaque);
}

/** A token from the future: the clocks differ, and nobody is signed out over that. */
export function refuseSkewed(instance: Instance): Refused {
  const retryAfter = 5;
  instance.events.emit({ type: "unavailable", code: "clock_skew", reason: "not_yet_valid", retryAfter });
  instance.events.emit({ type: "misconfigured", reason: "clock_skew" });
  return {
    status: "refused",
    state: { status: "unavailable", code: "clock_skew", retryAfter },
    clearsCookie: false,
  };
}

/** Cannot know: a token that is merely too old may be served for a while if the application said so, nothing else is. */
export function refuseUnavailable(
  instance: Instance,
  { vouched: { session }, reason: need, question }: RenewalStep,
  {
    reason,
    retryAfter,
    successor,
  }: { reason: string; retryAfter: number | undefined; successor?: Successor },
): Resolution {
  const code = "store_unavailable";
  const wait = retryAfter === undefined ? {} : { retryAfter };
  instance.events.emit({ type: "unavailable", code, reason, ...wait });
  if (session !== undefined && need === "too_old" && mayServeStale(instance, session, question)) {
    return {
      status: "authenticated",
      session,
      source: "local",
      ...(successor !== undefined && { successor }),
    };
  }
  const state: UnavailableState = { status: "unavailable", code, ...wait };
  return { status: "refused", state, clearsCookie: false, ...(successor !== undefined && { successor }) };
}

function mayServeStale(
  instance: Instance,
  session: VerifiedSession,
  { maxAge, mayServeStale: allowed }: FreshnessRequirement,
): boolean {
  const { staleIfUnavailable, clock } = instance.options;
  if (staleIfUnavailable === 0 || maxAge === undefined || maxAge === 0 || !allowed()) return false;
  if (instance.invalidations.mustAsk(session)) return false;
  const confirmedAt = Math.max(session.iat, session.verifiedAt ?? session.iat);
  return clock() - (confirmedAt + maxAge) < staleIfUnavailable;
}

/** A credential that is refused. */
export function refuse(state: RejectedState, clearsCookie = false): Resolution {
  return { status: "refused", state, clearsCookie };
}
