import { OrgateError, StoreUnavailableError, isOrgateError } from "../errors.ts";
import { isText } from "../lib/values.ts";
import type { RenewContext, Renewal, StaleCredential, VerifiedClaims } from "../store.ts";
import {
  type AuthenticationResult,
  type SealRequest,
  readSealPassword,
  toAuthenticationResult,
  toSessionCredential,
} from "./authentication-result.ts";
import { MAX_LIFETIME, checkFields, checkId, checkToken, numberFrom, optionalField } from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { toProfile } from "./directory.ts";
import type { AuthorityProfile } from "./members/profile.ts";
import { type RefreshToken, parseRefreshToken } from "./refresh-token.ts";
import { type SessionUse, type UsedSession, useSession } from "./sessions.ts";

/** A refresh token, to be exchanged for a new pair. */
export interface AuthenticateWithRefreshTokenInput extends SealRequest {
  readonly refreshToken: string;
  /** @defaultValue the organization the session used most recently */
  readonly organizationId?: string | undefined;
}

/**
 * Exchanges a refresh token for a new pair, with the roles as they are now.
 *
 * Another organization continues the same session there; if the user is no member of it, the exchange is refused and nothing
 * is spent.
 */
export async function authenticateWithRefreshToken(
  context: AuthorityContext,
  input: AuthenticateWithRefreshTokenInput,
): Promise<AuthenticationResult> {
  const checked = checkFields(input, { refreshToken: checkToken, organizationId: optionalField(checkId) });
  readSealPassword(input);
  const { refreshToken, organizationId } = checked;
  const withoutMembership = organizationId === undefined ? "end" : "refuse";
  return refreshSession(context, refreshToken, { organizationId, withoutMembership }, input);
}

/** Exchanges a refresh token. Throws `invalid_token`, and what `useSession` throws. */
export async function refreshSession(
  context: AuthorityContext,
  token: string,
  use: Pick<SessionUse, "organizationId" | "withoutMembership">,
  request: SealRequest,
): Promise<AuthenticationResult> {
  const refreshToken = parseRefreshToken(token);
  if (refreshToken === undefined) throw new OrgateError("invalid_token");
  const used = await useSession(context, refreshToken.sessionId, { ...use, refreshToken, rotate: true });
  return toAuthenticationResult(context, { ...used, refreshToken: used.refreshToken ?? token }, request);
}

/** The session that a stale credential names. */
export interface StaleSession {
  readonly sessionId: string;
  readonly userId: string | undefined;
  readonly refreshToken: RefreshToken | undefined;
}

/** Renews a stale credential for the middleware. */
export async function renewSession(
  context: AuthorityContext,
  stale: StaleCredential,
  { extendBy, signal }: RenewContext,
): Promise<Renewal<AuthorityProfile>> {
  assertNotAborted(signal);
  checkFields({ extendBy }, { extendBy: optionalField(numberFrom(0, MAX_LIFETIME)) });
  const named = readStaleSession(stale);
  if (named === undefined) return { status: "ended", reason: "credential_mismatch" };
  if (!isRenewable(context, stale, named)) return { status: "unrenewable" };
  try {
    const { sessionId, userId, refreshToken } = named;
    const used = await useSession(context, sessionId, {
      refreshToken,
      // A token that is only too old still says who holds it: the pair is spent when the token has expired.
      rotate: stale.reason === "expired",
      organizationId: organizationOf(stale),
      userId,
      withoutMembership: "end",
      extendBy,
    });
    return await toRenewal(context, stale, used);
  } catch (error) {
    if (isOrgateError(error) && error.code === "session_revoked") {
      return { status: "ended", reason: error.reason ?? "revoked" };
    }
    if (isOrgateError(error) && error.code === "reauthentication_required") {
      const organizationId = organizationOf(stale);
      return {
        status: "reauthenticate",
        reason: error.reason ?? error.code,
        ...(isText(organizationId) && { organizationId }),
      };
    }
    if (isOrgateError(error) && error.code === "invalid_token") {
      return { status: "ended", reason: "credential_mismatch" };
    }
    throw error;
  }
}

/**
 * Returns the one session that a credential names; `undefined` if its parts name different ones.
 *
 * A refresh token that is not ours names nothing, and so cannot agree with the access token beside it.
 */
export function readStaleSession({ claims, sealed }: StaleCredential): StaleSession | undefined {
  const sid = claims?.["sid"];
  const userId = claims?.sub ?? sealed?.user?.id;
  if (sealed?.refreshToken === undefined) {
    return typeof sid === "string" ? { sessionId: sid, userId, refreshToken: undefined } : undefined;
  }
  const refreshToken = parseRefreshToken(sealed.refreshToken);
  const isOneUser = claims === undefined || sealed.user === undefined || claims.sub === sealed.user.id;
  if (refreshToken === undefined || !isOneUser) return undefined;
  const { sessionId } = refreshToken;
  return sid === undefined || sid === sessionId ? { sessionId, userId, refreshToken } : undefined;
}

/** Tells whether a credential may still name its session: by a refresh token, or by a JWT that has not expired for too long. */
export function isRenewable(
  context: AuthorityContext,
  { claims, reason }: StaleCredential,
  { refreshToken }: StaleSession,
): boolean {
  if (refreshToken !== undefined) return true;
  if (claims === undefined) return false;
  return reason !== "expired" || mayStillRenew(context, claims);
}

/** Tells whether a JWT may still renew its session: it has not expired, or not for longer than `expiredTokenRenewal`. */
export function mayStillRenew({ clock, settings }: AuthorityContext, { exp }: VerifiedClaims): boolean {
  return clock() < exp + settings.expiredTokenRenewal;
}

/** Throws if the caller has given up: nothing is spent for it. */
export function assertNotAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new StoreUnavailableError({ reason: "aborted", cause: signal.reason });
}

/** The organization that the credential is for: a renewal never moves anybody to another one. */
function organizationOf({ claims, sealed }: StaleCredential): string | null | undefined {
  if (claims === undefined) return sealed?.organizationId;
  const organizationId = claims["org_id"];
  return typeof organizationId === "string" ? organizationId : null;
}

async function toRenewal(
  context: AuthorityContext,
  { sealed }: StaleCredential,
  used: UsedSession,
): Promise<Renewal<AuthorityProfile>> {
  // Fields that others sealed stay; each of ours is replaced or removed.
  const { organizationId: _organization, impersonator: _impersonator, ...others } = sealed ?? {};
  const credential = { ...others, ...(await toSessionCredential(context, used)) };
  return { status: "active", credential, verifiedAt: used.subject.readAt, ...toProfile(used.subject) };
}
