import type { AuthenticationFactor, MemberSession } from "../../../model.ts";
import type { Policy, ResourceDescription } from "../../../policy/policy.ts";
import type { DirectoryOrganization, DirectoryUser } from "../../directory.ts";
import { listOwnClaims } from "./claims.ts";

/** A member, as far as the directory says who they are. */
export interface MemberFacts {
  readonly memberId: string;
  readonly organizationId: string;
  readonly user: DirectoryUser;
  /** As the directory has them now. */
  readonly roles: readonly string[];
}

/**
 * The member, with every field of Stytch's. What the directory keeps of the user beside name and address is read in
 * camelCase (`emailAddressVerified`, `ssoRegistrations`); what it does not say is empty, or false.
 */
export function toMemberBody({
  memberId,
  organizationId,
  user,
  roles,
}: MemberFacts): Record<string, unknown> {
  return {
    organization_id: organizationId,
    member_id: memberId,
    email_address: user.emailAddress,
    status: "active",
    name: readText(user, "name"),
    sso_registrations: readList(user, "ssoRegistrations"),
    is_breakglass: readBoolean(user, "isBreakglass"),
    member_password_id: readText(user, "memberPasswordId"),
    oauth_registrations: readList(user, "oauthRegistrations"),
    email_address_verified: readBoolean(user, "emailAddressVerified") || readBoolean(user, "emailVerified"),
    mfa_phone_number_verified: readBoolean(user, "mfaPhoneNumberVerified"),
    is_admin: readBoolean(user, "isAdmin") || roles.includes("stytch_admin"),
    totp_registration_id: readText(user, "totpRegistrationId"),
    retired_email_addresses: readList(user, "retiredEmailAddresses"),
    is_locked: readBoolean(user, "isLocked"),
    mfa_enrolled: readBoolean(user, "mfaEnrolled"),
    mfa_phone_number: readText(user, "mfaPhoneNumber"),
    default_mfa_method: readText(user, "defaultMfaMethod"),
    roles: roles.map((role) => ({ role_id: role, sources: [{ type: "direct_assignment", details: {} }] })),
    trusted_metadata: readObject(user, "trustedMetadata") ?? {},
    untrusted_metadata: readObject(user, "untrustedMetadata") ?? {},
    created_at: readTextOrNull(user, "createdAt"),
    updated_at: readTextOrNull(user, "updatedAt"),
    scim_registration: readObject(user, "scimRegistration"),
    external_id: readTextOrNull(user, "externalId"),
    lock_created_at: readTextOrNull(user, "lockCreatedAt"),
    lock_expires_at: readTextOrNull(user, "lockExpiresAt"),
  };
}

/**
 * The organization, with every field of Stytch's. Settings that the directory keeps are read in camelCase (`mfaPolicy`,
 * `logoUrl`); for those that it does not keep stands what the authority does: nothing is provisioned just in time, and
 * every method of authentication is allowed.
 */
export function toOrganizationBody(organization: DirectoryOrganization): Record<string, unknown> {
  const text = (name: string, none: string | null = ""): string | null =>
    readTextOrNull(organization, name) ?? none;
  const list = (name: string): readonly unknown[] => readList(organization, name);
  const object = (name: string): unknown => readObject(organization, name);
  return {
    organization_id: organization.id,
    organization_name: organization.name,
    organization_logo_url: text("logoUrl"),
    organization_slug: text("slug"),
    sso_jit_provisioning: text("ssoJitProvisioning", "NOT_ALLOWED"),
    sso_jit_provisioning_allowed_connections: list("ssoJitProvisioningAllowedConnections"),
    sso_active_connections: list("ssoActiveConnections"),
    email_allowed_domains: list("emailAllowedDomains"),
    email_jit_provisioning: text("emailJitProvisioning", "NOT_ALLOWED"),
    email_invites: text("emailInvites", "ALL_ALLOWED"),
    auth_methods: text("authMethods", "ALL_ALLOWED"),
    allowed_auth_methods: list("allowedAuthMethods"),
    mfa_policy: text("mfaPolicy", "OPTIONAL"),
    mfa_methods: text("mfaMethods", "ALL_ALLOWED"),
    allowed_mfa_methods: list("allowedMfaMethods"),
    rbac_email_implicit_role_assignments: list("rbacEmailImplicitRoleAssignments"),
    oauth_tenant_jit_provisioning: text("oauthTenantJitProvisioning", "NOT_ALLOWED"),
    allowed_oauth_tenants: object("allowedOauthTenants") ?? {},
    claimed_email_domains: list("claimedEmailDomains"),
    first_party_connected_apps_allowed_type: text("firstPartyConnectedAppsAllowedType", "NOT_ALLOWED"),
    allowed_first_party_connected_apps: list("allowedFirstPartyConnectedApps"),
    third_party_connected_apps_allowed_type: text("thirdPartyConnectedAppsAllowedType", "NOT_ALLOWED"),
    allowed_third_party_connected_apps: list("allowedThirdPartyConnectedApps"),
    custom_roles: list("customRoles"),
    trusted_metadata: object("trustedMetadata") ?? {},
    created_at: text("createdAt", null),
    updated_at: text("updatedAt", null),
    organization_external_id: text("externalId", null),
    sso_default_connection_id: text("ssoDefaultConnectionId", null),
    scim_active_connection: object("scimActiveConnection"),
  };
}

type Body = Readonly<Record<string, unknown>>;

/** The policy in Stytch's JSON form; `undefined`: there is none, or it cannot be written out. */
export function toPolicyBody(policy: Policy | undefined): Body | undefined {
  const described = policy?.describe?.();
  if (described === undefined) return undefined;
  return {
    roles: described.roles.map(({ role, permissions }) => ({
      role_id: role,
      description: "",
      permissions: permissions.map(toPermissionBody),
    })),
    resources: (described.resources ?? []).map((resource) => ({
      ...toPermissionBody(resource),
      description: "",
    })),
    scopes: [],
  };
}

function toPermissionBody({ resource, actions }: ResourceDescription): Body {
  return { resource_id: resource, actions };
}

type SessionFields = Readonly<Record<string, unknown>>;

/** The session, in Stytch's fields. */
export function toMemberSessionBody(session: MemberSession): SessionFields {
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
export function toFactorBody(factor: AuthenticationFactor): SessionFields {
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

/** Members whose own members are the application's, and keep their names. */
const FREE_FORM = /(?:attributes|metadata|details)$/i;

/** The value with the names of its members in snake case, at every depth but in what is the application's own. */
export function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      toSnakeName(name),
      FREE_FORM.test(name) ? member : toSnakeCase(member),
    ]),
  );
}

function toSnakeName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

type Entity = Readonly<Record<string, unknown>>;

/** A further field of the directory's that is a text; otherwise an empty one. */
export function readText(entity: Entity, name: string): string {
  return readTextOrNull(entity, name) ?? "";
}

/** A further field that is a text, or `null`. */
export function readTextOrNull(entity: Entity, name: string): string | null {
  const value = entity[name];
  return typeof value === "string" ? value : null;
}

/** A further field that is `true`; everything else is `false`. */
export function readBoolean(entity: Entity, name: string): boolean {
  return entity[name] === true;
}

/** A further field that is a list, its members named as Stytch names them; otherwise an empty one. */
export function readList(entity: Entity, name: string): readonly unknown[] {
  const value = entity[name];
  return Array.isArray(value) ? value.map(toSnakeCase) : [];
}

/** A further field that is an object; the application's own names stay in metadata. */
export function readObject(entity: Entity, name: string): unknown {
  const value = entity[name];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return name.endsWith("Metadata") ? value : toSnakeCase(value);
}
