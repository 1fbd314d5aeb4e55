import { OrgateError, StoreUnavailableError, isOrgateError } from "../errors.ts";
import type { RenewContext, Renewal, SealedSession, StaleCredential } from "../store.ts";
import { issueAccessToken } from "./access-token.ts";
import { checkOptionalId, checkOptionalNumber, checkToken } from "./check-input.ts";
import type { AuthenticateWithRefreshTokenInput, AuthenticationResult } from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { type ParsedRefreshToken, parseRefreshToken } from "./refresh-token.ts";
import { findSealPassword, presentAuthentication } from "./results.ts";
import { toFullMember, toFullOrganization } from "./subject.ts";
import { type UsedSession, useSession } from "./use-session.ts";

/** 366 days, as for `sessionDurationMinutes`. */
const MAX_EXTENSION = 366 * 86_400;

/** Which session a stale credential names, and with what. */
export interface NamedSession {
  readonly sessionId: string;
  readonly refreshToken: ParsedRefreshToken | undefined;
}

/** The renewal of the session store: what a stale credential is worth now. */
export async function renewCredential(
  context: AuthorityContext,
  stale: StaleCredential,
  { extendBy, signal }: RenewContext,
): Promise<Renewal> {
  assertInTime(signal);
  checkOptionalNumber("extendBy", extendBy, { least: 0, most: MAX_EXTENSION });
  const named = nameSession(stale);
  if (named === undefined) return { status: "ended", reason: "credential_mismatch" };
  if (!isRenewable(context, stale, named)) return { status: "unrenewable" };
  try {
    const used = await useSession(context, named.sessionId, {
      refreshToken: named.refreshToken,
      // A token that is only too old says who holds it: the pair is spent when the token has expired.
      rotate: stale.reason === "expired",
      organizationId: organizationOf(stale),
      userId: stale.claims?.sub ?? stale.sealed?.user?.id,
      withoutMembership: "end",
      extendBy,
    });
    return await presentRenewal(context, stale, used);
  } catch (error) {
    const refusal = asEnding(error);
    if (refusal === undefined) throw error;
    return refusal;
  }
}

/**
 * The one session that a credential names; `undefined` where its parts name different ones.
 *
 * A refresh token that is not of ours names nothing, and so cannot agree with the access token beside it.
 */
export function nameSession({ claims, sealed }: StaleCredential): NamedSession | undefined {
  const sid = claims?.["sid"];
  if (sealed?.refreshToken === undefined) {
    return typeof sid === "string" ? { sessionId: sid, refreshToken: undefined } : undefined;
  }
  const refreshToken = parseRefreshToken(sealed.refreshToken);
  const isOneUser = claims === undefined || sealed.user === undefined || claims.sub === sealed.user.id;
  if (refreshToken === undefined || !isOneUser || (sid !== undefined && sid !== refreshToken.sessionId))
    return undefined;
  return { sessionId: refreshToken.sessionId, refreshToken };
}

/** Whether a credential may still name its session: by a refresh token, or by a JWT that has not expired for too long. */
export function isRenewable(
  { clock, settings }: AuthorityContext,
  { claims, reason }: StaleCredential,
  { refreshToken }: NamedSession,
): boolean {
  if (refreshToken !== undefined) return true;
  if (claims === undefined) return false;
  return reason !== "expired" || clock() < claims.exp + settings.expiredTokenRenewal;
}

/** A session that is over is an answer; everything else stays trouble. */
function asEnding(error: unknown): Renewal | undefined {
  if (!isOrgateError(error)) return undefined;
  if (error.code === "session_revoked") return { status: "ended", reason: error.reason ?? "revoked" };
  return error.code === "invalid_token" ? { status: "ended", reason: "credential_mismatch" } : undefined;
}

/** The organization that the credential is for: a renewal never moves anybody to another one. */
function organizationOf({ claims, sealed }: StaleCredential): string | null | undefined {
  if (claims === undefined) return sealed?.organizationId;
  const organizationId = claims["org_id"];
  return typeof organizationId === "string" ? organizationId : null;
}

async function presentRenewal(
  context: AuthorityContext,
  { sealed }: StaleCredential,
  { record, subject, refreshToken }: UsedSession,
): Promise<Renewal> {
  // Fields that others sealed stay; each of ours is as it is now, or gone.
  const { organizationId: _organization, impersonator: _impersonator, ...others } = sealed ?? {};
  const organization = toFullOrganization(subject);
  const credential: SealedSession = {
    ...others,
    accessToken: await issueAccessToken(context, record, subject),
    ...(refreshToken !== undefined && { refreshToken }),
    user: subject.user,
    ...(organization !== undefined && { organizationId: organization.id }),
    authenticationMethod: record.authenticationMethod,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
  };
  return {
    status: "active",
    credential,
    verifiedAt: context.clock(),
    member: toFullMember(subject),
    ...(organization !== undefined && { organization }),
  };
}

/** Whoever asked has gone: nothing is spent for them. */
export function assertInTime(signal: AbortSignal): void {
  if (signal.aborted) throw new StoreUnavailableError({ reason: "aborted" });
}

/**
 * Exchanges a refresh token for a new pair, with roles as they are now.
 *
 * Another organization continues the same session there; one that the user is no member of is refused, and nothing is spent.
 */
export async function authenticateWithRefreshToken(
  context: AuthorityContext,
  input: AuthenticateWithRefreshTokenInput,
): Promise<AuthenticationResult> {
  const presented = parseRefreshToken(checkToken("refreshToken", input.refreshToken));
  const organizationId = checkOptionalId("organizationId", input.organizationId);
  findSealPassword(input);
  if (presented === undefined) throw new OrgateError("invalid_token");
  const used = await useSession(context, presented.sessionId, {
    refreshToken: presented,
    rotate: true,
    organizationId,
    withoutMembership: organizationId === undefined ? "end" : "refuse",
  });
  const { record, subject, refreshToken } = used;
  if (refreshToken === undefined) throw new OrgateError("invalid_token");
  return presentAuthentication(context, { record, subject, refreshToken }, input);
}
