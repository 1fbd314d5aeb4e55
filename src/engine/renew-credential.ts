import type { RenewalResult, Settled } from "../pipeline/renew-session.ts";
import { askStore } from "./ask-store.ts";
import { STORE_BUDGET, type Engine } from "./engine.ts";
import { judge, type Question, type Resolution } from "./question.ts";
import {
  refuse,
  refuseEnded,
  refuseUnavailable,
  refuseUnknown,
  type RenewalStep,
} from "./refuse-credential.ts";
import {
  keyOfSuccessor,
  kindAfter,
  type NumberedAnswer,
  type StoreAnswer,
  type Successor,
} from "./store-answer.ts";
import { interpretClaims } from "./interpret-claims.ts";
import type { Vouched } from "./vouch.ts";

// Each turn continues from the credential that an earlier renewal left; more than a few within one grace window is a fault.
const MAX_TURNS = 16;

/** Asks the store, once for all requests with the credential, and takes the answer. */
export async function renewCredential(engine: Engine, first: RenewalStep): Promise<Resolution> {
  let step = first;
  for (let turn = 0; turn < MAX_TURNS; turn++) {
    const known = settledFor(engine, step);
    if (known?.answer.status === "unavailable" && known.answer.successor !== undefined) {
      return retryVerifying(engine, step, known.answer.successor);
    }
    const isAccepted = known !== undefined && accepts(engine, step.question, known);
    // A renewal under the credential's own key answers those as well who would ask under a key of their own.
    if (isAccepted && !step.question.spendsRefreshToken) {
      return conclude(engine, step, known.answer, step !== first);
    }
    // An earlier renewal replaced the credential; what is stale now is its successor.
    const next = known === undefined || isAccepted ? step : continueFrom(engine, step, known.answer);
    if (next.key !== step.key) {
      step = next;
      continue;
    }
    const result = await askOnce(engine, step);
    if (result.status === "settled") return conclude(engine, step, result.settled.answer, step !== first);
    if (result.status === "timed_out") {
      return refuseUnavailable(engine, first, { reason: "timeout", retryAfter: STORE_BUDGET });
    }
  }
  return refuseUnavailable(engine, first, { reason: "contended", retryAfter: 1 });
}

/** Renewals that keep the refresh token to themselves have answers of their own, but profit from all others. */
function bareKey({ key }: RenewalStep): string {
  return `${key} bare`;
}

function settledFor({ renewer }: Engine, step: RenewalStep): Settled<NumberedAnswer> | undefined {
  return (
    renewer.settledFor(step.key) ??
    (step.question.spendsRefreshToken ? undefined : renewer.settledFor(bareKey(step)))
  );
}

function askOnce(engine: Engine, step: RenewalStep): Promise<RenewalResult<NumberedAnswer>> {
  const { key, question, reason } = step;
  const { spendsRefreshToken, client } = question;
  const vouched = spendsRefreshToken ? step.vouched : withholdRefreshToken(step.vouched);
  const extendBy = engine.options.sessionDuration;
  const context = { ...client(), ...(extendBy !== undefined && { extendBy }) };
  return engine.renewer.renew({
    key: spendsRefreshToken ? key : bareKey(step),
    accepts: (settled) => accepts(engine, question, settled),
    async ask(signal) {
      const calledAt = engine.nextInSequence();
      return { ...(await askStore(engine, vouched, reason, { ...context, signal })), calledAt };
    },
  });
}

/** A rotated pair whose access token could not be verified then: perhaps it can now. The store has nothing to add. */
async function retryVerifying(engine: Engine, step: RenewalStep, successor: Successor): Promise<Resolution> {
  const verification = await engine.verifier.verify(successor.accessToken);
  if (verification.status === "verified") {
    const { via } = step.vouched;
    const session = interpretClaims(engine, {
      via,
      claims: verification.claims,
      sealed: successor.sealed,
      verifiedAt: engine.options.clock(),
    });
    if (typeof session === "object" && judge(engine, session, { maxAge: undefined }) === "fresh") {
      engine.cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", successor };
    }
  }
  const retryAfter = verification.status === "unavailable" ? verification.retryAfter : STORE_BUDGET;
  return refuseUnavailable(engine, step, { reason: "keys_unavailable", retryAfter, successor });
}

/** Whether an answer that is there answers the question: it replaces the credential, never the question. */
function accepts(
  engine: Engine,
  { maxAge, arrivedAt }: Question,
  { answer }: { readonly answer?: NumberedAnswer },
): boolean {
  if (answer === undefined) return true;
  if (maxAge === 0 && answer.calledAt < arrivedAt) return false;
  // With an age of zero nothing is ever young enough by the clock: that the call began late enough has been seen to.
  return (
    answer.status !== "active" ||
    judge(engine, answer.session, { maxAge: maxAge === 0 ? undefined : maxAge }) === "fresh"
  );
}

/** The successor of a credential, where its renewal left one; else the credential itself. */
function continueFrom(engine: Engine, step: RenewalStep, answer: StoreAnswer): RenewalStep {
  if (answer.status !== "active") return step;
  const { session, successor } = answer;
  const need = judge(engine, session, step.question);
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

function withholdRefreshToken(vouched: Vouched): Vouched {
  if (vouched.sealed?.refreshToken === undefined) return vouched;
  const { refreshToken, ...sealed } = vouched.sealed;
  return { ...vouched, sealed, withheldRefreshToken: refreshToken };
}

function conclude(engine: Engine, step: RenewalStep, answer: StoreAnswer, isLater: boolean): Resolution {
  const { kind, via } = step.vouched;
  switch (answer.status) {
    case "active": {
      const { session, successor, isNew } = answer;
      const ending = engine.invalidations.endingOf(session.memberSession.id);
      // Of what nothing vouched for nobody could know before whose session it is.
      if (step.vouched.session === undefined && ending !== undefined) {
        return refuseEnded(engine, via, "ended_here", ending === "refuse");
      }
      engine.cache.set(isNew ? keyOfSuccessor(kind, successor) : step.key, session);
      // It stays as it is, and is not asked about again while its JWT is good.
      if (kind === "opaque") engine.cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", ...((isNew || isLater) && { successor }) };
    }
    case "ended":
      engine.cache.delete(step.key);
      return refuseEnded(engine, via, answer.reason, answer.reason !== "superseded");
    case "reauthenticate": {
      const { reason, url, organizationId } = answer;
      engine.events.emit({ type: "rejected", code: "reauthentication_required", reason });
      const where = {
        ...(url !== undefined && { signInUrl: url }),
        ...(organizationId !== undefined && { organizationId }),
      };
      return refuse({ status: "rejected", code: "reauthentication_required", via, reason, ...where });
    }
    case "rejected":
      return refuseUnknown(engine, step.vouched, answer.reason);
    case "unrenewable":
      engine.events.emit({ type: "rejected", code: "token_expired" });
      return refuse({ status: "rejected", code: "token_expired", via });
    default:
      return refuseUnavailable(engine, step, answer);
  }
}
