import type { JsonObject } from "../../lib/json-body.ts";
import { isText } from "../../lib/predicates.ts";
import type { Organization } from "../../model.ts";
import {
  type ReadFields,
  asListOf as listOf,
  asObject as data,
  asObjectOf as objectOf,
  asString as text,
  readFields,
} from "../read-fields.ts";

/** An SSO connection that is in use. */
export interface ActiveSsoConnection {
  readonly connectionId?: string;
  readonly displayName?: string;
  readonly identityProvider?: string;
}

/** The SCIM connection that is in use. */
export interface ActiveScimConnection {
  readonly connectionId?: string;
  readonly displayName?: string;
  readonly bearerTokenLastFour?: string;
  readonly bearerTokenExpiresAt?: string;
}

/** A role for every member with an address of a domain. */
export interface EmailImplicitRoleAssignment {
  readonly domain?: string;
  readonly roleId?: string;
}

/** A role of an organization's own. */
export interface CustomRole {
  readonly roleId?: string;
  readonly description?: string;
  readonly permissions?: readonly { readonly resourceId?: string; readonly actions?: readonly string[] }[];
}

/** An organization in full, with its settings, as Stytch knows it now. */
export interface StytchOrganization extends Organization {
  readonly logoUrl?: string;
  readonly externalId?: string;
  /** `ALL_ALLOWED`, `RESTRICTED`, `NOT_ALLOWED`. */
  readonly ssoJitProvisioning?: string;
  readonly ssoJitProvisioningAllowedConnections?: readonly string[];
  readonly ssoActiveConnections?: readonly ActiveSsoConnection[];
  readonly ssoDefaultConnectionId?: string;
  readonly scimActiveConnection?: ActiveScimConnection;
  readonly emailAllowedDomains?: readonly string[];
  /** `RESTRICTED`, `NOT_ALLOWED`. */
  readonly emailJitProvisioning?: string;
  /** `ALL_ALLOWED`, `RESTRICTED`, `NOT_ALLOWED`. */
  readonly emailInvites?: string;
  readonly claimedEmailDomains?: readonly string[];
  /** `ALL_ALLOWED`, `RESTRICTED`. */
  readonly authMethods?: string;
  readonly allowedAuthMethods?: readonly string[];
  /** `REQUIRED_FOR_ALL`, `OPTIONAL`. */
  readonly mfaPolicy?: string;
  /** `ALL_ALLOWED`, `RESTRICTED`. */
  readonly mfaMethods?: string;
  readonly allowedMfaMethods?: readonly string[];
  readonly rbacEmailImplicitRoleAssignments?: readonly EmailImplicitRoleAssignment[];
  readonly oauthTenantJitProvisioning?: string;
  /** Tenants by provider: `{ slack: [...], github: [...] }`. */
  readonly allowedOauthTenants?: JsonObject;
  readonly firstPartyConnectedAppsAllowedType?: string;
  readonly allowedFirstPartyConnectedApps?: readonly string[];
  readonly thirdPartyConnectedAppsAllowedType?: string;
  readonly allowedThirdPartyConnectedApps?: readonly string[];
  readonly customRoles?: readonly CustomRole[];
  /** The application's own, as it is. */
  readonly trustedMetadata?: JsonObject;
  readonly createdAt?: string;
  readonly updatedAt?: string;
}

const PERMISSION = { resourceId: ["resource_id", text], actions: ["actions", listOf(text)] } as const;

const FIELDS = {
  logoUrl: ["organization_logo_url", text],
  externalId: ["organization_external_id", text],
  ssoJitProvisioning: ["sso_jit_provisioning", text],
  ssoJitProvisioningAllowedConnections: ["sso_jit_provisioning_allowed_connections", listOf(text)],
  ssoActiveConnections: [
    "sso_active_connections",
    listOf(
      objectOf({
        connectionId: ["connection_id", text],
        displayName: ["display_name", text],
        identityProvider: ["identity_provider", text],
      } as const),
    ),
  ],
  ssoDefaultConnectionId: ["sso_default_connection_id", text],
  scimActiveConnection: [
    "scim_active_connection",
    objectOf({
      connectionId: ["connection_id", text],
      displayName: ["display_name", text],
      bearerTokenLastFour: ["bearer_token_last_four", text],
      bearerTokenExpiresAt: ["bearer_token_expires_at", text],
    } as const),
  ],
  emailAllowedDomains: ["email_allowed_domains", listOf(text)],
  emailJitProvisioning: ["email_jit_provisioning", text],
  emailInvites: ["email_invites", text],
  claimedEmailDomains: ["claimed_email_domains", listOf(text)],
  authMethods: ["auth_methods", text],
  allowedAuthMethods: ["allowed_auth_methods", listOf(text)],
  mfaPolicy: ["mfa_policy", text],
  mfaMethods: ["mfa_methods", text],
  allowedMfaMethods: ["allowed_mfa_methods", listOf(text)],
  rbacEmailImplicitRoleAssignments: [
    "rbac_email_implicit_role_assignments",
    listOf(objectOf({ domain: ["domain", text], roleId: ["role_id", text] } as const)),
  ],
  oauthTenantJitProvisioning: ["oauth_tenant_jit_provisioning", text],
  allowedOauthTenants: ["allowed_oauth_tenants", data],
  firstPartyConnectedAppsAllowedType: ["first_party_connected_apps_allowed_type", text],
  allowedFirstPartyConnectedApps: ["allowed_first_party_connected_apps", listOf(text)],
  thirdPartyConnectedAppsAllowedType: ["third_party_connected_apps_allowed_type", text],
  allowedThirdPartyConnectedApps: ["allowed_third_party_connected_apps", listOf(text)],
  customRoles: [
    "custom_roles",
    listOf(
      objectOf({
        roleId: ["role_id", text],
        description: ["description", text],
        permissions: ["permissions", listOf(objectOf(PERMISSION))],
      } as const),
    ),
  ],
  trustedMetadata: ["trusted_metadata", data],
  createdAt: ["created_at", text],
  updatedAt: ["updated_at", text],
} as const;

/** Reads an organization of an answer; `undefined` for whatever names none. */
export function readOrganization(organization: JsonObject): StytchOrganization | undefined {
  const { organization_id: id, organization_slug: slug, organization_name: name } = organization;
  if (!isText(id)) return undefined;
  const fields: ReadFields<typeof FIELDS> = readFields(organization, FIELDS);
  return { id, ...(isText(slug) && { slug }), ...(isText(name) && { name }), ...fields };
}
