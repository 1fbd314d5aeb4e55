import { toSnakeCase } from "../../../lib/case.ts";
import { isObject } from "../../../lib/values.ts";
import type { AuthenticationFactor, MemberSession, Organization } from "../../../model.ts";
import type { Policy, ResourceDescription } from "../../../policy/policy.ts";
import type { AuthorityMember } from "../../members/profile.ts";
import { flagField, listField, objectField, readEntity, textField } from "../read-fields.ts";
import { listOwnClaims } from "./custom-claims.ts";

type Body = Readonly<Record<string, unknown>>;

const MEMBER_FIELDS = {
  status: textField("active"),
  name: textField(""),
  sso_registrations: listField(snakeCaseKeys),
  is_breakglass: flagField,
  member_password_id: textField(""),
  oauth_registrations: listField(snakeCaseKeys),
  email_address_verified: flagField,
  mfa_phone_number_verified: flagField,
  is_admin: flagField,
  totp_registration_id: textField(""),
  retired_email_addresses: listField(snakeCaseKeys),
  is_locked: flagField,
  mfa_enrolled: flagField,
  mfa_phone_number: textField(""),
  default_mfa_method: textField(""),
  trusted_metadata: objectField({}),
  untrusted_metadata: objectField({}),
  created_at: textField(null),
  updated_at: textField(null),
  scim_registration: objectField(null, snakeCaseKeys),
  external_id: textField(null),
  lock_created_at: textField(null),
  lock_expires_at: textField(null),
};

/**
 * The settings of an organization. The value of one that the directory does not keep says what the authority does: it
 * does not provision members just in time, and allows every method of authentication.
 */
const ORGANIZATION_FIELDS = {
  organization_logo_url: textField(""),
  organization_slug: textField(""),
  sso_jit_provisioning: textField("NOT_ALLOWED"),
  sso_jit_provisioning_allowed_connections: listField(snakeCaseKeys),
  sso_active_connections: listField(snakeCaseKeys),
  email_allowed_domains: listField(snakeCaseKeys),
  email_jit_provisioning: textField("NOT_ALLOWED"),
  email_invites: textField("ALL_ALLOWED"),
  auth_methods: textField("ALL_ALLOWED"),
  allowed_auth_methods: listField(snakeCaseKeys),
  mfa_policy: textField("OPTIONAL"),
  mfa_methods: textField("ALL_ALLOWED"),
  allowed_mfa_methods: listField(snakeCaseKeys),
  rbac_email_implicit_role_assignments: listField(snakeCaseKeys),
  oauth_tenant_jit_provisioning: textField("NOT_ALLOWED"),
  allowed_oauth_tenants: objectField({}, snakeCaseKeys),
  claimed_email_domains: listField(snakeCaseKeys),
  first_party_connected_apps_allowed_type: textField("NOT_ALLOWED"),
  allowed_first_party_connected_apps: listField(snakeCaseKeys),
  third_party_connected_apps_allowed_type: textField("NOT_ALLOWED"),
  allowed_third_party_connected_apps: listField(snakeCaseKeys),
  custom_roles: listField(snakeCaseKeys),
  trusted_metadata: objectField({}),
  created_at: textField(null),
  updated_at: textField(null),
  organization_external_id: textField(null),
  sso_default_connection_id: textField(null),
  scim_active_connection: objectField(null, snakeCaseKeys),
};

/** Describes a member, with every role that was assigned. A field that the directory does not keep is empty, `null` or false. */
export function toStytchMember(member: AuthorityMember, organizationId: string): Body {
  const { roleAssignments = [] } = member;
  return {
    organization_id: organizationId,
    member_id: member.id,
    email_address: member.emailAddress,
    ...readEntity(member, MEMBER_FIELDS),
    email_address_verified: (member.emailAddressVerified ?? member.emailVerified) === true,
    roles: roleAssignments.map(({ role, sources }) => ({
      role_id: role,
      sources: sources.map(({ type, ...details }) => ({ type, details: snakeCaseMembers(details) })),
    })),
  };
}

/** Describes an organization. */
export function toStytchOrganization(organization: Organization): Body {
  return {
    organization_id: organization.id,
    organization_name: organization.name ?? "",
    ...readEntity(organization, ORGANIZATION_FIELDS, "organization_"),
  };
}

/** Describes a policy; `undefined` if there is none, or none that can be written out. */
export function toStytchPolicy(policy: Policy | undefined): Body | undefined {
  const described = policy?.describe?.();
  if (described === undefined) return undefined;
  const { roles, resources = [] } = described;
  return {
    roles: roles.map(({ role, permissions }) => ({
      role_id: role,
      description: "",
      permissions: permissions.map(toPermissionBody),
    })),
    resources: resources.map((resource) => ({ ...toPermissionBody(resource), description: "" })),
    scopes: [],
  };
}

function toPermissionBody({ resource, actions }: ResourceDescription): Body {
  return { resource_id: resource, actions };
}

/** Describes a session. */
export function toStytchMemberSession(session: MemberSession): Body {
  const claims = listOwnClaims(session.customClaims);
  return {
    member_session_id: session.id,
    member_id: session.memberId,
    organization_id: session.organizationId ?? "",
    organization_slug: session.organizationSlug ?? "",
    started_at: toSeconds(session.startedAt),
    last_accessed_at: toSeconds(session.lastAccessedAt),
    expires_at: toSeconds(session.expiresAt),
    authentication_factors: session.authenticationFactors.map(toStytchFactor),
    roles: session.roles,
    custom_claims: Object.keys(claims).length === 0 ? null : claims,
  };
}

/** Describes a factor, with the details that the application gave. */
export function toStytchFactor(factor: AuthenticationFactor): Body {
  const { type, deliveryMethod = "", lastAuthenticatedAt, createdAt, updatedAt, ...details } = factor;
  return {
    ...snakeCaseMembers(details),
    type,
    delivery_method: deliveryMethod,
    ...(lastAuthenticatedAt !== undefined && { last_authenticated_at: toSeconds(lastAuthenticatedAt) }),
    ...(createdAt !== undefined && { created_at: toSeconds(createdAt) }),
    ...(updatedAt !== undefined && { updated_at: toSeconds(updatedAt) }),
  };
}

/** Writes a time as Stytch does: without fractions of a second. */
export function toSeconds(timestamp: string | undefined): string | undefined {
  return timestamp?.replace(/\.\d+Z$/, "Z");
}

/** Names of free-form members: the application names what is below them. */
const FREE_FORM = /(?:attributes|metadata|details)$/i;

/** Copies a value with the names of its members in snake_case, at every depth except below free-form members. */
function snakeCaseKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCaseKeys);
  return isObject(value) ? snakeCaseMembers(value) : value;
}

function snakeCaseMembers(value: object): Body {
  const members = Object.entries(value).map(([name, member]) => [
    toSnakeCase(name),
    FREE_FORM.test(name) ? member : snakeCaseKeys(member),
  ]);
  return Object.fromEntries(members);
}
