import { isObject, isOptional, isText, isTextList } from "../../lib/predicates.ts";
import type { Impersonator, Member, MemberSession } from "../../model.ts";
import type { Interpretation, SealedSession, VerifiedClaims } from "../../store.ts";

/** Claims with a meaning of their own; all others come from the environment's JWT template. */
const KNOWN_CLAIMS: ReadonlySet<string> = new Set(
  `iss sub aud exp nbf iat jti sid client_id org_id role roles permissions entitlements feature_flags act auth_time`.split(
    " ",
  ),
);

/** The latest second that RFC 3339 can write. */
const LATEST_TIME = 253_402_300_799;

/**
 * Reads the claims of an AuthKit access token as orgate's model. Pure.
 *
 * The token knows no membership: the member is named by the user's id. Roles and permissions are held in an organization;
 * without one there are none.
 *
 * @returns `undefined` for whatever is not a session, down to the type of each claim.
 */
export function interpretClaims(claims: VerifiedClaims, sealed?: SealedSession): Interpretation | undefined {
  const { sid, auth_time: authenticatedAt } = claims;
  const grants = readGrants(claims);
  const impersonator = readImpersonator(claims["act"], sealed?.impersonator);
  if (!isText(sid) || grants === undefined || impersonator === "malformed") return undefined;
  if (!isOptional(authenticatedAt, isTime)) return undefined;
  const { organizationId, roles, permissions, entitlements, featureFlags } = grants;
  const place = organizationId === undefined ? {} : { organizationId };
  const authenticationMethod = sealed?.authenticationMethod;
  const memberSession: MemberSession = {
    id: sid,
    memberId: claims.sub,
    ...place,
    authenticationFactors: [],
    roles,
    customClaims: readCustomClaims(claims),
    ...(entitlements !== undefined && { entitlements }),
    ...(featureFlags !== undefined && { featureFlags }),
    ...(impersonator !== undefined && { impersonator }),
    ...(isText(authenticationMethod) && { authenticationMethod }),
  };
  return {
    memberSession,
    member: { id: claims.sub, userId: claims.sub, ...place, roles, ...readPerson(sealed?.user) },
    ...(organizationId !== undefined && { organization: { id: organizationId } }),
    permissions,
    ...(isTime(authenticatedAt) && { authenticatedAt }),
  };
}

interface Grants {
  readonly organizationId: string | undefined;
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly entitlements: readonly string[] | undefined;
  readonly featureFlags: readonly string[] | undefined;
}

function readGrants(claims: VerifiedClaims): Grants | undefined {
  const {
    org_id: organizationId,
    role,
    roles,
    permissions,
    entitlements,
    feature_flags: featureFlags,
  } = claims;
  if (!isOptional(organizationId, isText) || !isOptional(role, isText)) return undefined;
  if (!isOptional(roles, isTextList) || !isOptional(permissions, isTextList)) return undefined;
  if (!isOptional(entitlements, isTextList) || !isOptional(featureFlags, isTextList)) return undefined;
  const hasPlace = isText(organizationId);
  return {
    organizationId: organizationId ?? undefined,
    roles: hasPlace ? mergeRoles(role ?? undefined, roles ?? []) : [],
    permissions: hasPlace ? (permissions ?? []) : [],
    entitlements: entitlements ?? undefined,
    featureFlags: featureFlags ?? undefined,
  };
}

/** All roles, the one of the highest priority among them. */
function mergeRoles(role: string | undefined, roles: readonly string[]): readonly string[] {
  return role === undefined || roles.includes(role) ? roles : [role, ...roles];
}

/** Whoever is named by either is an impersonator: better one too many than one unseen. */
function readImpersonator(act: unknown, sealed: unknown): Impersonator | undefined | "malformed" {
  const beside = readSealedImpersonator(sealed);
  if (act === undefined) return beside;
  if (!isObject(act) || !isText(act["sub"])) return "malformed";
  return beside?.email === act["sub"] ? beside : { email: act["sub"] };
}

function readSealedImpersonator(value: unknown): Impersonator | undefined {
  if (!isObject(value)) return undefined;
  const { email, reason } = value;
  if (!isText(email)) return undefined;
  return { email, ...(isText(reason) && { reason }) };
}

function readPerson(user: SealedSession["user"]): Pick<Member, "emailAddress" | "name"> {
  if (user === undefined) return {};
  const { email, name, firstName, lastName } = user;
  const fullName = isText(name) ? name : [firstName, lastName].filter(isText).join(" ");
  return { ...(isText(email) && { emailAddress: email }), ...(fullName !== "" && { name: fullName }) };
}

function readCustomClaims(claims: VerifiedClaims): MemberSession["customClaims"] {
  const custom = Object.entries(claims).filter(([name]) => !KNOWN_CLAIMS.has(name));
  return custom.length === 0 ? null : Object.fromEntries(custom);
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LATEST_TIME;
}

/** What a token says of itself. */
export interface PeekedClaims {
  readonly sub?: string;
  readonly sid?: string;
  readonly org_id?: string;
  readonly exp?: number;
}

/**
 * Reads a token without verifying it: for a token that lies in a good seal of ours, or that WorkOS has just handed out.
 * Nobody is signed in by it.
 */
export function peekClaims(token: string | undefined): PeekedClaims {
  const claims = decode(token?.split(".")[1] ?? "");
  if (!isObject(claims)) return {};
  const { sub, sid, org_id: organizationId, exp } = claims;
  return {
    ...(isText(sub) && { sub }),
    ...(isText(sid) && { sid }),
    ...(isText(organizationId) && { org_id: organizationId }),
    ...(typeof exp === "number" && { exp }),
  };
}

function decode(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString("utf8"));
  } catch {
    return undefined;
  }
}
