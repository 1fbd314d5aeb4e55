import { isString } from "../lib/values.ts";
import type { UnavailableState } from "../model.ts";
import type { Renewal, SealedSession, StaleCredential } from "../store.ts";
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
import { fitsIntoCookies } from "./respond.ts";
import { type VerifiedCredential, readClaims } from "./verify-credential.ts";

/** Why a good token that another process brought cannot be used: it has expired since. */
export const EXPIRED = "expired";

/** What accepting a new credential came to. */
export type Acceptance =
  | { readonly status: "adopted"; readonly session: VerifiedSession; readonly successor: Successor }
  /** The token cannot be used now, but may turn out to be good: its refresh token must not be lost. */
  | (Failure & {
      readonly status: "keep_refresh_token";
      readonly successor: Successor;
      /** Whether its signature is good, so that it may be sealed. */
      readonly isVerified: boolean;
    })
  /** The token is bad. */
  | (Failure & { readonly status: "refused" })
  /** The token is good, and another member's or of another organization: neither token may be kept. */
  | (Failure & { readonly status: "foreign" });

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
  const failure = { code: "store_unavailable", retryAfter: DEFAULT_RETRY_AFTER } as const;
  const refuseToken = (reason: string): Acceptance => ({ ...failure, reason, status: "refused" });
  const keepToken = (reason: string, isVerified: boolean, more: Partial<Failure> = {}): Acceptance => ({
    ...failure,
    reason,
    ...more,
    status: "keep_refresh_token",
    successor,
    isVerified,
  });
  const foreign: Acceptance = { ...failure, status: "foreign", reason: "identity" };
  const verification = await instance.verifier.verify(successor.accessToken);
  if (verification.status === "unavailable") {
    const { retryAfter, cause } = verification;
    return keepToken("keys_unavailable", false, { retryAfter, cause });
  }
  if (verification.status === "rejected") {
    const { reason } = verification;
    return reason === "unknown_key" ? keepToken(reason, false) : refuseToken(reason);
  }
  const { claims } = verification;
  const { clock, clockTolerance } = instance.options;
  const issuedAt = mayBeOlder ? claims.iat - clockTolerance : Infinity;
  const verifiedAt = given.verifiedAt && Math.min(given.verifiedAt, issuedAt);
  const isSubject = [expected.subject, sealed?.user?.id].every((id) => id === undefined || id === claims.sub);
  if (!isSubject) return foreign;
  const meaning = readClaims(instance, { via, claims, sealed, verifiedAt });
  if (meaning.status === "unreadable") return keepToken("unreadable", true, { cause: meaning.cause });
  if (meaning.status === "foreign") return refuseToken("class");
  const { session } = meaning;
  if (session.organizationId === undefined && isString(expected.organizationId))
    return refuseToken("identity");
  if (!isExpected(session, expected)) return foreign;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance });
  // Clocks that differ do not make a token bad.
  if (freshness !== "fresh") {
    return keepToken(freshness, true, freshness === "not_yet_valid" ? { code: "clock_skew" } : {});
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
 * A rotated refresh token is never lost: where its access token cannot be used, the successor is the new refresh token beside the
 * access token that was presented. Only another member's tokens are dropped.
 *
 * @param calledAt - when the store was asked, in seconds since the epoch
 */
export async function acceptRenewal(
  instance: Instance,
  presented: VerifiedCredential,
  renewal: ActiveRenewal,
  calledAt: number,
): Promise<RenewalResult> {
  const { events } = instance;
  const { credential, verifiedAt, member, organization } = renewal;
  const kind = kindAfterRenewal(presented.kind);
  const merged = mergeCredential(presented, credential);
  let successor: Successor;
  try {
    successor = await toSuccessor(instance, kind, merged);
  } catch (cause) {
    reportMisconfigured(events, { reason: "renewed_session_not_json", cause });
    const kept = await keepRefreshToken(instance, presented, merged);
    const failure = { reason: "malformed", retryAfter: DEFAULT_RETRY_AFTER, cause } as const;
    return { status: "unavailable", ...failure, ...(kept !== undefined && { successor: kept }) };
  }
  const acceptance = await acceptCredential(instance, successor, {
    via: presented.via,
    // What changed while the store was asked may be missing from its answer, whatever time the store states.
    verifiedAt: Number.isFinite(verifiedAt) ? Math.min(verifiedAt, calledAt) : calledAt,
    expected: identityOf(presented),
  });
  const isNew = credential !== undefined;
  if (acceptance.status === "adopted" && (!isNew || fitsIntoCookies(instance, successor))) {
    const { session } = acceptance;
    const profile = member && { member, ...(organization !== undefined && { organization }) };
    if (profile !== undefined) keepProfile(instance, session, profile, session.verifiedAt ?? calledAt);
    return { status: "active", session, successor: acceptance.successor, isNew };
  }
  const { reason, retryAfter, cause } =
    acceptance.status === "adopted"
      ? { reason: "session_too_large", retryAfter: DEFAULT_RETRY_AFTER, cause: undefined }
      : acceptance;
  const unavailable = { status: "unavailable", retryAfter, cause } as const;
  if (acceptance.status === "foreign" || isAnothers(presented, credential)) {
    reportMisconfigured(events, { reason: "foreign_renewal", cause });
    return { ...unavailable, reason: "foreign_renewal" };
  }
  const isTooLarge = reason === "session_too_large";
  reportMisconfigured(events, { reason: isTooLarge ? reason : `renewed_token_${reason}`, cause });
  const kept = await keepRefreshToken(instance, presented, merged);
  return { ...unavailable, reason, ...(kept !== undefined && { successor: kept }) };
}

/**
 * Accepts what another process renewed a credential to, as strictly as an answer of the store.
 *
 * @param renewedAt - when that process asked the store, in seconds since the epoch, by its own clock
 * @returns `undefined` where it is of no use: the store must be asked
 */
export async function acceptRecalled(
  instance: Instance,
  presented: VerifiedCredential,
  credential: SealedSession,
  renewedAt: number,
): Promise<RenewalResult | undefined> {
  const { clockTolerance } = instance.options;
  const kind = kindAfterRenewal(presented.kind);
  const merged = mergeCredential(presented, credential);
  const successor = await toSuccessor(instance, kind, merged);
  const acceptance = await acceptCredential(instance, successor, {
    via: presented.via,
    // The other process's clock may be ahead.
    verifiedAt: renewedAt - clockTolerance,
    expected: identityOf(presented),
  });
  if (acceptance.status === "adopted" && fitsIntoCookies(instance, successor)) {
    return { status: "active", session: acceptance.session, successor: acceptance.successor, isNew: true };
  }
  if (kind !== "sealed" || acceptance.status === "foreign" || acceptance.status === "refused")
    return undefined;
  // The refresh token leads on. Beside it goes the newest access token that verifies, though it has expired since.
  const hasExpired = acceptance.status === "keep_refresh_token" && acceptance.reason === EXPIRED;
  const kept = hasExpired ? acceptance.successor : await keepRefreshToken(instance, presented, merged);
  const { reason, retryAfter } =
    acceptance.status === "adopted"
      ? { reason: "session_too_large", retryAfter: DEFAULT_RETRY_AFTER }
      : acceptance;
  return kept && { status: "unavailable", reason, retryAfter, successor: kept };
}

/** Whether what came with a token that cannot be read says that it is another member's. */
function isAnothers(
  { session, sealed, claims }: VerifiedCredential,
  given: ActiveRenewal["credential"],
): boolean {
  const subject = claims?.sub ?? session?.subject ?? sealed?.user?.id;
  const isUser = [given?.user?.id, subject].includes(undefined) || given?.user?.id === subject;
  const organizationId = given?.organizationId;
  const isOrganization =
    session === undefined || organizationId === undefined || organizationId === session.organizationId;
  return !isUser || !isOrganization;
}

/** Seals a rotated refresh token beside the access token that was presented; `undefined` where none was rotated. */
async function keepRefreshToken(
  instance: Instance,
  {
    kind,
    accessToken,
    sealed,
    claims,
    withheldRefreshToken,
  }: Pick<VerifiedCredential, "kind" | "withheldRefreshToken"> & Omit<StaleCredential, "reason">,
  { refreshToken }: SealedSession,
): Promise<Successor | undefined> {
  const presented = withheldRefreshToken ?? sealed?.refreshToken;
  const isRotated = refreshToken !== undefined && refreshToken !== presented;
  if (kind !== "sealed" || accessToken === undefined || !isRotated) return undefined;
  const successor = await toSuccessor(instance, kind, { ...sealed, accessToken, refreshToken });
  return { ...successor, ...(claims !== undefined && { claims }) };
}

/** Merges a renewal into what was sealed: fields that others sealed stay, and so does a refresh token that was not replaced. */
function mergeCredential(
  { accessToken: before, sealed, withheldRefreshToken }: VerifiedCredential,
  credential: ActiveRenewal["credential"],
): SealedSession {
  const given: unknown = credential === undefined ? before : credential.accessToken;
  // An empty token is refused like any that cannot be read, and the refresh token beside it is kept.
  const accessToken = isString(given) ? given : "";
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
  /** What was switched, where the session goes on under its id: its refresh token may be spent now. */
  readonly continues?: StaleCredential | undefined;
}

/**
 * Accepts a new session from a sign-in, a selection or a switch. A store that errs, or lies, signs in nobody. Reports failures.
 *
 * Where a switch continues a session and its new token is bad, the successor is the new refresh token beside the access token
 * of before: the member stays signed in where she was.
 *
 * @throws ConfigurationError where it must be sealed and there is no password.
 */
export async function acceptIssued(
  instance: Instance,
  { credential, kind, expected, calledAt, continues }: IssuedCredential,
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
  if (acceptance.status === "foreign") return acceptance;
  const mayBeGood = acceptance.status === "keep_refresh_token";
  if (mayBeGood && acceptance.isVerified && reason !== EXPIRED) return acceptance;
  const kept = continues && (await keepRefreshToken(instance, { ...continues, kind }, credential));
  if (kept !== undefined) {
    return { ...acceptance, status: "keep_refresh_token", successor: kept, isVerified: true };
  }
  // A session that begins with an expired token is not worth keeping.
  return mayBeGood && reason !== EXPIRED ? acceptance : { ...acceptance, status: "refused" };
}
