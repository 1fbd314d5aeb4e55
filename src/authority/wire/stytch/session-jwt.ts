import { isOrgateError, StoreUnavailableError } from "../../../errors.ts";
import { createKeySet } from "../../../pipeline/key-set.ts";
import { createTokenVerifier } from "../../../pipeline/verify-token.ts";
import type { RejectionReason } from "../../../pipeline/verify-token.ts";
import type { VerifiedClaims } from "../../../stores/token-profile.ts";
import type { AuthorityContext } from "../../context.ts";
import type { TokenCheck } from "../../token-check.ts";
import type { WireRefusal } from "../wire-refusal.ts";
import { issuerOf, ORGANIZATION_CLAIM, SESSION_CLAIM } from "./claims.ts";
import { sessionNotFound, stytchError } from "./errors.ts";

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
export function createSessionJwtCheck(
  context: AuthorityContext,
  native: TokenCheck,
  projectId: string,
): SessionJwtCheck {
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
      if (verification.status === "rejected") return checkNative(context, native, jwt, verification.reason);
      assertRenewable(context, verification.claims);
      return interpret(verification.claims);
    },
    close: () => keys.close(),
  };
}

async function checkNative(
  context: AuthorityContext,
  native: TokenCheck,
  jwt: string,
  reason: RejectionReason,
): Promise<SessionJwt> {
  try {
    const { claims, session } = await native.check(jwt);
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

function assertRenewable({ clock, settings }: AuthorityContext, { exp }: VerifiedClaims): void {
  if (clock() >= exp + settings.expiredTokenRenewal) throw sessionNotFound();
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
