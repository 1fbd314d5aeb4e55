import type { MemberSession, Organization } from "../model.ts";
import { shareRoles } from "../pipeline/share-roles.ts";
import type { Interpretation } from "../stores/session-store.ts";
import { frozenCopy } from "./frozen-copy.ts";

/**
 * What a store made of verified claims, as guards and handlers may rely on it: frozen, with every list in its place, and with
 * the organization in both of its places or in none. A store that says it is frozen is believed about the rest.
 *
 * @throws TypeError where it names nobody, or contradicts itself: who is asking cannot be known then.
 */
export function readInterpretation(given: Interpretation): Interpretation {
  const { memberSession, member, sessionExpiresAt } = given;
  if (!isName(memberSession.id) || !isName(member.id)) throw malformed("names no session or no member");
  if (sessionExpiresAt !== undefined && !Number.isFinite(sessionExpiresAt)) {
    throw malformed("ends at what is no time");
  }
  return given.isFrozen === true ? given : complete(given);
}

function complete(given: Interpretation): Interpretation {
  const { memberSession, member, permissions } = given;
  const { organization: _given, ...rest } = given;
  const organization = organizationOf(given);
  const roles = shareRoles(memberSession.roles);
  return {
    ...rest,
    memberSession: frozenCopy(amend(memberSession, lacksOf(given, roles, organization?.id))),
    member: frozenCopy(amend(member, Array.isArray(member.roles) ? {} : { roles })),
    ...(organization !== undefined && { organization: frozenCopy(organization) }),
    ...(permissions !== undefined && { permissions: frozenCopy(permissions) }),
  };
}

/** What a session lacks that every session has, whatever it holds in its place. */
function lacksOf(
  { memberSession, member }: Interpretation,
  roles: readonly string[],
  organizationId: string | undefined,
): Partial<Record<keyof MemberSession, unknown>> {
  const { authenticationFactors, customClaims } = memberSession;
  return {
    ...(!isName(memberSession.memberId) && { memberId: member.id }),
    ...(memberSession.organizationId !== organizationId && { organizationId }),
    ...(!isSameLength(memberSession.roles, roles) && { roles }),
    ...(!Array.isArray(authenticationFactors) && { authenticationFactors: [] }),
    ...(customClaims === undefined && { customClaims: null }),
  };
}

/** What lacks nothing stays what it is: it may have getters and methods, which a copy has not. */
function amend<Value extends object>(value: Value, lacks: Partial<Record<keyof Value, unknown>>): Value {
  return Object.keys(lacks).length === 0 ? value : { ...value, ...lacks };
}

function isSameLength(given: unknown, names: readonly string[]): boolean {
  return Array.isArray(given) && given.length === names.length;
}

/** The session's organization, in whichever place the store named it. Two that differ would let a tenant into another's. */
function organizationOf({ memberSession, organization }: Interpretation): Organization | undefined {
  const [id, other] = [memberSession.organizationId, organization?.id].map(nameOf);
  if (id !== undefined && other !== undefined && id !== other) throw malformed("names two organizations");
  const known = id ?? other;
  if (known === undefined) return undefined;
  return organization !== undefined && other !== undefined ? organization : { ...organization, id: known };
}

/** A name, or none: `null` and `""` are what databases and claims have in place of one. */
function nameOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw malformed("names an organization by what is no string");
  return value;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function malformed(what: string): TypeError {
  return new TypeError(`the store's interpretation ${what}`);
}
