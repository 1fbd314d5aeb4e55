import type { RejectedState, UnavailableState } from "../auth-state.ts";
import { decideFreshness } from "../pipeline/decide-freshness.ts";
import type { Credential } from "../pipeline/read-credential.ts";
import { credentialKey, type VerifiedSession } from "../pipeline/verified-cache.ts";
import type { StaleCredential, StoreContext } from "../stores/session-store.ts";
import { askStore, type StoreAnswer, type Successor } from "./ask-store.ts";
import { STORE_BUDGET, type Engine } from "./engine.ts";
import { interpretClaims, vouchFor, type Refused, type Vouched } from "./vouch.ts";

/** What one request, or one guard of it, wants to know. */
export interface Question {
  /** When the request arrived, in seconds since the epoch. */
  readonly arrivedAt: number;
  /** The strictest age that applies; `0` asks the store. */
  readonly maxAge: number | undefined;
  /** Whether a token that is too old may be served while the store is down. */
  readonly mayServeStale: boolean;
  /** Without a response there is nowhere to put a rotated pair, so no refresh token is spent. */
  readonly spendsRefreshToken: boolean;
  readonly client: Pick<StoreContext, "ipAddress" | "userAgent">;
}

/** What came of a credential. */
export type Resolution =
  | {
      readonly status: "authenticated";
      readonly session: VerifiedSession;
      /** `store` when the store answered for this very request. */
      readonly source: "local" | "store";
      /** What the client must use from now on. */
      readonly successor?: Successor;
    }
  | {
      readonly status: "refused";
      readonly state: RejectedState | UnavailableState;
      readonly clearsCookie: boolean;
      readonly successor?: Successor;
    };

// Each step continues from the credential that an earlier renewal left; more than a few within one grace window is a fault.
const MAX_STEPS = 16;

/** The long way: verify, decide, and renew where the token is stale. Never rejects. */
export async function authenticateCredential(
  engine: Engine,
  credential: Credential,
  question: Question,
): Promise<Resolution> {
  const vouched = await vouchFor(engine, credential);
  if (vouched.status === "refused") return vouched;
  const key = credentialKey(credential.value);
  const { session } = vouched;
  if (session === undefined) return renew(engine, { key, vouched, reason: "expired", question });
  const ending = engine.invalidations.endingOf(session.memberSession.id);
  if (ending !== undefined) return ended(engine, session.via, "ended_here", ending === "refuse");
  const need = judge(engine, session, question);
  if (need === "fresh") {
    engine.cache.set(key, session);
    return { status: "authenticated", session, source: "local" };
  }
  return need === "not_yet_valid"
    ? refuseSkewed(engine)
    : renew(engine, { key, vouched, reason: need, question });
}

type Need = "fresh" | "not_yet_valid" | StaleCredential["reason"];

/** Whether a verified session answers the question as it is, or why the store must be asked. */
export function judge(engine: Engine, session: VerifiedSession, { maxAge }: Pick<Question, "maxAge">): Need {
  const { clock, clockTolerance } = engine.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance, maxAge });
  if (freshness !== "fresh") return freshness;
  return engine.invalidations.mustAsk(session) ? "asked" : "fresh";
}

interface RenewalStep {
  readonly key: string;
  readonly vouched: Vouched;
  readonly reason: StaleCredential["reason"];
  readonly question: Question;
}

async function renew(engine: Engine, first: RenewalStep): Promise<Resolution> {
  let step = first;
  for (let count = 0; count < MAX_STEPS; count++) {
    const known = engine.renewer.settledFor(step.key);
    if (known === undefined || accepts(engine, step.question, known)) break;
    // An earlier renewal replaced the credential; what is stale now is its successor.
    const next = continueFrom(step, known.answer);
    if (next === undefined || next.key === step.key) break;
    step = next;
    if (known.answer.status === "unavailable" && known.answer.successor !== undefined) {
      return retryVerifying(engine, step, known.answer.successor);
    }
  }
  const { question, reason } = step;
  const vouched = question.spendsRefreshToken ? step.vouched : withoutRefreshToken(step.vouched);
  const extendBy = engine.options.sessionDuration;
  const result = await engine.renewer.renew({
    key: question.spendsRefreshToken ? step.key : `${step.key} bare`,
    accepts: (settled) => accepts(engine, question, settled),
    ask: (signal) =>
      askStore(engine, vouched, reason, { ...question.client, signal, ...(extendBy !== undefined && { extendBy }) }),
  });
  if (result.status === "timed_out") return refuseUnavailable(engine, first, { reason: "timeout", retryAfter: STORE_BUDGET });
  return conclude(engine, first, result.settled.answer);
}

/** A rotated pair whose access token could not be verified then: perhaps it can now. The store has nothing to add. */
async function retryVerifying(engine: Engine, step: RenewalStep, successor: Successor): Promise<Resolution> {
  const verification = await engine.verifier.verify(successor.accessToken);
  if (verification.status === "verified") {
    const { via } = step.vouched;
    const session = interpretClaims(engine, via, verification.claims, successor.sealed, engine.options.clock());
    if (session !== undefined && judge(engine, session, { maxAge: undefined }) === "fresh") {
      engine.cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", successor };
    }
  }
  const retryAfter = verification.status === "unavailable" ? verification.retryAfter : STORE_BUDGET;
  return refuseUnavailable(engine, step, { reason: "keys_unavailable", retryAfter, successor });
}

/** Whether an answer that is there, or on its way, answers the question: it replaces the credential, never the question. */
function accepts(
  engine: Engine,
  { maxAge, arrivedAt }: Question,
  { answer, startedAt }: { readonly answer?: StoreAnswer; readonly startedAt: number },
): boolean {
  if (maxAge === 0 && startedAt < arrivedAt) return false;
  if (answer === undefined) return true;
  if (answer.status === "unavailable") return false;
  // With an age of zero nothing is ever young enough by the clock: that the call began late enough has been seen to.
  return answer.status !== "active" || judge(engine, answer.session, { maxAge: maxAge === 0 ? undefined : maxAge }) === "fresh";
}

function continueFrom(step: RenewalStep, answer: StoreAnswer): RenewalStep | undefined {
  if (answer.status !== "active" && answer.status !== "unavailable") return undefined;
  const { successor } = answer;
  if (successor === undefined) return undefined;
  const key = credentialKey(successor.cookieValue ?? successor.accessToken);
  const { accessToken, sealed, claims } = successor;
  const vouched: Vouched = {
    status: "vouched",
    via: step.vouched.via,
    accessToken,
    ...(sealed !== undefined && { sealed }),
    ...(claims !== undefined && { claims }),
    ...(answer.status === "active" && { session: answer.session }),
  };
  return { ...step, key, vouched };
}

function withoutRefreshToken(vouched: Vouched): Vouched {
  if (vouched.sealed === undefined) return vouched;
  const { refreshToken: _kept, ...sealed } = vouched.sealed;
  return { ...vouched, sealed };
}

function conclude(engine: Engine, step: RenewalStep, answer: StoreAnswer): Resolution {
  const { via } = step.vouched;
  switch (answer.status) {
    case "active": {
      const { session, successor } = answer;
      engine.cache.set(credentialKey(successor.cookieValue ?? successor.accessToken), session);
      if (!answer.isNew) engine.cache.set(step.key, session);
      return { status: "authenticated", session, source: "store", ...(answer.isNew && { successor }) };
    }
    case "ended":
      engine.cache.delete(step.key);
      return ended(engine, via, answer.reason, answer.reason !== "superseded");
    case "reauthenticate": {
      const { reason, url } = answer;
      engine.events.emit({ type: "rejected", code: "reauthentication_required", reason });
      const signIn = url === undefined ? {} : { signInUrl: url };
      return refused({ status: "rejected", code: "reauthentication_required", via, reason, ...signIn });
    }
    case "unrenewable":
      engine.events.emit({ type: "rejected", code: "token_expired" });
      return refused({ status: "rejected", code: "token_expired", via });
    default:
      return refuseUnavailable(engine, step, answer);
  }
}

function ended(engine: Engine, via: "bearer" | "cookie", reason: string, clearsCookie: boolean): Resolution {
  engine.events.emit({ type: "rejected", code: "session_revoked", reason });
  return refused({ status: "rejected", code: "session_revoked", via }, clearsCookie);
}

function refuseSkewed(engine: Engine): Refused {
  const retryAfter = 5;
  engine.events.emit({ type: "unavailable", code: "clock_skew", reason: "not_yet_valid", retryAfter });
  engine.events.emit({ type: "misconfigured", reason: "clock_skew" });
  return { status: "refused", state: { status: "unavailable", code: "clock_skew", retryAfter }, clearsCookie: false };
}

/** Cannot know: a token that is merely too old may be served for a while if the application said so, nothing else is. */
function refuseUnavailable(
  engine: Engine,
  { vouched: { session }, reason: need, question }: RenewalStep,
  { reason, retryAfter, successor }: { reason: string; retryAfter: number; successor?: Successor },
): Resolution {
  engine.events.emit({ type: "unavailable", code: "store_unavailable", reason, retryAfter });
  if (session !== undefined && need === "too_old" && mayServeStale(engine, session, question)) {
    return { status: "authenticated", session, source: "local", ...(successor !== undefined && { successor }) };
  }
  const state: UnavailableState = { status: "unavailable", code: "store_unavailable", retryAfter };
  return { status: "refused", state, clearsCookie: false, ...(successor !== undefined && { successor }) };
}

function mayServeStale(engine: Engine, session: VerifiedSession, { maxAge, mayServeStale: allowed }: Question): boolean {
  const { staleIfUnavailable, clock } = engine.options;
  if (!allowed || staleIfUnavailable === 0 || maxAge === undefined || maxAge === 0) return false;
  if (engine.invalidations.mustAsk(session)) return false;
  const confirmedAt = Math.max(session.iat, session.verifiedAt ?? session.iat);
  return clock() - (confirmedAt + maxAge) < staleIfUnavailable;
}

function refused(state: RejectedState, clearsCookie = false): Resolution {
  return { status: "refused", state, clearsCookie };
}
