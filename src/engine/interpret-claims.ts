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

/** Claims that the store fails to read, or that name nobody. */
export const UNREADABLE = "unreadable";

/**
 * What verified claims stand for; `undefined` if they are no session of the store's. A store that fails to read them has not
 * said so: who is asking cannot be known then, and nobody is signed out by its defect.
 */
export function interpretClaims(
  engine: Engine,
  reading: ClaimsReading,
): VerifiedSession | undefined | typeof UNREADABLE {
  try {
    return readClaims(engine, reading);
  } catch {
    engine.events.emit({ type: "misconfigured", reason: "interpret_failed" });
    return UNREADABLE;
  }
}

function readClaims(
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
