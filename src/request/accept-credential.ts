import { frozenCopy } from "../lib/frozen-copy.ts";
import { isString } from "../lib/predicates.ts";
import type { UnavailableState } from "../model.ts";
import type { Profile, Renewal, SealedSession } from "../store.ts";
import { decideFreshness } from "../tokens/freshness.ts";
import type { VerifiedSession } from "./cache.ts";
import { type Instance, requireSealer } from "./instance.ts";
import type { Credential } from "./read-credential.ts";
import {
  type RenewalResult,
  type Successor,
  type Unavailable,
  kindAfterRenewal,
  reportMisconfigured,
  reportUnavailable,
} from "./resolution.ts";
import { type VerifiedCredential, interpretClaims } from "./verify-credential.ts";

/** What accepting a new credential came to. */
export type Acceptance =
  | { readonly status: "adopted"; readonly session: VerifiedSession; readonly successor: Successor }
  /** The token cannot be used now, but its refresh token must not be lost: it may still turn out to be good. */
  | (Omit<Unavailable, "status"> & { readonly status: "keep_refresh_token"; readonly successor: Successor })
  | (Omit<Unavailable, "status"> & { readonly status: "refused" });

/** Who a new session must belong to. An absent field may have any value. */
export interface ExpectedIdentity {
  /** The token's `sub`. */
  readonly subject?: string | undefined;
  readonly memberId?: string | undefined;
  /** `null`: the session must have no organization. */
  readonly organizationId?: string | null | undefined;
}

/** What came with a new credential. */
interface Circumstances {
  readonly via: "bearer" | "cookie";
  /** What the store interprets beside the claims. */
  readonly sealed: SealedSession | undefined;
  /** When the store answered, in seconds since the epoch. */
  readonly verifiedAt: number | undefined;
  readonly expected: ExpectedIdentity;
}

const RETRY_AFTER = 5;

/**
 * Turns a new token into a session: the one place that verifies, interprets and checks what a store hands out.
 *
 * Whatever a store answers, a member's credential never becomes another member's, nor moves to an organization nobody asked for.
 */
async function acceptCredential(
  instance: Instance,
  successor: Successor,
  { via, sealed, verifiedAt, expected }: Circumstances,
): Promise<Acceptance> {
  const keep = (reason: string, more: Partial<Unavailable> = {}): Acceptance => ({
    retryAfter: RETRY_AFTER,
    ...more,
    status: "keep_refresh_token",
    reason,
    successor,
  });
  const refuse = (reason: string): Acceptance => ({ status: "refused", reason, retryAfter: RETRY_AFTER });

  const verification = await instance.verifier.verify(successor.accessToken);
  if (verification.status === "unavailable")
    return keep("keys_unavailable", { retryAfter: verification.retryAfter });
  if (verification.status === "rejected") {
    const { reason } = verification;
    return reason === "unknown_key" ? keep(reason) : refuse(reason);
  }
  const { claims } = verification;
  const meaning = interpretClaims(instance, { via, claims, sealed, verifiedAt });
  const isSubject =
    isExpectedSubject(claims.sub, expected.subject) && isExpectedSubject(claims.sub, sealed?.user?.id);
  if (meaning.status === "unreadable") {
    return isSubject ? keep("unreadable", { cause: meaning.cause }) : refuse("unreadable");
  }
  if (meaning.status === "foreign") return refuse("class");
  const { session } = meaning;
  if (!isSubject || !isExpectedPlace(session, expected)) return refuse("identity");
  const { clock, clockTolerance } = instance.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance });
  // Clocks that differ do not make the token somebody else's.
  if (freshness !== "fresh") return keep(freshness);
  return { status: "adopted", session, successor: { ...successor, claims } };
}

function isExpectedSubject(found: string, expected: string | undefined): boolean {
  return expected === undefined || found === expected;
}

function isExpectedPlace({ member, organizationId }: VerifiedSession, expected: ExpectedIdentity): boolean {
  const isMember = expected.memberId === undefined || expected.memberId === member.id;
  return (
    isMember &&
    (expected.organizationId === undefined || expected.organizationId === (organizationId ?? null))
  );
}

/** Seals a new credential first, so that nothing that fails later can lose its refresh token. */
async function toSuccessor(
  instance: Instance,
  kind: Credential["kind"],
  credential: SealedSession,
): Promise<Successor> {
  const { accessToken, refreshToken } = credential;
  if (kind === "sealed") {
    const cookieValue = await requireSealer(instance, "a session").seal(credential);
    return { kind, accessToken, sealed: credential, cookieValue };
  }
  const hasOpaqueCookie = instance.options.store.credential?.opaqueCookieName !== undefined;
  return {
    kind,
    accessToken,
    ...(kind === "jwt_cookie" && hasOpaqueCookie && isString(refreshToken) && { opaqueToken: refreshToken }),
  };
}

type ActiveRenewal = Extract<Renewal, { status: "active" }>;

/**
 * Accepts what the store answered a renewal with.
 *
 * @throws TypeError for an answer without an access token.
 */
export async function acceptRenewal(
  instance: Instance,
  presented: VerifiedCredential,
  renewal: ActiveRenewal,
): Promise<Extract<RenewalResult, { status: "active" | "unavailable" }>> {
  const { clock, store } = instance.options;
  const isNew = renewal.credential !== undefined;
  const successor = await toSuccessor(
    instance,
    kindAfterRenewal(presented.kind),
    mergeCredential(presented, renewal),
  );
  const acceptance = await acceptCredential(instance, successor, {
    via: presented.via,
    sealed: successor.sealed,
    // A store whose clock is ahead, or that counts in milliseconds, must not make its answer young for ever.
    verifiedAt: Number.isFinite(renewal.verifiedAt) ? Math.min(renewal.verifiedAt, clock()) : undefined,
    expected: identityOf(presented),
  });
  if (acceptance.status === "adopted") {
    rememberProfile(instance, acceptance.session, renewal);
    return { status: "active", session: acceptance.session, successor: acceptance.successor, isNew };
  }
  const { reason, retryAfter, cause } = acceptance;
  reportMisconfigured(instance.events, { reason: `renewed_token_${reason}`, cause });
  // A credential that the renewal did not spend is simply renewed again.
  const isRotated = isNew && (store.capabilities.renewalSpends ?? true);
  return {
    status: "unavailable",
    reason,
    retryAfter,
    cause,
    ...(acceptance.status === "keep_refresh_token" && isRotated && { successor }),
  };
}

/** Tries again to accept a renewed credential whose token could not be used before. The store has nothing to add. */
export function acceptAgain(
  instance: Instance,
  presented: VerifiedCredential,
  successor: Successor,
): Promise<Acceptance> {
  return acceptCredential(instance, successor, {
    via: presented.via,
    sealed: successor.sealed,
    verifiedAt: instance.options.clock(),
    expected: identityOf(presented),
  });
}

/** Merges a renewal into what was sealed: fields that others sealed stay, and so does a refresh token that was not replaced. */
function mergeCredential(
  { accessToken: before, sealed, withheldRefreshToken }: VerifiedCredential,
  { credential }: ActiveRenewal,
): SealedSession {
  const accessToken = credential === undefined ? before : credential.accessToken;
  if (!isString(accessToken)) throw new TypeError("the store's answer has no access token");
  const refreshToken = credential?.refreshToken ?? withheldRefreshToken ?? sealed?.refreshToken;
  return { ...sealed, ...credential, accessToken, ...(refreshToken !== undefined && { refreshToken }) };
}

/** Who a renewed credential must belong to: the same member, in the same organization or in none. */
function identityOf({ session, sealed }: VerifiedCredential): ExpectedIdentity {
  if (session === undefined) return { subject: sealed?.user?.id };
  const { subject, member, organizationId = null } = session;
  return { subject, memberId: member.id, organizationId };
}

function rememberProfile(
  { profiles }: Instance,
  { memberSession }: VerifiedSession,
  renewal: Partial<Profile>,
): void {
  const { member, organization } = renewal;
  if (member === undefined) return;
  profiles.set(memberSession.id, frozenCopy({ member, ...(organization !== undefined && { organization }) }));
}

/** A new session as a sign-in, a selection or a switch handed it over. */
export interface IssuedCredential {
  readonly credential: SealedSession;
  /** How the client will send it. */
  readonly kind: Credential["kind"];
  readonly expected: ExpectedIdentity;
}

/** What accepting an issued credential came to. */
export type IssuedAcceptance =
  | Extract<Acceptance, { status: "adopted" }>
  | (Exclude<Acceptance, { status: "adopted" }> & { readonly code: UnavailableState["code"] });

/**
 * Accepts a new session from a sign-in, a selection or a switch. A store that errs, or lies, signs in nobody. Trouble is reported.
 *
 * @throws ConfigurationError where it must be sealed and there is no password.
 */
export async function acceptIssued(
  instance: Instance,
  { credential, kind, expected }: IssuedCredential,
): Promise<IssuedAcceptance> {
  const acceptance = await acceptCredential(instance, await toSuccessor(instance, kind, credential), {
    via: kind === "bearer" ? "bearer" : "cookie",
    sealed: credential,
    verifiedAt: instance.options.clock(),
    expected,
  });
  if (acceptance.status === "adopted") return acceptance;
  const { reason, retryAfter, cause } = acceptance;
  const code = reason === "not_yet_valid" ? "clock_skew" : "store_unavailable";
  reportMisconfigured(instance.events, { reason: `issued_token_${reason}`, cause });
  reportUnavailable(instance.events, { reason, retryAfter, cause }, code);
  // A session that begins with an expired token is not worth keeping.
  return reason === "expired" ? { status: "refused", reason, retryAfter, code } : { ...acceptance, code };
}
