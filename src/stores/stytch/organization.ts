import type { JsonObject } from "../../lib/json-body.ts";
import { isText } from "../../lib/predicates.ts";
import type { Organization } from "../../model.ts";
import {
  type ReadFields,
  asListOf,
  asObject,
  asObjectOf,
  asString,
  asText,
  readFields,
} from "../read-fields.ts";

const ACTIVE_SSO_CONNECTION = { connectionId: asString, displayName: asString, identityProvider: asString };

/** An SSO connection that is in use. */
export interface ActiveSsoConnection extends ReadFields<typeof ACTIVE_SSO_CONNECTION> {}

const ACTIVE_SCIM_CONNECTION = {
  connectionId: asString,
  displayName: asString,
  bearerTokenLastFour: asString,
  bearerTokenExpiresAt: asString,
};

/** The SCIM connection that is in use. */
export interface ActiveScimConnection extends ReadFields<typeof ACTIVE_SCIM_CONNECTION> {}

const EMAIL_IMPLICIT_ROLE_ASSIGNMENT = { domain: asString, roleId: asString };

/** A role for every member with an address of a domain. */
export interface EmailImplicitRoleAssignment extends ReadFields<typeof EMAIL_IMPLICIT_ROLE_ASSIGNMENT> {}

const CUSTOM_ROLE = {
  roleId: asString,
  description: asString,
  permissions: asListOf(asObjectOf({ resourceId: asString, actions: asListOf(asString) })),
};

/** A role that one organization defines. */
export interface CustomRole extends ReadFields<typeof CUSTOM_ROLE> {}

const ORGANIZATION = {
  slug: ["organization_slug", asText],
  name: ["organization_name", asText],
  logoUrl: ["organization_logo_url", asString],
  externalId: ["organization_external_id", asString],
  /** `ALL_ALLOWED`, `RESTRICTED`, `NOT_ALLOWED`. */
  ssoJitProvisioning: asString,
  ssoJitProvisioningAllowedConnections: asListOf(asString),
  ssoActiveConnections: asListOf<ActiveSsoConnection>(asObjectOf(ACTIVE_SSO_CONNECTION)),
  ssoDefaultConnectionId: asString,
  scimActiveConnection: asObjectOf(ACTIVE_SCIM_CONNECTION),
  emailAllowedDomains: asListOf(asString),
  /** `RESTRICTED`, `NOT_ALLOWED`. */
  emailJitProvisioning: asString,
  /** `ALL_ALLOWED`, `RESTRICTED`, `NOT_ALLOWED`. */
  emailInvites: asString,
  claimedEmailDomains: asListOf(asString),
  /** `ALL_ALLOWED`, `RESTRICTED`. */
  authMethods: asString,
  allowedAuthMethods: asListOf(asString),
  /** `REQUIRED_FOR_ALL`, `OPTIONAL`. */
  mfaPolicy: asString,
  /** `ALL_ALLOWED`, `RESTRICTED`. */
  mfaMethods: asString,
  allowedMfaMethods: asListOf(asString),
  rbacEmailImplicitRoleAssignments: asListOf<EmailImplicitRoleAssignment>(
    asObjectOf(EMAIL_IMPLICIT_ROLE_ASSIGNMENT),
  ),
  oauthTenantJitProvisioning: asString,
  /** Tenants by provider: `{ slack: [...], github: [...] }`. */
  allowedOauthTenants: asObject,
  firstPartyConnectedAppsAllowedType: asString,
  allowedFirstPartyConnectedApps: asListOf(asString),
  thirdPartyConnectedAppsAllowedType: asString,
  allowedThirdPartyConnectedApps: asListOf(asString),
  customRoles: asListOf<CustomRole>(asObjectOf(CUSTOM_ROLE)),
  /** The application's own, as it is. */
  trustedMetadata: asObject,
  createdAt: asString,
  updatedAt: asString,
} as const;

/** An organization in full, with its settings, as Stytch knows it now. */
export interface StytchOrganization extends ReadFields<typeof ORGANIZATION>, Organization {}

/** Reads an organization of an answer; `undefined` where it has no id. */
export function readOrganization(organization: JsonObject): StytchOrganization | undefined {
  const { organization_id: id } = organization;
  return isText(id) ? { id, ...readFields(organization, ORGANIZATION) } : undefined;
}
