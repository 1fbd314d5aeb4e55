import { formatTime } from "../clock.ts";
import type { AuthenticationFactor, Impersonator, Member, MemberSession, Organization } from "../model.ts";
import type { Interpretation } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";

interface SessionClaims {
  readonly started_at: number;
  readonly last_accessed_at: number;
  readonly expires_at: number;
  readonly factors: readonly AuthenticationFactor[];
  readonly method: string;
}

/**
 * Reads the claims of an access token as orgate's model. Pure.
 *
 * @returns `undefined` for whatever is not a session of this authority, down to the type of each claim.
 */
export function interpretClaims(claims: VerifiedClaims): Interpretation | undefined {
  const { sid, auth_time: authenticatedAt, session, custom_claims: customClaims = null } = claims;
  const place = readPlace(claims);
  const impersonator = readImpersonator(claims["act"]);
  if (!isText(sid) || !isTime(authenticatedAt) || !isSession(session)) return undefined;
  if (place === undefined || impersonator === "malformed") return undefined;
  if (customClaims !== null && !isObject(customClaims)) return undefined;
  const member = readMember(claims, place);
  if (member === undefined) return undefined;
  const { organization, roles } = place;
  // Frozen as it is made: a frozen copy of what is not costs many times more.
  const memberSession = Object.freeze<MemberSession>({
    id: sid,
    memberId: member.id,
    ...(organization !== undefined && { organizationId: organization.id }),
    ...(organization?.slug !== undefined && { organizationSlug: organization.slug }),
    startedAt: formatTime(session.started_at),
    lastAccessedAt: formatTime(session.last_accessed_at),
    expiresAt: formatTime(session.expires_at),
    authenticationFactors: session.factors,
    roles,
    customClaims,
    ...(impersonator !== undefined && { impersonator }),
    authenticationMethod: session.method,
  });
  return {
    memberSession,
    member,
    ...(organization !== undefined && { organization }),
    sessionExpiresAt: session.expires_at,
    authenticatedAt,
    isFrozen: true,
  };
}

function readMember({ sub, member }: VerifiedClaims, { organization, roles }: Place): Member | undefined {
  if (!isObject(member)) return undefined;
  const { id, email, name } = member;
  if (!isText(id) || typeof email !== "string" || !isOptionalText(name)) return undefined;
  return Object.freeze<Member>({
    id,
    userId: sub,
    emailAddress: email,
    ...(name !== undefined && { name }),
    ...(organization !== undefined && { organizationId: organization.id }),
    roles,
  });
}

/** Where a session is, and as what. */
interface Place {
  readonly organization?: Organization;
  readonly roles: readonly string[];
}

const NOWHERE: Place = { roles: Object.freeze([]) };

function readPlace({ org_id: id, org, roles }: VerifiedClaims): Place | undefined {
  if (id === undefined && org === undefined && roles === undefined) return NOWHERE;
  if (!isText(id) || !isObject(org) || !isListOf(roles, (role) => typeof role === "string")) return undefined;
  const { slug, name } = org;
  if (typeof name !== "string" || !isOptionalText(slug)) return undefined;
  const organization = Object.freeze<Organization>({ id, ...(slug !== undefined && { slug }), name });
  return { organization, roles };
}

function readImpersonator(act: unknown): Impersonator | undefined | "malformed" {
  if (act === undefined) return undefined;
  if (!isObject(act)) return "malformed";
  const { sub: email, reason } = act;
  if (!isText(email) || !isOptionalText(reason)) return "malformed";
  return Object.freeze<Impersonator>({ email, ...(reason !== undefined && { reason }) });
}

function isSession(value: unknown): value is SessionClaims {
  return (
    isObject(value) &&
    isTime(value["started_at"]) &&
    isTime(value["last_accessed_at"]) &&
    isTime(value["expires_at"]) &&
    isListOf(value["factors"], isFactor) &&
    isText(value["method"])
  );
}

function isFactor(value: unknown): value is AuthenticationFactor {
  return isObject(value) && isText(value["type"]);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function isOptionalText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === "string";
}

/** What RFC 3339 can write: later than this, a date throws instead of being formatted. */
const LATEST_TIME = 253_402_300_799;

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= LATEST_TIME;
}

function isListOf<Item>(value: unknown, isItem: (item: unknown) => item is Item): value is readonly Item[] {
  return Array.isArray(value) && value.every((item) => isItem(item));
}
