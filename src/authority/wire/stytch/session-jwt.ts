import { type OrgateError, isOrgateError } from "../../../errors.ts";
import { formatTime } from "../../../lib/clock.ts";
import { isObject, isString } from "../../../lib/values.ts";
import type { TokenProfile, VerifiedClaims } from "../../../store.ts";
import { createTokenCheck } from "../../access-token.ts";
import type { AuthorityContext, WireDialect } from "../../context.ts";
import { memberIdOf, rolesOf } from "../../directory.ts";
import { mayStillRenew } from "../../renew.ts";
import type { WireRefusal } from "../router.ts";
import { toSeconds, toStytchFactor } from "./factors.ts";
import { listOwnClaims } from "./custom-claims.ts";
import { sessionNotFound, stytchError } from "./errors.ts";

/** The claim that makes a JWT a session of Stytch's. */
const SESSION_CLAIM = "https://stytch.com/session";
/** The claim that names its organization. */
const ORGANIZATION_CLAIM = "https://stytch.com/organization";

function issuerOf(projectId: string): string {
  return `stytch.com/${projectId}`;
}

/** Makes the dialect of session JWTs as Stytch issues them: the session is one claim, custom claims are at the top level. */
export function createStytchDialect(projectId: string): WireDialect {
  return {
    algorithm: "RS256",
    claims(native, record, subject) {
      const { organization } = subject;
      return {
        ...listOwnClaims(record.customClaims),
        iss: issuerOf(projectId),
        aud: [projectId],
        sub: memberIdOf(subject),
        iat: native["iat"],
        nbf: native["iat"],
        exp: native["exp"],
        jti: native["jti"],
        [SESSION_CLAIM]: {
          id: record.id,
          started_at: toSeconds(formatTime(record.startedAt)),
          last_accessed_at: toSeconds(formatTime(record.lastAccessedAt)),
          expires_at: toSeconds(formatTime(record.expiresAt)),
          attributes: { ip_address: record.ipAddress ?? "", user_agent: record.userAgent ?? "" },
          authentication_factors: record.authenticationFactors.map((factor) =>
            toStytchFactor(factor, record),
          ),
          roles: rolesOf(subject),
        },
        ...(organization !== undefined && {
          [ORGANIZATION_CLAIM]: { organization_id: organization.id, slug: organization.slug ?? "" },
        }),
      };
    },
  };
}

/** A session as its credential names it. */
export interface NamedMemberSession {
  readonly sessionId: string;
  /** Absent for a session token, which says neither. */
  readonly memberId?: string;
  readonly organizationId?: string;
}

/** Verifies session JWTs: Stytch's and the authority's own. */
export interface SessionJwtCheck {
  /** Accepts an expired one within `expiredTokenRenewal`; throws a refusal, or `store_unavailable`. */
  check(jwt: string): Promise<NamedMemberSession>;
  close(): void;
}

/** Makes the check of a project's session JWTs, over the same verification that the middleware does. */
export function createSessionJwtCheck(context: AuthorityContext, projectId: string): SessionJwtCheck {
  const profile: TokenProfile = {
    keys: context.issuer.keySource,
    issuers: [issuerOf(projectId)],
    audience: [projectId],
    algorithms: ["RS256"],
    types: ["JWT"],
    sessionClaim: SESSION_CLAIM,
  };
  const tokens = createTokenCheck(profile, context, readNamedMemberSession);
  return {
    async check(jwt) {
      try {
        const { claims, session } = await tokens.check(jwt);
        assertRenewable(context, claims);
        return session;
      } catch (error) {
        if (!isInvalidToken(error)) throw error;
        // The authority's own tokens have another algorithm, or no claim of Stytch's.
        return checkNative(context, jwt, error.reason);
      }
    },
    close: () => tokens.close(),
  };
}

async function checkNative(
  context: AuthorityContext,
  jwt: string,
  reason: string | undefined,
): Promise<NamedMemberSession> {
  try {
    const { claims, session } = await context.tokens.check(jwt);
    assertRenewable(context, claims);
    const { id, memberId, organizationId } = session.memberSession;
    if (organizationId === undefined) throw sessionNotFound();
    return { sessionId: id, memberId, organizationId };
  } catch (error) {
    if (!isInvalidToken(error)) throw error;
    const isNative = reason === "malformed" && error.reason !== "malformed";
    throw Object.assign(refuseJwt(isNative ? error.reason : reason), { cause: error });
  }
}

function isInvalidToken(error: unknown): error is OrgateError {
  return isOrgateError(error) && error.code === "invalid_token";
}

function assertRenewable(context: AuthorityContext, claims: VerifiedClaims): void {
  if (!mayStillRenew(context, claims)) throw sessionNotFound();
}

function readNamedMemberSession({
  sub: memberId,
  ...claims
}: VerifiedClaims): NamedMemberSession | undefined {
  const [session, organization] = [claims[SESSION_CLAIM], claims[ORGANIZATION_CLAIM]];
  const sessionId = isObject(session) ? session["id"] : undefined;
  const organizationId = isObject(organization) ? organization["organization_id"] : undefined;
  return isString(sessionId) && isString(organizationId)
    ? { sessionId, memberId, organizationId }
    : undefined;
}

function refuseJwt(reason: string | undefined): WireRefusal {
  switch (reason) {
    case "malformed":
      return stytchError(400, "unable_to_parse_session_jwt", "The session JWT could not be parsed.");
    case "issuer":
      return stytchError(400, "jwt_invalid_issuer", "The session JWT has an invalid issuer.");
    case "audience":
      return stytchError(400, "jwt_invalid_audience", "The session JWT has an invalid audience.");
    case "class":
    case "claims":
      return stytchError(400, "jwt_invalid_claims", "The session JWT has invalid claims.");
    // Forged, or signed by a key that is gone: nothing tells the two apart.
    default:
      return sessionNotFound();
  }
}
