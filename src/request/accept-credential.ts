import { isString } from "../lib/values.ts";
import type { UnavailableState } from "../model.ts";
import type { Renewal, SealedSession } from "../store.ts";
import { decideFreshness } from "../tokens/verify-token.ts";
import { type VerifiedSession, keepProfile } from "./cache.ts";
import { type Instance, requireSealer } from "./instance.ts";
import type { Credential } from "./read-credential.ts";
import {
  DEFAULT_RETRY_AFTER,
  type RenewalResult,
  type Successor,
  type Unavailable,
  kindAfterRenewal,
  reportMisconfigured,
  reportUnavailable,
} from "./request-auth.ts";
import { type VerifiedCredential, readClaims } from "./verify-credential.ts";

/** What accepting a new credential came to. */
export type Acceptance =
  | { readonly status: "adopted"; readonly session: VerifiedSession; readonly successor: Successor }
  /** The token cannot be used now, but may turn out to be good: its refresh token must not be lost. */
  | (Failure & { readonly status: "keep_refresh_token"; readonly successor: Successor })
  /** The token is bad, or belongs to somebody else. */
  | (Failure & { readonly status: "refused" });

type Failure = Omit<Unavailable, "status"> & { readonly code: UnavailableState["code"] };

/** Who a new session must belong to. An absent field may have any value. */
export interface ExpectedIdentity {
  /** The token's `sub`. */
  readonly subject?: string | undefined;
  readonly memberId?: string | undefined;
  /** `null`: the session must have no organization. */
  readonly organizationId?: string | null | undefined;
}

interface Circumstances {
  readonly via: "bearer" | "cookie";
  /** What the store interprets beside the claims. @defaultValue what was sealed */
  readonly sealed?: SealedSession;
  /** As of when the store answered, in seconds since the epoch: when it was asked, at the latest. */
  readonly verifiedAt: number | undefined;
  /** Whether nobody knows for certain when the store was asked: then the token's `iat` counts too. */
  readonly mayBeOlder?: boolean;
  readonly expected: ExpectedIdentity;
}

/**
 * Turns a new token into a session: the one place that verifies, interprets and checks what a store hands out.
 *
 * Whatever a store answers, a member's credential never becomes another member's, nor moves to an organization nobody asked for.
 */
async function acceptCredential(
  instance: Instance,
  successor: Successor,
  { via, sealed = successor.sealed, mayBeOlder = false, expected, ...given }: Circumstances,
): Promise<Acceptance> {
  const fail = (reason: string, mayBeGood: boolean, more: Partial<Failure> = {}): Acceptance => {
    const failure: Failure = { reason, code: "store_unavailable", retryAfter: DEFAULT_RETRY_AFTER, ...more };
    return mayBeGood
      ? { ...failure, status: "keep_refresh_token", successor }
      : { ...failure, status: "refused" };
  };
  const verification = await instance.verifier.verify(successor.accessToken);
  if (verification.status === "unavailable") {
    return fail("keys_unavailable", true, { retryAfter: verification.retryAfter });
  }
  if (verification.status === "rejected") {
    return fail(verification.reason, verification.reason === "unknown_key");
  }
  const { claims } = verification;
  const { clock, clockTolerance } = instance.options;
  const issuedAt = mayBeOlder ? claims.iat - clockTolerance : Infinity;
  const verifiedAt = given.verifiedAt && Math.min(given.verifiedAt, issuedAt);
  const meaning = readClaims(instance, { via, claims, sealed, verifiedAt });
  const isSubject = [expected.subject, sealed?.user?.id].every((id) => id === undefined || id === claims.sub);
  if (meaning.status === "unreadable") return fail("unreadable", isSubject, { cause: meaning.cause });
  if (meaning.status === "foreign") return fail("class", false);
  const { session } = meaning;
  if (!isSubject || !isExpected(session, expected)) return fail("identity", false);
  const freshness = decideFreshness(session, { now: clock(), clockTolerance });
  // Clocks that differ do not make a token bad.
  if (freshness !== "fresh") {
    return fail(freshness, true, freshness === "not_yet_valid" ? { code: "clock_skew" } : {});
  }
  instance.invalidations.overtake(session);
  return { status: "adopted", session, successor: { ...successor, claims } };
}

function isExpected({ member, organizationId }: VerifiedSession, expected: ExpectedIdentity): boolean {
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
 * @param calledAt - when the store was asked, in seconds since the epoch
 * @throws TypeError for an answer without an access token.
 */
export async function acceptRenewal(
  instance: Instance,
  presented: VerifiedCredential,
  renewal: ActiveRenewal,
  calledAt: number,
): Promise<RenewalResult> {
  const { options, events } = instance;
  const { credential, verifiedAt, member, organization } = renewal;
  const kind = kindAfterRenewal(presented.kind);
  const successor = await toSuccessor(instance, kind, mergeCredential(presented, credential));
  const acceptance = await acceptCredential(instance, successor, {
    via: presented.via,
    // What changed while the store was asked may be missing from its answer, whatever time the store states.
    verifiedAt: Number.isFinite(verifiedAt) ? Math.min(verifiedAt, calledAt) : calledAt,
    expected: identityOf(presented),
  });
  if (acceptance.status === "adopted") {
    const { session } = acceptance;
    const profile = member && { member, ...(organization !== undefined && { organization }) };
    if (profile !== undefined) keepProfile(instance, session, profile, session.verifiedAt ?? calledAt);
    const isNew = credential !== undefined;
    return { status: "active", session, successor: acceptance.successor, isNew };
  }
  const { reason, retryAfter, cause } = acceptance;
  reportMisconfigured(events, { reason: `renewed_token_${reason}`, cause });
  // A credential that the renewal did not spend is simply renewed again.
  const isRotated = credential !== undefined && (options.store.capabilities.renewalSpends ?? true);
  const keeps = acceptance.status === "keep_refresh_token" && isRotated;
  return { status: "unavailable", reason, retryAfter, cause, ...(keeps && { successor }) };
}

/** Tries again to accept a renewed credential whose token could not be used before. The store has nothing to add. */
export function acceptAgain(
  instance: Instance,
  presented: VerifiedCredential,
  successor: Successor,
): Promise<Acceptance> {
  return acceptCredential(instance, successor, {
    via: presented.via,
    // When the store was asked is not known any more.
    verifiedAt: undefined,
    expected: identityOf(presented),
  });
}

/** Merges a renewal into what was sealed: fields that others sealed stay, and so does a refresh token that was not replaced. */
function mergeCredential(
  { accessToken: before, sealed, withheldRefreshToken }: VerifiedCredential,
  credential: ActiveRenewal["credential"],
): SealedSession {
  const accessToken = credential === undefined ? before : credential.accessToken;
  if (!isString(accessToken)) throw new TypeError("the store's answer has no access token");
  const refreshToken = credential?.refreshToken ?? withheldRefreshToken ?? sealed?.refreshToken;
  return { ...sealed, ...credential, accessToken, ...(refreshToken !== undefined && { refreshToken }) };
}

/** Who a renewed credential must belong to: the same member, in the same organization or in none. */
function identityOf({ session, sealed }: VerifiedCredential): ExpectedIdentity {
  if (session === undefined) return { subject: sealed?.user?.id };
  const { subject, member, organizationId } = session;
  return { subject, memberId: member.id, organizationId: organizationId ?? null };
}

/** A new session as a sign-in, a selection or a switch hands it over. */
export interface IssuedCredential {
  readonly credential: SealedSession;
  /** How the client will send it. */
  readonly kind: Credential["kind"];
  readonly expected: ExpectedIdentity;
  /** When the store was asked, in seconds since the epoch; at the latest, where the application asked it. */
  readonly calledAt: number;
}

/**
 * Accepts a new session from a sign-in, a selection or a switch. A store that errs, or lies, signs in nobody. Reports failures.
 *
 * @throws ConfigurationError where it must be sealed and there is no password.
 */
export async function acceptIssued(
  instance: Instance,
  { credential, kind, expected, calledAt }: IssuedCredential,
): Promise<Acceptance> {
  const acceptance = await acceptCredential(instance, await toSuccessor(instance, kind, credential), {
    via: kind === "bearer" ? "bearer" : "cookie",
    sealed: credential,
    verifiedAt: calledAt,
    // An application may have awaited its sign-in long before it hands it over.
    mayBeOlder: true,
    expected,
  });
  if (acceptance.status === "adopted") return acceptance;
  const { reason, cause } = acceptance;
  reportMisconfigured(instance.events, { reason: `issued_token_${reason}`, cause });
  reportUnavailable(instance.events, acceptance);
  // A session that begins with an expired token is not worth keeping.
  return reason === "expired" ? { ...acceptance, status: "refused" } : acceptance;
}
