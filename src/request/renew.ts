import type { FlightResult } from "../lib/concurrency.ts";
import { toRedirectTarget } from "../lib/http.ts";
import { isString } from "../lib/values.ts";
import type { RejectedState } from "../model.ts";
import type { Renewal, StaleCredential } from "../store.ts";
import { acceptAgain, acceptRenewal } from "./accept-credential.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import { STORE_TIMEOUT, callStoreWithin, toLabel, toUnavailable } from "./call-store.ts";
import { type Instance, STORE_BUDGET } from "./instance.ts";
import type { Credential } from "./read-credential.ts";
import {
  type FreshnessRequirement,
  type RenewalResult,
  type Resolution,
  type SharedRenewal,
  type Successor,
  keyOfSuccessor,
  refuse,
  reportUnavailable,
} from "./request-auth.ts";
import type { StoreRefusal } from "./store-limits.ts";
import {
  type VerifiedCredential,
  needsStore,
  resolveEnded,
  toStaleCredential,
  verifyCredential,
} from "./verify-credential.ts";

/*
 * Renews a stale credential: once for all requests that carry it.
 *
 * One renewal's result passes through three shapes:
 * 1. `Renewal`: the store's answer, not trusted yet.
 * 2. `RenewalResult`: the answer, accepted (accept-credential.ts) and shared. Late requests with the old credential get it for the
 *    grace window, because a lost reply must not sign anybody out.
 * 3. `Resolution`: what the result means for one request.
 *
 * A renewal leaves a successor in place of the credential. A request whose own freshness requirement the kept result does not
 * meet goes on from the successor, never from the refresh token that is spent.
 */

/** A stale credential, and why and for whom it is renewed. */
export interface RenewalStep {
  /** The cache key of the credential. */
  readonly key: string;
  readonly credential: VerifiedCredential;
  readonly reason: StaleCredential["reason"];
  readonly requirement: FreshnessRequirement;
}

// Each step follows one successor; more than a few within a grace window mean a fault.
const MAX_STEPS = 16;

/** Renews a credential, or uses what an earlier or concurrent renewal came to. Never rejects. */
export async function renewStaleCredential(instance: Instance, first: RenewalStep): Promise<Resolution> {
  let step = first;
  for (let count = 0; count < MAX_STEPS; count++) {
    const kept = keptResult(instance, step);
    if (kept?.status === "unavailable" && kept.successor !== undefined) {
      return acceptKeptSuccessor(instance, step, kept.successor);
    }
    if (kept?.status === "active" && !meets(instance, step.requirement, kept)) {
      const next = followSuccessor(instance, step, kept);
      if (next.key !== step.key) {
        step = next;
        continue;
      }
    }
    const flight = await shareRenewal(instance, step);
    if (flight.status === "settled") {
      return toResolution(instance, step, flight.settled.result, { isLater: step !== first });
    }
    if (flight.status === "timed_out") return resolveUnavailable(instance, first, STORE_TIMEOUT);
    // A concurrent renewal does not meet this request's requirement: look at what it left.
  }
  return resolveUnavailable(instance, first, { status: "unavailable", reason: "contended", retryAfter: 1 });
}

/** Renewals without the refresh token have results of their own, but use those of all others. */
function keyWithoutRefreshToken({ key }: RenewalStep): string {
  return `${key} bare`;
}

function keptResult({ renewals }: Instance, step: RenewalStep): SharedRenewal | undefined {
  const kept = renewals.settledFor(step.key);
  if (kept !== undefined || step.requirement.spendsRefreshToken) return kept?.result;
  return renewals.settledFor(keyWithoutRefreshToken(step))?.result;
}

/** Whether a shared result answers a request: it replaces the request's credential, never its freshness requirement. */
function meets(
  instance: Instance,
  { maxAge, arrivedAt }: FreshnessRequirement,
  result: SharedRenewal,
): boolean {
  if (maxAge === 0 && result.calledAt < arrivedAt) return false;
  // No answer is ever younger than 0 by the clock; for an age of 0 the order of the call, checked above, decides.
  const age = { maxAge: maxAge === 0 ? undefined : maxAge };
  return result.status !== "active" || needsStore(instance, result.session, age) === undefined;
}

function shareRenewal(instance: Instance, step: RenewalStep): Promise<FlightResult<SharedRenewal>> {
  const { renewals } = instance;
  const accepts = (result: SharedRenewal): boolean => meets(instance, step.requirement, result);
  const kept = renewals.settledFor(step.key)?.result;
  const usesOwnKey = step.requirement.spendsRefreshToken || (kept !== undefined && accepts(kept));
  return renewals.run({
    key: usesOwnKey ? step.key : keyWithoutRefreshToken(step),
    accepts: ({ result }) => accepts(result),
    start: (signal) => askStore(instance, step, signal),
  });
}

/** Asks the store to renew, once for all requests. */
async function askStore(instance: Instance, step: RenewalStep, signal: AbortSignal): Promise<SharedRenewal> {
  const calledAt = instance.nextInSequence();
  const { key, reason, requirement } = step;
  const { clock, store, sessionDuration: extendBy } = instance.options;
  const credential = requirement.spendsRefreshToken ? step.credential : withholdRefreshToken(step.credential);
  const context = { ...requirement.client(), signal, ...(extendBy !== undefined && { extendBy }) };
  const startedAt = clock();
  const { session, sealed } = credential;
  const isVerified = session !== undefined || sealed !== undefined;
  const reply = await callStoreWithin(
    instance,
    context,
    async () =>
      acceptAnswer(
        instance,
        credential,
        await store.renew(toStaleCredential(credential, reason), context),
        startedAt,
      ),
    {
      member: session?.member.id ?? sealed?.user?.id,
      backOffKey: key,
      unverified: isVerified ? undefined : { key, refusalIn, repeat: (refusal) => refusal },
    },
  );
  if (reply.status === "refused") {
    // A renewal refuses with a status of its own: an error with a code refuses this credential for a reason we cannot tell.
    const failure = { reason: toLabel(reply.reason, "store_failed"), isRefusal: true };
    return { ...toUnavailable(instance.backOff.failed(key, failure)), calledAt };
  }
  const result = reply.status === "answered" ? reply.value : reply;
  if (result.status !== "unavailable") instance.backOff.succeeded(key);
  else if (reply.status === "answered") {
    const { reason: slip, cause } = result;
    instance.backOff.failed(key, { reason: slip, isRefusal: false, cause });
  }
  if (result.status === "active") {
    const milliseconds = Math.round((clock() - startedAt) * 1000);
    instance.events.emit({ type: "renewed", reason, milliseconds });
  }
  return { ...result, calledAt };
}

function withholdRefreshToken(credential: VerifiedCredential): VerifiedCredential {
  if (credential.sealed?.refreshToken === undefined) return credential;
  const { refreshToken, ...sealed } = credential.sealed;
  return { ...credential, sealed, withheldRefreshToken: refreshToken };
}

function refusalIn(result: RenewalResult): StoreRefusal | undefined {
  return result.status === "ended" || result.status === "rejected" ? result : undefined;
}

const STATUSES: ReadonlySet<unknown> = new Set([
  "active",
  "ended",
  "reauthenticate",
  "unrenewable",
  "rejected",
]);

async function acceptAnswer(
  instance: Instance,
  credential: VerifiedCredential,
  renewal: Renewal,
  calledAt: number,
): Promise<RenewalResult> {
  if (!STATUSES.has(renewal.status)) throw new TypeError("the store's answer has no known status");
  return renewal.status === "active" ? acceptRenewal(instance, credential, renewal, calledAt) : renewal;
}

/** The step that goes on from what a renewal left in place of the credential. */
function followSuccessor(
  instance: Instance,
  step: RenewalStep,
  { session, successor }: Extract<RenewalResult, { status: "active" }>,
): RenewalStep {
  const need = needsStore(instance, session, step.requirement);
  const { via } = step.credential;
  return {
    ...step,
    key: keyOfSuccessor(successor),
    reason: need === "expired" || need === "too_old" ? need : "asked",
    credential: { status: "verified", via, session, ...withoutCookies(successor) },
  };
}

/** The successor as the store is asked about it: by its JWT, never by the opaque token beside that. */
function withoutCookies({
  cookieValue: _value,
  opaqueToken: _beside,
  ...credential
}: Successor): Pick<Successor, "kind" | "accessToken" | "sealed" | "claims"> {
  return credential;
}

/** Tries again to accept a rotated credential whose access token could not be used when the store handed it out. */
async function acceptKeptSuccessor(
  instance: Instance,
  step: RenewalStep,
  successor: Successor,
): Promise<Resolution> {
  const acceptance = await acceptAgain(instance, step.credential, successor);
  const session = acceptance.status === "adopted" ? acceptance.session : undefined;
  if (session !== undefined && needsStore(instance, session, { maxAge: undefined }) === undefined) {
    instance.cache.set(step.key, session);
    return { status: "authenticated", session, source: "store", successor };
  }
  const { retryAfter = STORE_BUDGET, cause } = acceptance.status === "adopted" ? {} : acceptance;
  // A token that turned out to be bad, or another member's, must reach nobody.
  const kept = acceptance.status === "refused" ? {} : { successor };
  const unavailable = { status: "unavailable", reason: "keys_unavailable", retryAfter, cause } as const;
  return resolveUnavailable(instance, step, { ...unavailable, ...kept });
}

function toResolution(
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
      // Only now do we know which session a credential belongs to that could not be verified locally.
      const ended = step.credential.session === undefined ? resolveEnded(instance, session) : undefined;
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
      return refuse(events, state, { reason });
    }
    case "rejected": {
      const code = kind === "opaque" ? "invalid_session" : "invalid_token";
      const { reason } = result;
      return refuse(events, { status: "rejected", code, via }, { reason, clearsCookie: kind === "opaque" });
    }
    case "unrenewable":
      // A token that has not expired is only too old, or older than an invalidation.
      return refuse(events, {
        status: "rejected",
        code: step.reason === "expired" ? "token_expired" : "token_too_old",
        via,
      });
    default:
      return resolveUnavailable(instance, step, result);
  }
}

/** Cannot know: a token that is merely too old is served for a while if the application allows it, nothing else is. */
function resolveUnavailable(
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
  const { retryAfter, successor } = unavailable;
  const { session } = step.credential;
  const sent = successor === undefined ? {} : { successor };
  if (session !== undefined && mayServeStale(instance, step, session)) {
    return { status: "authenticated", session, source: "local", ...sent };
  }
  const wait = retryAfter === undefined ? {} : { retryAfter };
  const state = { status: "unavailable", code: "store_unavailable", ...wait } as const;
  return { status: "refused", state, clearsCookie: false, ...sent };
}

function mayServeStale(
  { options, invalidations }: Instance,
  { reason, requirement: { maxAge, mayServeStale: isAllowed } }: RenewalStep,
  session: VerifiedSession,
): boolean {
  const { staleIfUnavailable, clock } = options;
  if (reason !== "too_old" || staleIfUnavailable === 0 || maxAge === undefined || maxAge === 0) return false;
  if (!isAllowed() || invalidations.mustAsk(session)) return false;
  const confirmedAt = Math.max(session.iat, session.verifiedAt ?? session.iat);
  return clock() - (confirmedAt + maxAge) < staleIfUnavailable;
}

/**
 * Returns the newest form of a credential: itself, or what its renewals left in its place, one under way included. Whatever
 * spends a refresh token must go on from there. `undefined` if it cannot be verified.
 */
export async function currentCredential(
  instance: Instance,
  credential: Credential,
): Promise<StaleCredential | undefined> {
  const { renewals } = instance;
  let key = keyOf(credential);
  let newest: Successor | undefined;
  for (let count = 0; count < MAX_STEPS; count++) {
    // oxlint-disable-next-line no-await-in-loop -- each step goes on from what the last one left
    await renewals.whenSettled(key);
    const result = renewals.settledFor(key)?.result;
    if (result?.status !== "active") break;
    newest = result.successor;
    const next = keyOfSuccessor(newest);
    if (next === key) break;
    key = next;
  }
  if (newest !== undefined) return toStaleCredential(withoutCookies(newest));
  const verification = await verifyCredential(instance, credential);
  return verification.status === "verified" ? toStaleCredential(verification) : undefined;
}
