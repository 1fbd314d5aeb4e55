import { isFiniteNumber, isObject, isString, isText, isTextList } from "../../lib/values.ts";
import type { DirectoryMembership, DirectoryOrganization, DirectoryUser } from "../directory.ts";
import type { MfaMethod } from "../members/objects.ts";
import { MFA_METHODS } from "./factor-names.ts";

/** What an organization demands of the sessions of its members. */
export interface OrganizationRules {
  /** `undefined`: every method. */
  readonly allowedAuthMethods: readonly string[] | undefined;
  readonly requiresMfa: boolean;
  readonly allowedMfaMethods: readonly MfaMethod[];
  /** In seconds; `undefined`: as long as the authority's own. */
  readonly sessionLifetime: number | undefined;
  /** The organization's single sign-on connections; `undefined` where the directory does not list them. */
  readonly connections: readonly string[] | undefined;
}

/** Who may join an organization without an invitation, and who may be invited. */
export interface JoiningRules {
  readonly emailDomains: readonly string[];
  readonly byEmailDomain: boolean;
  /** The connections that provision members; `undefined`: none. */
  readonly byConnection: readonly string[] | undefined;
  /** The tenants that provision members, by OAuth provider. */
  readonly byTenant: ReadonlyMap<string, readonly string[]>;
  readonly invites: "all" | "email_domains" | "none";
}

/** What a member's own settings say. */
export interface MemberSettings {
  readonly isBreakglass: boolean;
  readonly mfaEnrolled: boolean;
  readonly mfaPhoneNumber: string;
  readonly totpRegistrationId: string;
}

/*
 * A setting that is absent or `null` has its default. A value that is not one of the protocol's counts as the strictest: a
 * misspelt setting must not open an organization.
 */
const read = (entity: object, name: string): unknown => Reflect.get(entity, name) ?? undefined;

function readList(entity: object, name: string): readonly string[] | undefined {
  const value = read(entity, name);
  if (value === undefined) return undefined;
  return isTextList(value) ? value : [];
}

/** Reads what a list restricts to: where the setting beside it says so, or says nothing while there is a list. `undefined`: nothing. */
function readRestriction(entity: object, setting: string, list: string): readonly string[] | undefined {
  const given = read(entity, setting);
  const listed = read(entity, list);
  const isEmpty = listed === undefined || (Array.isArray(listed) && listed.length === 0);
  if (given === "ALL_ALLOWED" || (given === undefined && isEmpty)) return undefined;
  return readList(entity, list) ?? [];
}

/** Reads the rules of an organization. */
export function readOrganizationRules(organization: DirectoryOrganization): OrganizationRules {
  const mfaMethods = readRestriction(organization, "mfaMethods", "allowedMfaMethods");
  const mfaPolicy = read(organization, "mfaPolicy");
  const lifetime = read(organization, "sessionLifetime");
  return {
    allowedAuthMethods: readRestriction(organization, "authMethods", "allowedAuthMethods"),
    requiresMfa: mfaPolicy !== undefined && mfaPolicy !== "OPTIONAL",
    allowedMfaMethods: MFA_METHODS.filter((method) => mfaMethods?.includes(method) ?? true),
    sessionLifetime: isFiniteNumber(lifetime) && lifetime > 0 ? lifetime : undefined,
    connections: readConnections(organization),
  };
}

function readConnections(organization: DirectoryOrganization): readonly string[] | undefined {
  const connections = read(organization, "ssoActiveConnections");
  if (connections === undefined) return undefined;
  if (!Array.isArray(connections)) return [];
  return connections.flatMap((connection: unknown) => {
    const id = isObject(connection) ? connection["connectionId"] : connection;
    return isText(id) ? [id] : [];
  });
}

/** Reads who may join an organization. */
export function readJoiningRules(organization: DirectoryOrganization): JoiningRules {
  const invites = read(organization, "emailInvites");
  return {
    emailDomains: readList(organization, "emailAllowedDomains") ?? [],
    byEmailDomain: read(organization, "emailJitProvisioning") === "RESTRICTED",
    byConnection: readProvisioningConnections(organization),
    byTenant: readProvisioningTenants(organization),
    invites:
      invites === undefined || invites === "ALL_ALLOWED"
        ? "all"
        : invites === "RESTRICTED"
          ? "email_domains"
          : "none",
  };
}

function readProvisioningConnections(organization: DirectoryOrganization): readonly string[] | undefined {
  const active = readConnections(organization);
  switch (read(organization, "ssoJitProvisioning")) {
    // Anybody's connection would do if the organization did not list its own.
    case "ALL_ALLOWED":
      return active ?? [];
    case "RESTRICTED": {
      const allowed = readList(organization, "ssoJitProvisioningAllowedConnections") ?? [];
      return active === undefined ? allowed : allowed.filter((connection) => active.includes(connection));
    }
    default:
      return undefined;
  }
}

function readProvisioningTenants(
  organization: DirectoryOrganization,
): ReadonlyMap<string, readonly string[]> {
  const tenants = read(organization, "allowedOauthTenants");
  if (read(organization, "oauthTenantJitProvisioning") !== "RESTRICTED" || !isObject(tenants))
    return new Map();
  return new Map(Object.entries(tenants).map(([provider, ids]) => [provider, isTextList(ids) ? ids : []]));
}

type Person = DirectoryUser | DirectoryMembership | undefined;

/** Reads a setting of a member: what the membership says, else what the user says. */
function ofMember(user: DirectoryUser, membership: Person, name: string): unknown {
  return (membership && read(membership, name)) ?? read(user, name);
}

/** Reads a member's own settings. */
export function readMemberSettings(
  user: DirectoryUser,
  membership: DirectoryMembership | undefined,
): MemberSettings {
  const text = (name: string): string => {
    const value = ofMember(user, membership, name);
    return isString(value) ? value : "";
  };
  return {
    isBreakglass: ofMember(user, membership, "isBreakglass") === true,
    mfaEnrolled: ofMember(user, membership, "mfaEnrolled") === true,
    mfaPhoneNumber: text("mfaPhoneNumber"),
    totpRegistrationId: text("totpRegistrationId"),
  };
}

/** Tells whether a member is locked out now. A lock without a readable end does not end by itself. */
export function isLockedOut(
  user: DirectoryUser,
  membership: DirectoryMembership | undefined,
  now: number,
): boolean {
  const isLocked = ofMember(user, membership, "isLocked") ?? false;
  if (isLocked === false) return false;
  const end = ofMember(user, membership, "lockExpiresAt");
  return !(isString(end) && now >= Date.parse(end) / 1000);
}

/** Tells whether a member is active: by the membership's status, else by the user's. */
export function isActiveMember(user: DirectoryUser, membership: DirectoryMembership | undefined): boolean {
  return (ofMember(user, membership, "status") ?? "active") === "active";
}

/** Tells whether a user who was asked to join has yet to do so. */
export function isAwaited(user: DirectoryUser): boolean {
  const status = read(user, "status");
  return status === "invited" || status === "pending";
}

/** Tells whether a membership is in force. Without a status, the directory lists only those that are. */
export function isActiveMembership(membership: DirectoryMembership): boolean {
  return (read(membership, "status") ?? "active") === "active";
}

/** Tells whether the directory says that the user's address was verified. */
export function isAddressVerified(user: DirectoryUser): boolean {
  return read(user, "emailVerified") === true || read(user, "emailAddressVerified") === true;
}
