import { toSnakeCase } from "../../../lib/case.ts";
import { isObject } from "../../../lib/predicates.ts";
import type { AuthenticationFactor, MemberSession, Organization } from "../../../model.ts";
import type { Policy, ResourceDescription } from "../../../policy/policy.ts";
import type { DirectoryUser } from "../../directory.ts";
import { flag, list, object, readEntity, text } from "../entity-fields.ts";
import { listOwnClaims } from "./custom-claims.ts";

type Body = Readonly<Record<string, unknown>>;

const MEMBER_FIELDS = {
  name: text(""),
  sso_registrations: list(snakeCaseKeys),
  is_breakglass: flag,
  member_password_id: text(""),
  oauth_registrations: list(snakeCaseKeys),
  email_address_verified: flag,
  mfa_phone_number_verified: flag,
  is_admin: flag,
  totp_registration_id: text(""),
  retired_email_addresses: list(snakeCaseKeys),
  is_locked: flag,
  mfa_enrolled: flag,
  mfa_phone_number: text(""),
  default_mfa_method: text(""),
  roles: list(snakeCaseKeys),
  trusted_metadata: object({}),
  untrusted_metadata: object({}),
  created_at: text(null),
  updated_at: text(null),
  scim_registration: object(null, snakeCaseKeys),
  external_id: text(null),
  lock_created_at: text(null),
  lock_expires_at: text(null),
};

/**
 * The settings of an organization. The value of one that the directory does not keep says what the authority does: it
 * provisions nobody just in time, and allows every method of authentication.
 */
const ORGANIZATION_FIELDS = {
  organization_logo_url: text(""),
  organization_slug: text(""),
  sso_jit_provisioning: text("NOT_ALLOWED"),
  sso_jit_provisioning_allowed_connections: list(snakeCaseKeys),
  sso_active_connections: list(snakeCaseKeys),
  email_allowed_domains: list(snakeCaseKeys),
  email_jit_provisioning: text("NOT_ALLOWED"),
  email_invites: text("ALL_ALLOWED"),
  auth_methods: text("ALL_ALLOWED"),
  allowed_auth_methods: list(snakeCaseKeys),
  mfa_policy: text("OPTIONAL"),
  mfa_methods: text("ALL_ALLOWED"),
  allowed_mfa_methods: list(snakeCaseKeys),
  rbac_email_implicit_role_assignments: list(snakeCaseKeys),
  oauth_tenant_jit_provisioning: text("NOT_ALLOWED"),
  allowed_oauth_tenants: object({}, snakeCaseKeys),
  claimed_email_domains: list(snakeCaseKeys),
  first_party_connected_apps_allowed_type: text("NOT_ALLOWED"),
  allowed_first_party_connected_apps: list(snakeCaseKeys),
  third_party_connected_apps_allowed_type: text("NOT_ALLOWED"),
  allowed_third_party_connected_apps: list(snakeCaseKeys),
  custom_roles: list(snakeCaseKeys),
  trusted_metadata: object({}),
  created_at: text(null),
  updated_at: text(null),
  organization_external_id: text(null),
  sso_default_connection_id: text(null),
  scim_active_connection: object(null, snakeCaseKeys),
};

/** A member, as far as the directory knows them. */
export interface MemberFacts {
  readonly memberId: string;
  readonly organizationId: string;
  readonly user: DirectoryUser;
  /** The roles that the directory has now. */
  readonly roles: readonly string[];
}

/** Describes a member. A field that the directory does not keep is empty, `null` or false. */
export function toMemberBody({ memberId, organizationId, user, roles }: MemberFacts): Body {
  const fields = readEntity(user, MEMBER_FIELDS);
  return {
    organization_id: organizationId,
    member_id: memberId,
    email_address: user.emailAddress,
    status: "active",
    ...fields,
    email_address_verified: fields["email_address_verified"] === true || user["emailVerified"] === true,
    is_admin: fields["is_admin"] === true || roles.includes("stytch_admin"),
    roles: roles.map((role) => ({ role_id: role, sources: [{ type: "direct_assignment", details: {} }] })),
  };
}

/** Describes an organization. */
export function toOrganizationBody(organization: Organization): Body {
  return {
    organization_id: organization.id,
    organization_name: organization.name ?? "",
    ...readEntity(organization, ORGANIZATION_FIELDS, "organization_"),
  };
}

/** Describes a policy; `undefined` if there is none, or none that can be written out. */
export function toPolicyBody(policy: Policy | undefined): Body | undefined {
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

/** Describes a factor, with the details that the application gave. */
export function toFactorBody(factor: AuthenticationFactor): Body {
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

/** Names of members whose own members are the application's, and keep their names. */
const FREE_FORM = /(?:attributes|metadata|details)$/i;

/** Copies a value with the names of its members in snake_case, at every depth but in what is the application's own. */
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
