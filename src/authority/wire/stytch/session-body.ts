import type { AuthenticationFactor, MemberSession } from "../../../model.ts";
import { listOwnClaims } from "./custom-claims.ts";
import { toSnakeCase } from "./snake-case.ts";

type Body = Readonly<Record<string, unknown>>;

/** The session, in Stytch's fields. */
export function toMemberSessionBody(session: MemberSession): Body {
  const claims = listOwnClaims(session.customClaims);
  return {
    member_session_id: session.id,
    member_id: session.memberId,
    organization_id: session.organizationId ?? "",
    organization_slug: session.organizationSlug ?? "",
    started_at: toSeconds(session.startedAt),
    last_accessed_at: toSeconds(session.lastAccessedAt),
    expires_at: toSeconds(session.expiresAt),
    authentication_factors: session.authenticationFactors.map(toFactorBody),
    roles: session.roles,
    custom_claims: Object.keys(claims).length === 0 ? null : claims,
  };
}

/** A factor, in Stytch's fields, with the details that the application gave. */
export function toFactorBody(factor: AuthenticationFactor): Body {
  const { type, deliveryMethod = "", lastAuthenticatedAt, createdAt, updatedAt, ...details } = factor;
  return {
    ...Object.fromEntries(Object.entries(Object(toSnakeCase(details)))),
    type,
    delivery_method: deliveryMethod,
    ...(lastAuthenticatedAt !== undefined && { last_authenticated_at: toSeconds(lastAuthenticatedAt) }),
    ...(createdAt !== undefined && { created_at: toSeconds(createdAt) }),
    ...(updatedAt !== undefined && { updated_at: toSeconds(updatedAt) }),
  };
}

/** A time of ours, written as Stytch does: without fractions of a second. */
export function toSeconds(timestamp: string | undefined): string | undefined {
  return timestamp?.replace(/\.\d+Z$/, "Z");
}
