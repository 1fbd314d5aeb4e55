import type { FlightResult } from "../lib/concurrency.ts";
import type { Renewal, StaleCredential } from "../store.ts";
import { EXPIRED, acceptRenewal } from "./accept-credential.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import { STORE_TIMEOUT, callStoreWithin, toLabel, toUnavailable } from "./call-store.ts";
import { GRACE, type Instance } from "./instance.ts";
import { keepUntilPresented } from "./lost-replies.ts";
import type { Credential } from "./read-credential.ts";
import {
  type FreshnessRequirement,
  type RenewalResult,
  type Resolution,
  type SharedRenewal,
  type Successor,
  keyOfSuccessor,
  reportMisconfigured,
} from "./request-auth.ts";
import { type RenewalStep, resolveUnavailable, toResolution } from "./resolve-renewal.ts";
import { isRetired, type KeepRenewal, recallRenewal, renewInFleet } from "./share-renewal.ts";
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
 *    grace window, and its sealed successor until a client presents it (lost-replies.ts): a lost reply signs nobody out.
 * 3. `Resolution`: what the result means for one request.
 *
 * A renewal leaves a successor in place of the credential. A request whose own freshness requirement the kept result does not
 * meet goes on from the successor, never from the refresh token that is spent.
 */

// Each step follows one successor. A client whose replies are lost again and again leaves one every few seconds.
const MAX_STEPS = 64;

/** Renews a credential, or uses what an earlier or concurrent renewal came to. Never rejects. */
export async function renewStaleCredential(instance: Instance, first: RenewalStep): Promise<Resolution> {
  let step = first;
  for (let count = 0; count < MAX_STEPS; count++) {
    const kept = keptRenewal(instance, step);
    // oxlint-disable-next-line no-await-in-loop -- each step goes on from what the last one left
    const next =
      kept === undefined ? await followLostReply(instance, step) : followKept(instance, step, kept);
    if (next !== undefined && "status" in next) return next;
    if (next !== undefined && next.key !== step.key) {
      step = next;
      continue;
    }
    // oxlint-disable-next-line no-await-in-loop -- as above
    const flight = await shareRenewal(instance, step);
    if (flight.status === "timed_out") return resolveUnavailable(instance, step, STORE_TIMEOUT);
    if (flight.status === "settled" && isAnswerFor(instance, step, flight.settled.result)) {
      return toResolution(instance, step, flight.settled.result, { isLater: step !== first });
    }
    // A renewal here or in another process does not meet this request's requirement: look at what it left.
  }
  return resolveUnavailable(instance, step, { status: "unavailable", reason: "contended", retryAfter: 1 });
}

/** Renewals without the refresh token have results of their own, but use those of all others. */
function keyWithoutRefreshToken({ key }: RenewalStep): string {
  return `${key} bare`;
}

/** The result that an earlier renewal of the credential left, if it is kept. */
export function keptRenewal({ renewals }: Instance, step: RenewalStep): SharedRenewal | undefined {
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

/** Whether the result of a flight answers the request that waited for it; what another process left may not. */
function isAnswerFor(instance: Instance, step: RenewalStep, result: SharedRenewal): boolean {
  if (result.manner === "put_off") return step.isAhead === true;
  return result.manner !== "recalled" || (!mustFollow(result) && meets(instance, step.requirement, result));
}

/** Renews once for all requests with the credential, within the time budget. */
export function shareRenewal(instance: Instance, step: RenewalStep): Promise<FlightResult<SharedRenewal>> {
  const { renewals } = instance;
  const accepts = (result: SharedRenewal): boolean =>
    result.manner !== "put_off" &&
    meets(instance, step.requirement, result) &&
    !isOverruled(instance, step, result);
  const kept = renewals.settledFor(step.key)?.result;
  const usesOwnKey = step.requirement.spendsRefreshToken || (kept !== undefined && accepts(kept));
  return renewals.run({
    key: usesOwnKey ? step.key : keyWithoutRefreshToken(step),
    accepts: ({ result }) => accepts(result),
    start: (signal) => askStore(instance, step, signal),
  });
}

/** Whether something changed since the store demanded another sign-in: it may demand none any more. */
function isOverruled(
  { invalidations }: Instance,
  { credential: { session } }: RenewalStep,
  { status, askedAt = 0 }: SharedRenewal,
): boolean {
  const isDemand = status === "reauthenticate" && session !== undefined;
  return isDemand && invalidations.mustAsk({ ...session, verifiedAt: askedAt });
}

/** Asks the store to renew, once for all requests and processes. */
async function askStore(instance: Instance, step: RenewalStep, signal: AbortSignal): Promise<SharedRenewal> {
  const waiting = instance.backOff.waitFor(slipKeyOf(step));
  if (waiting !== undefined) {
    const { retryAfter, failure } = waiting;
    const { reason, cause } = failure;
    return { status: "unavailable", reason, retryAfter, cause, calledAt: instance.nextInSequence() };
  }
  const { key, reason, requirement } = step;
  const { spendsRefreshToken } = requirement;
  const credential = spendsRefreshToken ? step.credential : withholdRefreshToken(step.credential);
  const mayGoAlone = step.isAhead !== true;
  const subject = { key, reason, credential, spendsRefreshToken, mayGoAlone, signal };
  const result = await renewInFleet(instance, subject, (keep) =>
    askStoreHere(instance, { ...step, credential }, signal, keep),
  );
  const isSlip = result.status === "unavailable" && result.manner === "recalled" && !mustFollow(result);
  return isSlip ? waitAfterSlip(instance, step, result) : result;
}

/** Asks the store from this process. */
async function askStoreHere(
  instance: Instance,
  step: RenewalStep,
  signal: AbortSignal,
  keep: KeepRenewal,
): Promise<SharedRenewal> {
  const calledAt = instance.nextInSequence();
  const { key, credential, reason, requirement } = step;
  const { clock, store, sessionDuration: extendBy } = instance.options;
  const context = { ...requirement.client(), signal, ...(extendBy !== undefined && { extendBy }) };
  const startedAt = clock();
  const { session, sealed } = credential;
  const isVerified = session !== undefined || sealed !== undefined;
  const reply = await callStoreWithin(
    instance,
    context,
    async () => {
      const renewal = await store.renew(toStaleCredential(credential, reason), context);
      await keep(renewal, startedAt);
      return acceptAnswer(instance, credential, renewal, startedAt);
    },
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
  if (reply.status === "unavailable" && reply.reason === "foreign_renewal") {
    reportMisconfigured(instance.events, reply);
  }
  const result = reply.status === "answered" ? reply.value : reply;
  if (result.status !== "unavailable") instance.backOff.succeeded(key);
  if (result.status === "active") {
    const milliseconds = Math.round((clock() - startedAt) * 1000);
    instance.events.emit({ type: "renewed", reason, milliseconds });
    instance.backOff.succeeded(slipKeyOf(step));
  }
  if (requirement.spendsRefreshToken) keepUntilPresented(instance.lostReplies, key, result, startedAt);
  const isSlip = reply.status === "answered" && result.status === "unavailable";
  const shared: SharedRenewal = { ...result, calledAt, askedAt: startedAt };
  return isSlip ? waitAfterSlip(instance, step, { ...result, calledAt }) : shared;
}

/** Notes that the new token of a session cannot be used, so that its next renewal waits. */
function waitAfterSlip(
  { backOff }: Instance,
  step: RenewalStep,
  result: Extract<SharedRenewal, { status: "unavailable" }>,
): SharedRenewal {
  const { reason, cause } = result;
  const { retryAfter } = backOff.failed(slipKeyOf(step), { reason, cause, isRefusal: false });
  return { ...result, retryAfter };
}

/** Whether the token that another process brought has expired since, so that its refresh token leads on. */
function mustFollow(result: SharedRenewal): boolean {
  return result.manner === "recalled" && result.status === "unavailable" && result.reason === EXPIRED;
}

/** The key under which a session waits after a new token that could not be used: the credential itself is another each time. */
function slipKeyOf({ key, credential: { session, sealed } }: RenewalStep): string {
  return `slip ${session?.memberSession.id ?? sealed?.user?.id ?? key}`;
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

/**
 * The step that goes on from what an earlier renewal left in place of the credential; `undefined` where its result will do. A
 * session that has ended here since is refused.
 */
function followKept(
  instance: Instance,
  step: RenewalStep,
  kept: SharedRenewal,
): RenewalStep | Resolution | undefined {
  const { via, session: before } = step.credential;
  if (kept.status === "unavailable" && kept.successor !== undefined) {
    const { successor } = kept;
    const session = before === undefined ? {} : { session: before };
    const credential = { status: "verified", via, ...session, ...withoutCookies(successor) } as const;
    return { ...step, key: keyOfSuccessor(successor), credential, successor };
  }
  if (kept.status !== "active") return undefined;
  const { session, successor } = kept;
  const ended = resolveEnded(instance, session);
  if (ended !== undefined || meets(instance, step.requirement, kept)) return ended;
  return {
    ...step,
    key: keyOfSuccessor(successor),
    reason: reasonToAsk(instance, step, session) ?? "asked",
    credential: { status: "verified", via, session, ...withoutCookies(successor) },
    successor,
  };
}

/** Why a step's requirement needs the store; `undefined` where the session is fresh enough. */
function reasonToAsk(
  instance: Instance,
  { requirement }: RenewalStep,
  session: VerifiedSession,
): RenewalStep["reason"] | undefined {
  const need = needsStore(instance, session, requirement);
  return need === "not_yet_valid" ? "asked" : need;
}

/**
 * Goes on from the successor of a spent credential that no client has presented yet: the reply that carried it was lost.
 *
 * @returns the step that asks about the successor, or what it came to; `undefined` where none is kept, or the session was
 * ended or invalidated since.
 */
async function followLostReply(
  instance: Instance,
  step: RenewalStep,
): Promise<RenewalStep | Resolution | undefined> {
  const { cache, events, invalidations, lostReplies, options } = instance;
  const kept = lostReplies.find(step.key);
  const lost = lostSuccessor(instance, step.key);
  if (kept === undefined || lost === undefined) return undefined;
  const { key, cookieValue, renewedAt } = kept;
  const credential = await verifyCredential(instance, {
    kind: "sealed",
    value: cookieValue,
    cookieNames: [],
  });
  if (credential.status === "refused") return credential;
  const { session, claims } = credential;
  const hasEnded =
    session !== undefined &&
    (invalidations.endingOf(session.memberSession.id) !== undefined ||
      invalidations.mustAsk({ ...session, verifiedAt: renewedAt }));
  if (hasEnded || (await isRetired(instance, { renewedAt, successor: credential }))) {
    lostReplies.drop(step.key);
    return undefined;
  }
  if (options.clock() - renewedAt > GRACE) events.emit({ type: "late_replay" });
  const successor: Successor = { ...lost, ...(claims !== undefined && { claims }) };
  const reason = session === undefined ? "expired" : reasonToAsk(instance, step, session);
  if (session === undefined || reason !== undefined) {
    return { ...step, key, credential, reason: reason ?? "expired", successor };
  }
  session.isUnseen = true;
  cache.set(key, session);
  return { status: "authenticated", session, source: "local", successor };
}

/** The successor as the store is asked about it: by its JWT, never by the opaque token beside that. */
function withoutCookies({
  cookieValue: _value,
  opaqueToken: _beside,
  ...credential
}: Successor): Pick<Successor, "kind" | "accessToken" | "sealed" | "claims"> {
  return credential;
}

/** The successor of a spent credential whose reply was lost. */
function lostSuccessor({ lostReplies, sealer }: Instance, key: string): Successor | undefined {
  const kept = lostReplies.find(key);
  const sealed = kept && sealer?.unseal(kept.cookieValue);
  if (kept === undefined || sealed === undefined) return undefined;
  return { kind: "sealed", accessToken: sealed.accessToken, sealed, cookieValue: kept.cookieValue };
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
    const isKept = result?.status === "active" || result?.status === "unavailable";
    const successor = (isKept ? result.successor : undefined) ?? lostSuccessor(instance, key);
    if (successor === undefined) break;
    newest = successor;
    const next = keyOfSuccessor(newest);
    if (next === key) break;
    key = next;
  }
  if (newest !== undefined) return toStaleCredential(withoutCookies(newest));
  const verification = await verifyCredential(instance, credential);
  if (verification.status !== "verified") return undefined;
  const recalled = await recallRenewal(instance, key, verification);
  const successor = recalled !== undefined && "successor" in recalled ? recalled.successor : undefined;
  return toStaleCredential(successor === undefined ? verification : withoutCookies(successor));
}
