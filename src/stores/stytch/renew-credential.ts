import type { RenewContext, Renewal, StaleCredential } from "../session-store.ts";
import { isText } from "../shape.ts";
import { authenticateSession, type SessionQuestion, type SessionSecret } from "./authenticate-session.ts";
import { ENDED, NOT_OURS } from "./error-types.ts";
import { interpretClaims } from "./interpret-claims.ts";
import { identityOf, peekIdentity } from "./peek-claims.ts";
import { toCredential } from "./read-answer.ts";
import { toSessionMinutes } from "./resolve-options.ts";
import type { StytchClient } from "./stytch-client.ts";
import { trouble } from "./trouble.ts";

/**
 * Renews by `POST /v1/b2b/sessions/authenticate`: by the JWT that was presented, else by the session token.
 *
 * @throws StoreUnavailableError for every answer that does not say what became of the session.
 */
export async function renewCredential(
  client: StytchClient,
  stale: StaleCredential,
  context: RenewContext,
): Promise<Renewal> {
  const secret = secretOf(stale);
  if (secret === undefined) return { status: "unrenewable" };
  const verdict = await authenticateSession(client, {
    secret,
    identity: stale.claims === undefined ? peekIdentity(stale.accessToken) : identityOf(stale.claims),
    changes: changesOf(client, stale, context),
    signal: context.signal,
  });
  if (verdict.status === "active") {
    const { answer } = verdict;
    return {
      status: "active",
      credential: toCredential(answer),
      verifiedAt: client.settings.clock(),
      member: answer.member,
      organization: answer.organization,
    };
  }
  const { type, requestId } = verdict;
  if (ENDED.has(type)) return { status: "ended", reason: type };
  const isVouchedFor = stale.claims !== undefined || stale.sealed !== undefined;
  if (!isVouchedFor && NOT_OURS.has(type)) return { status: "rejected", reason: type };
  throw trouble("request_rejected", requestId);
}

/**
 * What names a session to Stytch. The JWT, because it is what was presented and what the answer is held against; the session
 * token where the JWT's key is no longer known, for then Stytch may not know it either.
 */
export function secretOf(stale: StaleCredential): SessionSecret | undefined {
  const { claims, accessToken, sealed, opaqueToken } = stale;
  const sessionToken = opaqueToken ?? sealed?.refreshToken;
  if (isText(accessToken) && (claims !== undefined || !isText(sessionToken))) {
    return { session_jwt: accessToken };
  }
  return isText(sessionToken) ? { session_token: sessionToken } : undefined;
}

function changesOf(
  { settings }: StytchClient,
  { claims, sealed }: StaleCredential,
  { extendBy }: RenewContext,
): SessionQuestion["changes"] {
  const isImpersonated =
    claims !== undefined && interpretClaims(claims, sealed)?.memberSession.impersonator !== undefined;
  if (isImpersonated) return {};
  const { sessionCustomClaims } = settings;
  return {
    ...(extendBy !== undefined && { session_duration_minutes: toSessionMinutes(extendBy) }),
    ...(sessionCustomClaims !== undefined && { session_custom_claims: sessionCustomClaims }),
  };
}
