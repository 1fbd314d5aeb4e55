import type { Profile, Renewal, RenewContext, SealedSession, StaleCredential, VerifiedClaims } from "../stores/session-store.ts";
import type { Admission } from "../pipeline/breaker.ts";
import { decideFreshness } from "../pipeline/decide-freshness.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { Engine } from "./engine.ts";
import { interpretClaims, type Vouched } from "./vouch.ts";

/** What a renewal left in place of the presented credential. */
export interface Successor {
  readonly accessToken: string;
  readonly sealed?: SealedSession;
  /** The sealed session as a cookie's value. */
  readonly cookieValue?: string;
  readonly claims?: VerifiedClaims;
}

/** What asking the store came to. */
export type StoreAnswer =
  | { readonly status: "active"; readonly session: VerifiedSession; readonly successor: Successor; readonly isNew: boolean }
  | { readonly status: "ended"; readonly reason: string }
  | { readonly status: "reauthenticate"; readonly reason: string; readonly url?: string }
  | { readonly status: "unrenewable" }
  | {
      readonly status: "unavailable";
      readonly reason: string;
      readonly retryAfter: number;
      /** A pair that was already rotated: it must reach the client all the same. */
      readonly successor?: Successor;
    };

/** Asks the store about a stale credential, once, and makes sense of the answer. Never rejects. */
export async function askStore(
  engine: Engine,
  vouched: Vouched,
  reason: StaleCredential["reason"],
  context: RenewContext,
): Promise<StoreAnswer> {
  const admission = engine.breaker.admit();
  if (admission.status === "stop") return unavailable("breaker_open", admission.retryAfter);
  const { clock, store } = engine.options;
  const startedAt = clock();
  const watch = watchBudget(context.signal, admission);
  let answer: StoreAnswer;
  try {
    answer = await readRenewal(engine, vouched, await store.renew(toStale(vouched, reason), context));
  } catch (error) {
    return unavailable(reasonOf(error, context.signal), watch.failed(retryAfterOf(error)));
  }
  // The store answered; trouble with its keys is counted where keys are fetched.
  watch.succeeded();
  if (answer.status === "active") {
    engine.events.emit({ type: "renewed", reason, milliseconds: Math.round((clock() - startedAt) * 1000) });
  }
  return answer;
}

/**
 * Counts a call that outlives its budget as failed at that moment, once. It is waited for all the same: the requests have
 * long been answered, but a pair that a late reply brings is rotated already and must not be lost.
 */
function watchBudget(
  signal: AbortSignal,
  admission: Extract<Admission, { status: "go" }>,
): Pick<Extract<Admission, { status: "go" }>, "succeeded" | "failed"> {
  let pause: number | undefined;
  const failed = (retryAfter?: number): number => (pause ??= admission.failed(retryAfter));
  const expire = (): void => void failed();
  signal.addEventListener("abort", expire, { once: true });
  return {
    succeeded() {
      signal.removeEventListener("abort", expire);
      admission.succeeded();
    },
    failed(retryAfter) {
      signal.removeEventListener("abort", expire);
      return failed(retryAfter);
    },
  };
}

function toStale({ accessToken, claims, sealed, opaqueToken }: Vouched, reason: StaleCredential["reason"]): StaleCredential {
  return {
    reason,
    ...(accessToken !== undefined && { accessToken }),
    ...(claims !== undefined && { claims }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  };
}

async function readRenewal(engine: Engine, vouched: Vouched, renewal: Renewal): Promise<StoreAnswer> {
  switch (renewal.status) {
    case "active":
      return adopt(engine, vouched, renewal);
    case "ended":
      return { status: "ended", reason: renewal.reason };
    case "reauthenticate": {
      const { url } = renewal;
      return { status: "reauthenticate", reason: renewal.reason, ...(url !== undefined && { url }) };
    }
    case "unrenewable":
      return { status: "unrenewable" };
    default:
      throw new TypeError("the store's answer has no known status");
  }
}

/** Takes over what the store handed out: seals it first, so that nothing that fails later can lose the rotated pair. */
async function adopt(
  engine: Engine,
  vouched: Vouched,
  renewal: Extract<Renewal, { status: "active" }>,
): Promise<StoreAnswer> {
  const { accessToken: presented, sealed: presentedSeal } = vouched;
  const accessToken = renewal.credential?.accessToken ?? presented;
  if (accessToken === undefined) throw new TypeError("the store's answer has no access token");
  const sealed = presentedSeal === undefined ? undefined : { ...presentedSeal, ...renewal.credential, accessToken };
  const cookieValue = sealed === undefined ? undefined : await engine.sealer?.seal(sealed);
  const pair: Successor = {
    accessToken,
    ...(sealed !== undefined && { sealed }),
    ...(cookieValue !== undefined && { cookieValue }),
  };
  const verified = await verifySuccessor(engine, vouched, pair, renewal.verifiedAt);
  if (verified.status !== "verified") return verified.answer;
  const { session, claims } = verified;
  rememberProfile(engine, session, renewal);
  return { status: "active", session, successor: { ...pair, claims }, isNew: renewal.credential !== undefined };
}

type SuccessorCheck =
  | { readonly status: "verified"; readonly session: VerifiedSession; readonly claims: VerifiedClaims }
  | { readonly status: "failed"; readonly answer: StoreAnswer };

async function verifySuccessor(
  engine: Engine,
  vouched: Vouched,
  pair: Successor,
  verifiedAt: number,
): Promise<SuccessorCheck> {
  const fail = (reason: string, keepsPair: boolean, retryAfter = 5): SuccessorCheck => {
    engine.events.emit({ type: "misconfigured", reason: `renewed_token_${reason}` });
    const answer = unavailable(reason, retryAfter);
    return { status: "failed", answer: keepsPair ? { ...answer, successor: pair } : answer };
  };
  const verification = await engine.verifier.verify(pair.accessToken);
  if (verification.status === "unavailable") return fail("keys_unavailable", true, verification.retryAfter);
  if (verification.status === "rejected") return fail(verification.reason, verification.reason === "unknown_key");
  const { claims } = verification;
  const session = interpretClaims(engine, vouched.via, claims, pair.sealed, verifiedAt);
  if (session === undefined) return fail("class", false);
  if (!isSameIdentity(vouched, session)) return fail("identity", false);
  const { clock, clockTolerance } = engine.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance });
  return freshness === "fresh" ? { status: "verified", session, claims } : fail(freshness, false);
}

/** Whatever the store answers, one member's credential never becomes another's, nor moves to another organization. */
function isSameIdentity({ session, sealed }: Vouched, renewed: VerifiedSession): boolean {
  if (session !== undefined) {
    return (
      session.subject === renewed.subject &&
      session.member.id === renewed.member.id &&
      session.memberSession.organizationId === renewed.memberSession.organizationId
    );
  }
  return sealed?.user === undefined || sealed.user.id === renewed.subject;
}

function rememberProfile({ profiles }: Engine, { memberSession }: VerifiedSession, renewal: Partial<Profile>): void {
  const { member, organization } = renewal;
  if (member === undefined) return;
  const profile: Profile = { member, ...(organization !== undefined && { organization }) };
  profiles.set(memberSession.id, Object.freeze(profile));
}

/** The verdict on trouble of the store's. */
export function unavailable(reason: string, retryAfter: number): Extract<StoreAnswer, { status: "unavailable" }> {
  return { status: "unavailable", reason, retryAfter: Math.max(1, Math.ceil(retryAfter)) };
}

function retryAfterOf(error: unknown): number | undefined {
  try {
    const retryAfter = (error as { retryAfter?: unknown } | undefined)?.retryAfter;
    return typeof retryAfter === "number" && Number.isFinite(retryAfter) ? retryAfter : undefined;
  } catch {
    // What a store throws may be anything, a getter that throws included.
    return undefined;
  }
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "timeout";
  try {
    const reason = (error as { code?: unknown; reason?: unknown } | undefined)?.reason;
    return typeof reason === "string" && /^[a-z_]{1,40}$/.test(reason) ? reason : "store_failed";
  } catch {
    return "store_failed";
  }
}
