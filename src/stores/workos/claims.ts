import { toTimestamp } from "../../lib/clock.ts";
import type { JsonObject } from "../../lib/json-client.ts";
import { isObject, isOptional, isText, isTextList } from "../../lib/values.ts";
import type { Impersonator, Member, MemberSession } from "../../model.ts";
import type { Interpretation, SealedSession, VerifiedClaims } from "../../store.ts";
import { nameSet, readCustomClaims } from "../hosted-store.ts";
import { readImpersonator } from "./authentication.ts";

/** Claims with a meaning of their own; all others come from the environment's JWT template. */
const AUTHKIT_CLAIMS = nameSet(`
  iss sub aud exp nbf iat jti sid client_id org_id role roles permissions entitlements feature_flags act auth_time
`);

/**
 * Reads the claims of an AuthKit access token as orgate's model. Pure.
 *
 * The token names no membership: the member's id is the user's id. Roles and permissions belong to an organization; without
 * one there are none.
 *
 * @param clientId - the application's own: a token made for another client of the environment is no session of it
 * @returns `undefined` where a claim is missing or of another type.
 */
export function interpretWorkosClaims(
  clientId: string,
  claims: VerifiedClaims,
  sealed?: SealedSession,
): Interpretation | undefined {
  const { sub: userId, sid, auth_time: authenticatedAt, org_id: organizationId } = claims;
  if ((claims["client_id"] ?? clientId) !== clientId) return undefined;
  const { role, roles, permissions, entitlements, feature_flags: featureFlags } = claims;
  if (!isText(sid) || !isOptional(authenticatedAt, isTime)) return undefined;
  if (!isOptional(organizationId, isText) || !isOptional(role, isText)) return undefined;
  if (!isOptional(roles, isTextList) || !isOptional(permissions, isTextList)) return undefined;
  if (!isOptional(entitlements, isTextList) || !isOptional(featureFlags, isTextList)) return undefined;
  const impersonator = combineImpersonators(claims["act"], readImpersonator(sealed?.impersonator));
  if (impersonator === "malformed") return undefined;
  const inOrganization = isText(organizationId)
    ? { organizationId, roles: mergeRoles(role, roles ?? []) }
    : { roles: [] };
  const authenticationMethod = sealed?.authenticationMethod;
  const memberSession: MemberSession = {
    id: sid,
    memberId: userId,
    ...inOrganization,
    authenticationFactors: [],
    customClaims: readCustomClaims(claims, AUTHKIT_CLAIMS),
    ...(isTextList(entitlements) && { entitlements }),
    ...(isTextList(featureFlags) && { featureFlags }),
    ...(impersonator !== undefined && { impersonator }),
    ...(isText(authenticationMethod) && { authenticationMethod }),
  };
  return {
    memberSession,
    member: { id: userId, userId, ...inOrganization, ...readPerson(sealed?.user ?? {}) },
    ...(isText(organizationId) && { organization: { id: organizationId } }),
    permissions: isText(organizationId) ? (permissions ?? []) : [],
    ...(isTime(authenticatedAt) && { authenticatedAt }),
  };
}

/** `role` is the one of the highest priority; `roles` lists all. */
function mergeRoles(role: string | undefined | null, roles: readonly string[]): readonly string[] {
  return !isText(role) || roles.includes(role) ? roles : [role, ...roles];
}

/** Takes the impersonator from the token or the seal: one that is shown too often is better than one that is not seen. */
function combineImpersonators(
  act: unknown,
  sealed: Impersonator | undefined,
): Impersonator | undefined | "malformed" {
  if (act === undefined || act === null) return sealed;
  if (!isObject(act) || !isText(act["sub"])) return "malformed";
  return sealed?.email === act["sub"] ? sealed : { email: act["sub"] };
}

/** Reads the e-mail address and the name of a user whose fields are in camelCase. */
export function readPerson(user: JsonObject): Pick<Member, "emailAddress" | "name"> {
  const { email, name, firstName, lastName } = user;
  const fullName = isText(name) ? name : [firstName, lastName].filter(isText).join(" ");
  return { ...(isText(email) && { emailAddress: email }), ...(fullName !== "" && { name: fullName }) };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && toTimestamp(value) !== undefined;
}
