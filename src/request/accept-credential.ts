import { frozenCopy } from "../lib/frozen-copy.ts";
import type { Profile, Renewal, SealedSession, VerifiedClaims } from "../store.ts";
import { decideFreshness } from "../tokens/freshness.ts";
import { needsStore } from "./authenticate.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Credential } from "./read-credential.ts";
import { type RenewalResult, type Successor, kindAfter, unavailable } from "./renew.ts";
import { UNREADABLE, type VerifiedCredential, interpretClaims } from "./verify-credential.ts";

/** Takes over what the store handed out: seals it first, so that nothing that fails later can lose the rotated pair. */
export async function acceptRenewal(
  instance: Instance,
  vouched: VerifiedCredential,
  renewal: Extract<Renewal, { status: "active" }>,
): Promise<RenewalResult> {
  const { sealed: presentedSeal } = vouched;
  const { accessToken } = renewal.credential ?? vouched;
  if (typeof accessToken !== "string") throw new TypeError("the store's answer has no access token");
  const sealed = presentedSeal === undefined ? undefined : mergeSealed(vouched, renewal, accessToken);
  const cookieValue = sealed === undefined ? undefined : await instance.sealer?.seal(sealed);
  const pair: Successor = {
    accessToken,
    ...(sealed !== undefined && { sealed }),
    ...(cookieValue !== undefined && { cookieValue }),
    ...pairOpaqueToken(instance, vouched.kind, renewal.credential),
  };
  const verified = await verifySuccessor(instance, vouched, pair, renewal);
  if (verified.status !== "verified") return verified.answer;
  const { session, claims } = verified;
  rememberProfile(instance, session, renewal);
  return {
    status: "active",
    session,
    successor: { ...pair, claims },
    isNew: renewal.credential !== undefined,
  };
}

/** The token that lies in a cookie beside an unsealed JWT, where the store hands one out. */
export function pairOpaqueToken(
  { options }: Pick<Instance, "options">,
  kind: Credential["kind"],
  credential: SealedSession | undefined,
): Pick<Successor, "opaqueToken"> {
  const opaqueToken = credential?.refreshToken;
  const isPaired =
    kindAfter(kind) === "jwt_cookie" && options.store.credential?.opaqueCookieName !== undefined;
  return isPaired && typeof opaqueToken === "string" ? { opaqueToken } : {};
}

/** What is sealed again: fields that others sealed stay, and so does a refresh token that the store did not replace. */
function mergeSealed(
  { sealed, withheldRefreshToken }: VerifiedCredential,
  { credential }: Extract<Renewal, { status: "active" }>,
  accessToken: string,
): SealedSession {
  const refreshToken = credential?.refreshToken ?? withheldRefreshToken ?? sealed?.refreshToken;
  return { ...sealed, ...credential, accessToken, ...(refreshToken !== undefined && { refreshToken }) };
}

type SuccessorCheck =
  | { readonly status: "verified"; readonly session: VerifiedSession; readonly claims: VerifiedClaims }
  | { readonly status: "failed"; readonly answer: RenewalResult };

async function verifySuccessor(
  instance: Instance,
  vouched: VerifiedCredential,
  pair: Successor,
  { verifiedAt, credential }: Extract<Renewal, { status: "active" }>,
): Promise<SuccessorCheck> {
  const failRenewal = (reason: string, keepsPair: boolean, retryAfter = 5): SuccessorCheck => {
    instance.events.emit({ type: "misconfigured", reason: `renewed_token_${reason}` });
    const answer = unavailable(reason, retryAfter);
    // What was not spent renews again: better than a token that nobody can verify.
    const isSpent = instance.options.store.capabilities.renewalSpends ?? true;
    const isRotated = keepsPair && isSpent && credential !== undefined;
    return { status: "failed", answer: isRotated ? { ...answer, successor: pair } : answer };
  };
  const verification = await instance.verifier.verify(pair.accessToken);
  if (verification.status === "unavailable")
    return failRenewal("keys_unavailable", true, verification.retryAfter);
  if (verification.status === "rejected")
    return failRenewal(verification.reason, verification.reason === "unknown_key");
  const { claims } = verification;
  const { clock, clockTolerance } = instance.options;
  const now = clock();
  const session = interpretClaims(instance, {
    via: vouched.via,
    claims,
    sealed: pair.sealed,
    // A store whose clock is ahead, or that counts in milliseconds, must not make an answer young for ever.
    verifiedAt: Number.isFinite(verifiedAt) ? Math.min(verifiedAt, now) : undefined,
  });
  // Lost, a pair that is theirs would end the session over the store's own defect.
  if (session === UNREADABLE) return failRenewal(UNREADABLE, isSameSubject(vouched, claims.sub));
  if (session === undefined) return failRenewal("class", false);
  if (!isSameIdentity(vouched, session)) return failRenewal("identity", false);
  const freshness = decideFreshness(session, { now, clockTolerance });
  // A time out of joint does not make the rotated pair another's: lost, it would end the session.
  return freshness === "fresh" ? { status: "verified", session, claims } : failRenewal(freshness, true);
}

/** Whatever the store answers, one member's credential never becomes another's, nor moves to another organization. */
function isSameIdentity(
  vouched: VerifiedCredential,
  { subject, member, organizationId }: VerifiedSession,
): boolean {
  const { session } = vouched;
  const isSame = session === undefined || session.member.id === member.id;
  const isThere = session === undefined || session.organizationId === organizationId;
  return isSame && isThere && isSameSubject(vouched, subject);
}

function isSameSubject({ session, sealed }: VerifiedCredential, subject: string): boolean {
  return (session?.subject ?? sealed?.user?.id ?? subject) === subject;
}

function rememberProfile(
  { profiles }: Instance,
  { memberSession }: VerifiedSession,
  renewal: Partial<Profile>,
): void {
  const { member, organization } = renewal;
  if (member === undefined) return;
  const profile: Profile = { member, ...(organization !== undefined && { organization }) };
  profiles.set(memberSession.id, frozenCopy(profile));
}

/** Who a new session must belong to, where that is known. */
export interface Expectations {
  /** The organization that was chosen. */
  readonly organizationId?: string;
  /** The token's `sub` before a switch. */
  readonly subject?: string;
}

/** A new session as it was handed over by the store. */
export interface IssuedCredential extends Expectations {
  readonly credential: SealedSession;
  readonly via: "bearer" | "cookie";
}

/** What verifying it came to. */
export type IssuedCheck =
  | { readonly status: "verified"; readonly session: VerifiedSession; readonly claims: VerifiedClaims }
  | {
      readonly status: "failed";
      readonly code: "store_unavailable" | "clock_skew";
      readonly retryAfter: number;
      /** Whether the pair may still turn out to be good. */
      readonly keepsPair: boolean;
    };

const RETRY_AFTER = 5;

/** Verifies a new session like any other credential, and that it is the one asked for: a store that errs, or lies, signs in nobody. */
export async function acceptIssued(instance: Instance, issued: IssuedCredential): Promise<IssuedCheck> {
  const { credential, via } = issued;
  const verification = await instance.verifier.verify(credential.accessToken);
  if (verification.status === "unavailable") {
    return fail(instance, "keys_unavailable", { keepsPair: true, retryAfter: verification.retryAfter });
  }
  if (verification.status === "rejected") {
    const { reason } = verification;
    return fail(instance, reason, { keepsPair: reason === "unknown_key" });
  }
  const { claims } = verification;
  const verifiedAt = instance.options.clock();
  const session = interpretClaims(instance, { via, claims, sealed: credential, verifiedAt });
  if (session === UNREADABLE) {
    return fail(instance, UNREADABLE, { keepsPair: isExpectedSubject(issued, claims.sub) });
  }
  if (session === undefined) return fail(instance, "class");
  if (!isExpected(issued, session)) return fail(instance, "identity");
  const need = needsStore(instance, session, { maxAge: undefined });
  if (need === "not_yet_valid") return fail(instance, need, { code: "clock_skew", keepsPair: true });
  return need === "expired" ? fail(instance, need) : { status: "verified", session, claims };
}

function isExpected(issued: IssuedCredential, { subject, memberSession }: VerifiedSession): boolean {
  const { organizationId } = issued;
  const isThere = organizationId === undefined || organizationId === memberSession.organizationId;
  return isThere && isExpectedSubject(issued, subject);
}

function isExpectedSubject({ credential, subject }: IssuedCredential, found: string): boolean {
  return (credential.user?.id ?? found) === found && (subject ?? found) === found;
}

function fail(
  { events }: Instance,
  reason: string,
  known: Partial<Extract<IssuedCheck, { status: "failed" }>> = {},
): IssuedCheck {
  const { code = "store_unavailable", retryAfter = RETRY_AFTER, keepsPair = false } = known;
  events.emit({ type: "misconfigured", reason: `issued_token_${reason}` });
  events.emit({ type: "unavailable", code, reason, retryAfter });
  return { status: "failed", code, retryAfter, keepsPair };
}
