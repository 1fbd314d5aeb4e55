import { StoreUnavailableError, isOrgateError } from "../../../errors.ts";
import { formatTime } from "../../../lib/clock.ts";
import type { VerifiedClaims } from "../../../store.ts";
import { createKeySet } from "../../../tokens/key-set.ts";
import { type RejectionReason, createTokenVerifier } from "../../../tokens/verify-token.ts";
import { checkCustomClaims } from "../../check-input.ts";
import type { AuthorityContext, WireDialect } from "../../context.ts";
import { mayStillRenew } from "../../renew.ts";
import { memberIdOf, rolesOf } from "../../subject.ts";
import { type Fields, type WireRefusal, readOptionalObject } from "../read-fields.ts";
import { sessionNotFound, stytchError } from "./answers.ts";
import { toFactorBody, toSeconds } from "./bodies.ts";

/** The claim that makes a JWT a session of Stytch's. */
export const SESSION_CLAIM = "https://stytch.com/session";
/** The claim that names its organization. */
export const ORGANIZATION_CLAIM = "https://stytch.com/organization";

/** `iss` of a project's session JWTs. */
export function issuerOf(projectId: string): string {
  return `stytch.com/${projectId}`;
}

/** Session JWTs as Stytch's: what is the session's is nested, and custom claims are at the top level. */
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
          authentication_factors: record.authenticationFactors.map(toFactorBody),
          roles: rolesOf(subject),
        },
        ...(organization !== undefined && {
          [ORGANIZATION_CLAIM]: { organization_id: organization.id, slug: organization.slug ?? "" },
        }),
      };
    },
  };
}

type CustomClaims = Readonly<Record<string, unknown>> | null;

const RESERVED: ReadonlySet<string> = new Set(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]);
const STYTCH_CLAIMS = "https://stytch.com/";

/** The claims that go to the top level of a JWT: never one that would pass for a registered claim or for Stytch's own. */
export function listOwnClaims(claims: CustomClaims): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(claims ?? {}).filter(([name]) => !RESERVED.has(name) && !name.startsWith(STYTCH_CLAIMS)),
  );
}

/**
 * Reads `session_custom_claims` as a change: names that are there are set, or deleted where they are `null`; reserved
 * names are passed over; 4 KB in all.
 */
export function readClaimsChange(fields: Fields): ((before: CustomClaims) => CustomClaims) | undefined {
  const change = readOptionalObject(fields, "session_custom_claims");
  if (change === undefined) return undefined;
  if ([...change.keys()].some((name) => name.startsWith(STYTCH_CLAIMS))) {
    throw stytchError(400, "stytch_claims_in_custom_claims", "Custom claims must not be Stytch's own.");
  }
  const changes = [...change].filter(([name]) => !RESERVED.has(name));
  // Refused before anything is written, whatever the session holds.
  check(Object.fromEntries(changes.filter(([, value]) => value !== null)));
  if (changes.length === 0) return undefined;
  return (before) => {
    const claims = new Map(Object.entries(before ?? {}));
    for (const [name, value] of changes) {
      if (value === null) claims.delete(name);
      else claims.set(name, value);
    }
    const after = check(Object.fromEntries(claims));
    // The same object where nothing changed, so that nothing is written.
    return JSON.stringify(after) === JSON.stringify(before) ? before : after;
  };
}

function check(claims: Record<string, unknown>): CustomClaims {
  try {
    return checkCustomClaims("customClaims", claims);
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    throw stytchError(400, "invalid_session_custom_claims", error.message);
  }
}

/** What a session JWT says, once its signature is verified. */
export interface SessionJwt {
  readonly sessionId: string;
  readonly memberId: string;
  readonly organizationId: string;
}

/** Verifies session JWTs: Stytch's shape, and the authority's own. */
export interface SessionJwtCheck {
  /** Accepts an expired one within `expiredTokenRenewal`; throws a refusal, or `store_unavailable`. */
  check(jwt: string): Promise<SessionJwt>;
  close(): void;
}

/** Makes the check of a project's session JWTs, over the same verification that the middleware does. */
export function createSessionJwtCheck(context: AuthorityContext, projectId: string): SessionJwtCheck {
  const keys = createKeySet(
    { load: () => context.issuer.jwks(), revision: () => context.issuer.revision(), maxAge: 30, cooldown: 0 },
    context,
  );
  const verifier = createTokenVerifier(
    {
      keys: { load: () => context.issuer.jwks() },
      issuers: [issuerOf(projectId)],
      audience: [projectId],
      algorithms: ["RS256"],
      types: ["JWT"],
      sessionClaim: SESSION_CLAIM,
    },
    keys,
  );
  return {
    async check(jwt) {
      const verification = await verifier.verify(jwt);
      if (verification.status === "unavailable") {
        throw new StoreUnavailableError({ reason: verification.reason, retryAfter: verification.retryAfter });
      }
      // The authority's own tokens have another algorithm, or no claim of Stytch's.
      if (verification.status === "rejected") return checkNative(context, jwt, verification.reason);
      assertRenewable(context, verification.claims);
      return interpret(verification.claims);
    },
    close: () => keys.close(),
  };
}

async function checkNative(
  context: AuthorityContext,
  jwt: string,
  reason: RejectionReason,
): Promise<SessionJwt> {
  try {
    const { claims, session } = await context.tokens.check(jwt);
    assertRenewable(context, claims);
    const { id, memberId, organizationId } = session.memberSession;
    if (organizationId === undefined) throw sessionNotFound();
    return { sessionId: id, memberId, organizationId };
  } catch (error) {
    if (!isOrgateError(error) || error.code !== "invalid_token") throw error;
    const isWellFormed = reason === "malformed" && error.reason !== "malformed";
    throw refuseJwt(isWellFormed ? error.reason : reason);
  }
}

function assertRenewable(context: AuthorityContext, claims: VerifiedClaims): void {
  if (!mayStillRenew(context, claims)) throw sessionNotFound();
}

function interpret({ sub, ...claims }: VerifiedClaims): SessionJwt {
  const sessionId = memberOf(claims[SESSION_CLAIM], "id");
  const organizationId = memberOf(claims[ORGANIZATION_CLAIM], "organization_id");
  if (sessionId === undefined || organizationId === undefined) throw refuseJwt("claims");
  return { sessionId, memberId: sub, organizationId };
}

function memberOf(claim: unknown, name: string): string | undefined {
  const value: unknown = typeof claim === "object" && claim !== null ? Reflect.get(claim, name) : undefined;
  return typeof value === "string" ? value : undefined;
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
