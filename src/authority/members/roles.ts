import { foldEmailAddress } from "../../lib/case.ts";
import { arrayOf, isObject, isString, isText, objectWith } from "../../lib/values.ts";
import type { AuthenticationFactor, RoleAssignment, RoleSource } from "../../model.ts";
import { connectionsOf } from "../rules/factor-names.ts";
import type {
  DirectorySsoRegistration,
  MembershipFields,
  OrganizationFields,
  UserFields,
} from "./objects.ts";

/** What decides which roles a member holds. */
export interface RoleGrounds {
  readonly user: UserFields & { readonly emailAddress: string };
  /** Absent for a user who acts in no organization, and so has no roles. */
  readonly membership?: MembershipFields & { readonly roles: readonly (string | RoleAssignment)[] };
  readonly organization?: OrganizationFields;
  /** Roles that the policy gives to every active member. */
  readonly memberRoles: readonly string[];
  /** How the session's user authenticated. */
  readonly factors: readonly AuthenticationFactor[];
}

/**
 * Lists the roles of a member with the sources that hold now: those of the membership, then those by the organization's rules,
 * then those of every member. A session holds the ones that {@link listHeldRoles} returns.
 */
export function listRoleAssignments(grounds: RoleGrounds): readonly RoleAssignment[] {
  const { membership } = grounds;
  if (membership === undefined) return [];
  const sources = new Map<string, RoleSource[]>();
  const add = (role: string, source: RoleSource): void => {
    const known = sources.get(role) ?? [];
    sources.set(role, known);
    if (!known.some((one) => isSameSource(one, source))) known.push(source);
  };
  for (const { role, sources: given } of membership.roles.map(toAssignment)) {
    for (const source of given) if (isInForce(source, grounds)) add(role, source);
  }
  for (const [role, source] of listImplicit(grounds)) if (isInForce(source, grounds)) add(role, source);
  if ((membership.status ?? "active") === "active") {
    for (const role of grounds.memberRoles) add(role, DIRECT);
  }
  return [...sources].map(([role, held]) => ({ role, sources: held }));
}

/**
 * Lists those of a member's roles that a session with these factors holds. A role that comes from an SSO connection, or from a
 * group of one, counts only in a session with a factor of this connection.
 */
export function listHeldRoles(
  assignments: readonly RoleAssignment[],
  factors: readonly AuthenticationFactor[],
): readonly RoleAssignment[] {
  const connections = connectionsOfSession(factors);
  return assignments.flatMap(({ role, sources }) => {
    const held = sources.filter((source) => !isOfConnection(source) || connections.has(source.connectionId));
    return held.length === 0 ? [] : [{ role, sources: held }];
  });
}

/** What each type of source names. */
const SOURCE_FIELDS: ReadonlyMap<unknown, readonly string[]> = new Map<RoleSource["type"], readonly string[]>(
  [
    ["direct_assignment", []],
    ["email_assignment", ["emailDomain"]],
    ["sso_connection", ["connectionId"]],
    ["sso_connection_group", ["connectionId", "group"]],
    ["scim_connection_group", ["connectionId", "groupId"]],
  ],
);

/** Checks that a value is the source of a role, and complete. */
export function isRoleSource(value: unknown): value is RoleSource {
  if (!isObject(value)) return false;
  return SOURCE_FIELDS.get(value["type"])?.every((name) => isText(value[name])) ?? false;
}

/** Checks that a value is a role with sources. */
export const isRoleAssignment = objectWith<RoleAssignment>({ role: isText, sources: arrayOf(isRoleSource) });

const DIRECT: RoleSource = Object.freeze({ type: "direct_assignment" });

/** Whether a role is held for no other reason than that it was assigned. */
export function isDirect({ sources }: RoleAssignment): boolean {
  return sources.length === 1 && sources[0]?.type === "direct_assignment";
}

/** Returns a role of a membership in its full form: a slug alone is assigned directly. */
export function toAssignment(role: string | RoleAssignment): RoleAssignment {
  return isString(role) ? { role, sources: [DIRECT] } : role;
}

/** Returns the slug of a role of a membership. */
export function slugOf(role: string | RoleAssignment): string {
  return isString(role) ? role : role.role;
}

function isSameSource(one: RoleSource, other: RoleSource): boolean {
  const names = Object.keys({ ...one, ...other });
  return names.every((name) => Reflect.get(one, name) === Reflect.get(other, name));
}

type ConnectionSource = Extract<RoleSource, { type: "sso_connection" | "sso_connection_group" }>;

function isOfConnection(source: RoleSource): source is ConnectionSource {
  return source.type === "sso_connection" || source.type === "sso_connection_group";
}

/** Whether the reason for a role lasts: the address is still of the domain, and the connection is still in use. */
function isInForce(source: RoleSource, { user, membership, organization }: RoleGrounds): boolean {
  switch (source.type) {
    case "direct_assignment":
      return true;
    case "email_assignment":
      return isAddressOf(source.emailDomain, user, membership);
    case "sso_connection":
    case "sso_connection_group": {
      const active = organization?.ssoActiveConnections;
      return active === undefined || namesConnection(active, source.connectionId);
    }
    case "scim_connection_group": {
      const active = organization?.scimActiveConnection;
      return active === undefined || namesConnection([active], source.connectionId);
    }
    // A source that this release does not know cannot be checked.
    default:
      return false;
  }
}

/** Whether a list has an object of a connection. A directory's own rows may hold anything: what cannot be read names none. */
function namesConnection(list: unknown, connectionId: string): boolean {
  return (
    Array.isArray(list) && list.some((one: unknown) => isObject(one) && one["connectionId"] === connectionId)
  );
}

/** Roles by the rules of the organization. */
function* listImplicit(grounds: RoleGrounds): Generator<readonly [role: string, source: RoleSource]> {
  const { user, membership, organization = {}, factors } = grounds;
  for (const { domain, roleId } of organization.rbacEmailImplicitRoleAssignments ?? []) {
    yield [roleId, { type: "email_assignment", emailDomain: domain }];
  }
  const kept: unknown = membership?.ssoRegistrations ?? user.ssoRegistrations;
  const registrations: readonly DirectorySsoRegistration[] | undefined =
    kept === undefined ? undefined : Array.isArray(kept) ? kept : [];
  const used = connectionsOfSession(factors);
  for (const { connectionId, roleId } of organization.samlConnectionImplicitRoleAssignments ?? []) {
    // An application that keeps no registrations has the session's factor to go by.
    const isMember =
      registrations === undefined ? used.has(connectionId) : namesConnection(registrations, connectionId);
    if (isMember) yield [roleId, { type: "sso_connection", connectionId }];
  }
  for (const { connectionId, group, roleId } of organization.samlGroupImplicitRoleAssignments ?? []) {
    const ofConnection = (registrations ?? []).filter((one) => namesConnection([one], connectionId));
    const isMember = ofConnection.some(({ ssoAttributes }) =>
      listNames(ssoAttributes?.["groups"]).includes(group),
    );
    if (isMember) yield [roleId, { type: "sso_connection_group", connectionId, group }];
  }
  const scim = membership?.scimRegistration ?? user.scimRegistration;
  for (const { connectionId, groupId, roleId } of organization.scimGroupImplicitRoleAssignments ?? []) {
    const isMember =
      scim?.connectionId === connectionId && listNames(scim.scimAttributes?.["groups"]).includes(groupId);
    if (isMember) yield [roleId, { type: "scim_connection_group", connectionId, groupId }];
  }
}

/** Reads the names of groups: one name, a list of names, or SCIM's list of `{ value }` (RFC 7643 section 4.1.2). */
function listNames(groups: unknown): readonly unknown[] {
  if (isString(groups)) return [groups];
  if (!Array.isArray(groups)) return [];
  return groups.map((group: unknown) => (isObject(group) ? group["value"] : group));
}

/** Whether the member's address is of a domain, and is not known to be somebody else's. */
function isAddressOf(
  domain: string,
  user: RoleGrounds["user"],
  membership: RoleGrounds["membership"],
): boolean {
  const isVerified = membership?.emailAddressVerified ?? user.emailAddressVerified ?? user.emailVerified;
  // A value that cannot be read is no confirmation.
  return (
    [undefined, true].includes(isVerified) && domainOfAddress(user.emailAddress) === foldEmailAddress(domain)
  );
}

/** Returns the domain of an address in the form in which domains are compared; nothing but letters of ASCII is folded. */
function domainOfAddress(emailAddress: string): string | undefined {
  const [, domain, ...others] = emailAddress.split("@");
  return domain === undefined || others.length > 0 ? undefined : foldEmailAddress(domain);
}

/** Lists the SSO connections that a session was authenticated by. */
function connectionsOfSession(factors: readonly AuthenticationFactor[]): ReadonlySet<string> {
  return new Set(factors.flatMap(connectionsOf));
}
