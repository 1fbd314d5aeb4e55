import type { DirectoryOrganization } from "../../directory.ts";
import { readList, readObject, readTextOrNull } from "./directory-fields.ts";

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
