import { formatTime } from "../../../clock.ts";
import { memberIdOf } from "../../subject.ts";
import type { WireDialect } from "../../wire-dialect.ts";
import { listOwnClaims } from "./custom-claims.ts";
import { toFactorBody, toSeconds } from "./session-body.ts";

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
      const { place } = subject;
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
          roles: place?.membership.roles ?? [],
        },
        ...(place !== undefined && {
          [ORGANIZATION_CLAIM]: {
            organization_id: place.organization.id,
            slug: place.organization.slug ?? "",
          },
        }),
      };
    },
  };
}
