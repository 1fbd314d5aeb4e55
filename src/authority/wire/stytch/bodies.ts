import { arrayOf, isObject, isText, objectWith } from "../../../lib/values.ts";
import type { Member, MemberSession, Organization } from "../../../model.ts";
import type { Policy, ResourceDescription } from "../../../policy/policy.ts";
import { ADMIN_ROLE } from "../../../policy/predefined-roles.ts";
import {
  type FieldReaders,
  flagField,
  freeField,
  objectField,
  objectsField,
  readEntity,
  snakeCaseMembers,
  textField,
  textsField,
  timeField,
  wordField,
} from "../entity-fields.ts";
import { listOwnClaims } from "./custom-claims.ts";
import { toSeconds, toStytchFactor } from "./factors.ts";
import { SCIM_ATTRIBUTES } from "./scim-attributes.ts";

type Body = Readonly<Record<string, unknown>>;

const text = textField("");
const nullableText = textField(null);
const nullableTime = timeField(null, toSeconds);

const MEMBER_FIELDS: FieldReaders = {
  status: wordField(new Set(["pending", "invited", "active", "deleted"]), "active"),
  name: text,
  sso_registrations: objectsField({ connection_id: text, external_id: text, registration_id: text }),
  is_breakglass: flagField,
  member_password_id: text,
  oauth_registrations: objectsField({
    provider_type: text,
    provider_subject: text,
    member_oauth_registration_id: text,
    profile_picture_url: nullableText,
    locale: nullableText,
  }),
  email_address_verified: flagField,
  mfa_phone_number_verified: flagField,
  totp_registration_id: text,
  retired_email_addresses: objectsField({ email_id: text, email_address: text }),
  is_locked: flagField,
  mfa_enrolled: flagField,
  mfa_phone_number: text,
  default_mfa_method: text,
  trusted_metadata: freeField({}),
  untrusted_metadata: freeField({}),
  created_at: nullableTime,
  updated_at: nullableTime,
  scim_registration: objectField(null, {
    connection_id: text,
    registration_id: text,
    external_id: nullableText,
    scim_attributes: objectField(null, SCIM_ATTRIBUTES),
  }),
  external_id: nullableText,
  lock_created_at: nullableTime,
  lock_expires_at: nullableTime,
};

/**
 * The settings of an organization. The value of one that the directory does not keep says what the authority does: it
 * does not provision members just in time, and allows every method of authentication.
 */
const ORGANIZATION_FIELDS: FieldReaders = {
  organization_logo_url: text,
  organization_slug: text,
  sso_jit_provisioning: textField("NOT_ALLOWED"),
  sso_jit_provisioning_allowed_connections: textsField,
  sso_active_connections: objectsField({
    connection_id: text,
    display_name: text,
    identity_provider: text,
  }),
  email_allowed_domains: textsField,
  email_jit_provisioning: textField("NOT_ALLOWED"),
  email_invites: textField("ALL_ALLOWED"),
  auth_methods: textField("ALL_ALLOWED"),
  allowed_auth_methods: textsField,
  mfa_policy: textField("OPTIONAL"),
  mfa_methods: textField("ALL_ALLOWED"),
  allowed_mfa_methods: textsField,
  rbac_email_implicit_role_assignments: objectsField({ domain: text, role_id: text }),
  oauth_tenant_jit_provisioning: textField("NOT_ALLOWED"),
  allowed_oauth_tenants: freeField({}),
  claimed_email_domains: textsField,
  first_party_connected_apps_allowed_type: textField("NOT_ALLOWED"),
  allowed_first_party_connected_apps: textsField,
  third_party_connected_apps_allowed_type: textField("NOT_ALLOWED"),
  allowed_third_party_connected_apps: textsField,
  custom_roles: objectsField({
    role_id: text,
    description: text,
    permissions: objectsField({ resource_id: text, actions: textsField }),
  }),
  trusted_metadata: freeField({}),
  created_at: nullableTime,
  updated_at: nullableTime,
  organization_external_id: nullableText,
  sso_default_connection_id: nullableText,
  scim_active_connection: objectField(null, {
    connection_id: text,
    display_name: text,
    bearer_token_last_four: text,
    bearer_token_expires_at: nullableTime,
  }),
};

/** Describes a member: what the directory keeps of the membership and the user. A field that it does not keep is empty, `null` or false. */
export function toStytchMember(member: Member, organizationId: string): Body {
  const fields = readEntity(member, MEMBER_FIELDS);
  const assignments = listAssignments(member);
  return {
    organization_id: organizationId,
    member_id: member.id,
    email_address: member.emailAddress,
    ...fields,
    email_address_verified:
      fields["email_address_verified"] === true || Reflect.get(member, "emailVerified") === true,
    is_admin: assignments.some(({ role }) => role === ADMIN_ROLE),
    roles: assignments.map(({ role, sources }) => ({ role_id: role, sources: sources.map(toSource) })),
  };
}

const DIRECT_ASSIGNMENT = { type: "direct_assignment" };

/** Lists the roles of the member with their sources. A role whose sources are unknown was assigned directly. */
function listAssignments(member: Member): readonly RoleAssignment[] {
  const given: unknown = Reflect.get(member, "roleAssignments");
  if (isAssignments(given)) return given;
  return member.roles.map((role) => ({ role, sources: [DIRECT_ASSIGNMENT] }));
}

interface RoleAssignment {
  readonly role: string;
  readonly sources: readonly object[];
}

const isAssignments = arrayOf(objectWith<RoleAssignment>({ role: isText, sources: arrayOf(isObject) }));

function toSource(source: object): Body {
  const { type, ...details } = snakeCaseMembers(source);
  return { type, details };
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

const SESSION_TIMES: FieldReaders = {
  started_at: nullableTime,
  last_accessed_at: nullableTime,
  expires_at: nullableTime,
};

/** Describes a session. */
export function toStytchMemberSession(session: MemberSession): Body {
  const claims = listOwnClaims(session.customClaims);
  return {
    member_session_id: session.id,
    member_id: session.memberId,
    organization_id: session.organizationId ?? "",
    organization_slug: session.organizationSlug ?? "",
    ...readEntity(session, SESSION_TIMES),
    authentication_factors: session.authenticationFactors.map((factor) => toStytchFactor(factor, session)),
    roles: session.roles,
    custom_claims: Object.keys(claims).length === 0 ? null : claims,
  };
}
