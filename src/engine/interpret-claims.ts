import { shareRoles } from "../pipeline/share-roles.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { SealedSession } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";
import type { Engine } from "./engine.ts";
import { readInterpretation } from "./read-interpretation.ts";

/** Verified claims, and what came with them. */
export interface ClaimsReading {
  readonly via: "bearer" | "cookie";
  readonly claims: VerifiedClaims;
  readonly sealed?: SealedSession | undefined;
  /** When the store answered for them. */
  readonly verifiedAt?: number | undefined;
}

/**
 * What verified claims stand for; `undefined` if they are no session of the store's. Throws what the store throws, and where
 * nobody can tell from its answer who it is.
 */
export function interpretClaims(
  { options }: Engine,
  { via, claims, sealed, verifiedAt }: ClaimsReading,
): VerifiedSession | undefined {
  const interpretation = options.store.interpret(claims, sealed);
  if (interpretation === undefined) return undefined;
  const { memberSession, member, organization, permissions, sessionExpiresAt, authenticatedAt } =
    readInterpretation(interpretation);
  return {
    exp: claims.exp,
    iat: claims.iat,
    nbf: claims.nbf,
    verifiedAt,
    sessionExpiresAt,
    checkedEpoch: -1,
    usedAt: 0,
    roles: shareRoles(memberSession.roles),
    organizationId: memberSession.organizationId,
    permissions,
    via,
    memberSession,
    member,
    organization,
    authenticatedAt,
    subject: claims.sub,
  };
}

/** The same for a session that was just issued: claims that the store fails to read are none of its sessions. */
export function interpretIssued(engine: Engine, reading: ClaimsReading): VerifiedSession | undefined {
  try {
    return interpretClaims(engine, reading);
  } catch {
    return undefined;
  }
}
