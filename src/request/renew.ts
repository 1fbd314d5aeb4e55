import type { FlightResult, Settled } from "../lib/single-flight.ts";
import type { SealedSession, StaleCredential, VerifiedClaims } from "../store.ts";
import { type FreshnessRequirement, type Resolution, needsStore } from "./authenticate.ts";
import { type VerifiedSession, credentialKey, keyOf } from "./cache.ts";
import { askStore } from "./call-store.ts";
import { type Instance, STORE_BUDGET } from "./instance.ts";
import type { Credential } from "./read-credential.ts";
import { type RenewalStep, refuse, refuseEnded, refuseUnavailable, refuseUnknown } from "./refusals.ts";
import { type VerifiedCredential, interpretClaims, verifyCredential } from "./verify-credential.ts";

// Each turn continues from the credential that an earlier renewal left; more than a few within one grace window is a fault.
const MAX_TURNS = 16;

/** Asks the store, once for all requests with the credential, and takes the answer. */
export async function renewCredential(instance: Instance, first: RenewalStep): Promise<Resolution> {
  let step = first;
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const known = settledFor(instance, step);
    if (known?.result.status === "unavailable" && known.result.successor !== undefined) {
      return retryVerifying(instance, step, known.result.successor);
    }
    const isAccepted = known !== undefined && accepts(instance, step.question, known);
    // A renewal under the credential's own key answers those as well who would ask under a key of their own.
    if (isAccepted && !step.question.spendsRefreshToken) {
      return conclude(instance, step, known.result, step !== first);
    }
    // An earlier renewal replaced the credential; what is stale now is its successor.
    const next = known === undefined || isAccepted ? step : continueFrom(instance, step, known.result);
    if (next.key !== step.key) {
      step = next;
      continue;
    }
    const result = await askOnce(instance, step);
    if (result.status === "settled") return conclude(instance, step, result.settled.result, step !== first);
    if (result.status === "timed_out") {
      return refuseUnavailable(instance, first, { reason: "timeout", retryAfter: STORE_BUDGET });
    }
  }
  return refuseUnavailable(instance, first, { reason: "contended", retryAfter: 1 });
}

/** Renewals that keep the refresh token to themselves have answers of their own, but profit from all others. */
function bareKey({ key }: RenewalStep): string {
  return `${key} bare`;
}

function settledFor({ renewals }: Instance, step: RenewalStep): Settled<NumberedResult> | undefined {
  return (
    renewals.settledFor(step.key) ??
    (step.question.spendsRefreshToken ? undefined : renewals.settledFor(bareKey(step)))
  );
}

function askOnce(instance: Instance, step: RenewalStep): Promise<FlightResult<NumberedResult>> {
  const { key, question, reason } = step;
  const { spendsRefreshToken, client } = question;
  const vouched = spendsRefreshToken ? step.vouched : withholdRefreshToken(step.vouched);
  const extendBy = instance.options.sessionDuration;
  const context = { ...client(), ...(extendBy !== undefined && { extendBy }) };
  return instance.renewals.run({
    key: spendsRefreshToken ? key : bareKey(step),
    accepts: (settled) => accepts(instance, question, settled),
    async start(signal) {
      const calledAt = instance.nextInSequence();
      return { ...(await askStore(instance, vouched, reason, { ...context, signal })), calledAt };
    },
  });
}

/** A rotated pair whose access token could not be verified then: perhaps it can now. The store has nothing to add. */
async function retryVerifying(
  instance: Instance,
  step: RenewalStep,
  successor: Successor,
): Promise<Resolution> {
  const verification = await instance.verifier.verify(successor.accessToken);
  if (verification.status === "verified") {
    const { via } = step.vouched;
    const session = interpretClaims(instance, {
      via,
      claims: verification.claims,
      sealed: successor.sealed,
      verifiedAt: instance.options.clock(),
    });
    if (typeof session === "object" && needsStore(instance, session, { maxAge: undefined }) === "fresh") {
      instance.cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", successor };
    }
  }
  const retryAfter = verification.status === "unavailable" ? verification.retryAfter : STORE_BUDGET;
  return refuseUnavailable(instance, step, { reason: "keys_unavailable", retryAfter, successor });
}

/** Whether an answer that is there answers the question: it replaces the credential, never the question. */
function accepts(
  instance: Instance,
  { maxAge, arrivedAt }: FreshnessRequirement,
  { result: answer }: Settled<NumberedResult>,
): boolean {
  if (maxAge === 0 && answer.calledAt < arrivedAt) return false;
  // With an age of zero nothing is ever young enough by the clock: that the call began late enough has been seen to.
  return (
    answer.status !== "active" ||
    needsStore(instance, answer.session, { maxAge: maxAge === 0 ? undefined : maxAge }) === "fresh"
  );
}

/** The successor of a credential, where its renewal left one; else the credential itself. */
function continueFrom(instance: Instance, step: RenewalStep, answer: RenewalResult): RenewalStep {
  if (answer.status !== "active") return step;
  const { session, successor } = answer;
  const need = needsStore(instance, session, step.question);
  const { accessToken, sealed, claims } = successor;
  return {
    ...step,
    key: keyOfSuccessor(step.vouched.kind, successor),
    reason: need === "expired" || need === "too_old" ? need : "asked",
    vouched: {
      status: "vouched",
      kind: kindAfter(step.vouched.kind),
      via: step.vouched.via,
      accessToken,
      session,
      ...(sealed !== undefined && { sealed }),
      ...(claims !== undefined && { claims }),
    },
  };
}

function withholdRefreshToken(vouched: VerifiedCredential): VerifiedCredential {
  if (vouched.sealed?.refreshToken === undefined) return vouched;
  const { refreshToken, ...sealed } = vouched.sealed;
  return { ...vouched, sealed, withheldRefreshToken: refreshToken };
}

function conclude(
  instance: Instance,
  step: RenewalStep,
  answer: RenewalResult,
  isLater: boolean,
): Resolution {
  const { kind, via } = step.vouched;
  switch (answer.status) {
    case "active": {
      const { session, successor, isNew } = answer;
      const ending = instance.invalidations.endingOf(session.memberSession.id);
      // Of what nothing vouched for nobody could know before whose session it is.
      if (step.vouched.session === undefined && ending !== undefined) {
        return refuseEnded(instance, via, "ended_here", ending === "refuse");
      }
      instance.cache.set(isNew ? keyOfSuccessor(kind, successor) : step.key, session);
      // It stays as it is, and is not asked about again while its JWT is good.
      if (kind === "opaque") instance.cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", ...((isNew || isLater) && { successor }) };
    }
    case "ended":
      instance.cache.delete(step.key);
      return refuseEnded(instance, via, answer.reason, answer.reason !== "superseded");
    case "reauthenticate": {
      const { reason, url, organizationId } = answer;
      instance.events.emit({ type: "rejected", code: "reauthentication_required", reason });
      const where = {
        ...(url !== undefined && { signInUrl: url }),
        ...(organizationId !== undefined && { organizationId }),
      };
      return refuse({ status: "rejected", code: "reauthentication_required", via, reason, ...where });
    }
    case "rejected":
      return refuseUnknown(instance, step.vouched, answer.reason);
    case "unrenewable":
      instance.events.emit({ type: "rejected", code: "token_expired" });
      return refuse({ status: "rejected", code: "token_expired", via });
    default:
      return refuseUnavailable(instance, step, answer);
  }
}

/** What a renewal left in place of the presented credential. */
export interface Successor {
  readonly accessToken: string;
  readonly sealed?: SealedSession;
  /** The sealed session as a cookie's value. */
  readonly cookieValue?: string;
  /** What the cookie beside an unsealed JWT holds from now on. */
  readonly opaqueToken?: string;
  readonly claims?: VerifiedClaims;
}

/** What asking the store came to. */
export type RenewalResult =
  | {
      readonly status: "active";
      readonly session: VerifiedSession;
      readonly successor: Successor;
      readonly isNew: boolean;
    }
  | { readonly status: "ended"; readonly reason: string }
  | {
      readonly status: "reauthenticate";
      readonly reason: string;
      readonly url?: string;
      readonly organizationId?: string;
    }
  | { readonly status: "unrenewable" }
  /** None of the store's: said of what nothing vouched for. */
  | { readonly status: "rejected"; readonly reason: string }
  | {
      readonly status: "unavailable";
      readonly reason: string;
      /** `undefined`: waiting does not help. */
      readonly retryAfter: number | undefined;
      /** A pair that was already rotated: it must reach the client all the same. */
      readonly successor?: Successor;
    };

/** An answer, and the place of the call among the arrivals and calls of its instance. */
export type NumberedResult = RenewalResult & { readonly calledAt: number };

/** The verdict on trouble of the store's. */
export function unavailable(
  reason: string,
  retryAfter: number | undefined,
): Extract<RenewalResult, { status: "unavailable" }> {
  return { status: "unavailable", reason, retryAfter: retryAfter && Math.max(1, Math.ceil(retryAfter)) };
}

/** How a credential is presented once it was renewed: a session token has become the JWT that is read before it. */
export function kindAfter(kind: Credential["kind"]): Credential["kind"] {
  return kind === "opaque" ? "jwt_cookie" : kind;
}

/** Names what a renewal left in place of a credential of this kind. */
export function keyOfSuccessor(
  kind: Credential["kind"],
  { cookieValue, accessToken }: Pick<Successor, "cookieValue" | "accessToken">,
): string {
  return credentialKey(kindAfter(kind), cookieValue ?? accessToken);
}

const MAX_STEPS = 16;

/** The session that a credential stands for, expired or ended though it may be; `undefined` if it is not vouched for. */
export async function sessionOfCredential(
  instance: Instance,
  credential: Credential | undefined,
): Promise<VerifiedSession | undefined> {
  if (credential === undefined) return undefined;
  const vouched = await verifyCredential(instance, credential);
  return vouched.status === "vouched" ? vouched.session : undefined;
}

/**
 * What a credential is by now: itself, or what its renewals, one in flight included, left in its place. Whatever spends a
 * refresh token goes on from there.
 */
export async function currentCredential(
  instance: Instance,
  credential: Credential,
): Promise<StaleCredential | undefined> {
  const { renewals } = instance;
  let key = keyOf(credential);
  let current: StaleCredential | undefined;
  for (let step = 0; step < MAX_STEPS; step++) {
    // oxlint-disable-next-line no-await-in-loop -- each step goes on from what the last one left
    await renewals.whenSettled(key);
    const answer = renewals.settledFor(key)?.result;
    const successor = answer?.status === "active" ? answer.successor : undefined;
    if (successor === undefined) break;
    const { accessToken, sealed, claims } = successor;
    current = {
      reason: "asked",
      accessToken,
      ...(sealed !== undefined && { sealed }),
      ...(claims !== undefined && { claims }),
    };
    const next = keyOfSuccessor(credential.kind, successor);
    if (next === key) break;
    key = next;
  }
  return current ?? presentedCredential(instance, credential);
}

async function presentedCredential(
  instance: Instance,
  credential: Credential,
): Promise<StaleCredential | undefined> {
  const vouched = await verifyCredential(instance, credential);
  if (vouched.status !== "vouched") return undefined;
  const { accessToken, claims, sealed, opaqueToken } = vouched;
  return {
    reason: "asked",
    ...(accessToken !== undefined && { accessToken }),
    ...(claims !== undefined && { claims }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  };
}
