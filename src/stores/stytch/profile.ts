import type { JsonObject } from "../../lib/json-client.ts";
import { isText } from "../../lib/values.ts";
import type { Member, Organization } from "../../model.ts";
import type { Profile } from "../../store.ts";
import {
  type KnownFields,
  type Reader,
  asBoolean,
  asListOf,
  asObject,
  asObjectOf,
  asString,
  asText,
  readKnownFields,
} from "../hosted-store.ts";

const ROLE_SOURCE = {
  /** `direct_assignment`, `email_assignment`, `sso_connection`, `sso_connection_group`, `scim_connection_group`. */
  type: asString,
  /** In Stytch's own form: `{ connection_id }`, `{ domain }`, ... */
  details: asObject,
};

/** Why a member holds a role, in Stytch's form. */
export interface StytchRoleSource extends KnownFields<typeof ROLE_SOURCE> {}

const ROLE_ASSIGNMENT = { roleId: asString, sources: asListOf<StytchRoleSource>(asObjectOf(ROLE_SOURCE)) };

/** A role that a member was given. `roles` says whether a session holds it. */
export interface StytchRoleAssignment extends KnownFields<typeof ROLE_ASSIGNMENT> {}

const SSO_REGISTRATION = {
  connectionId: asString,
  externalId: asString,
  registrationId: asString,
  /** As the identity provider gave them. */
  ssoAttributes: asObject,
};

/** A member's registration at an SSO connection. */
export interface SsoRegistration extends KnownFields<typeof SSO_REGISTRATION> {}

const OAUTH_REGISTRATION = {
  providerType: asString,
  providerSubject: asString,
  memberOauthRegistrationId: asString,
  profilePictureUrl: asString,
  locale: asString,
};

/** A member's registration at an OAuth provider. */
export interface OauthRegistration extends KnownFields<typeof OAUTH_REGISTRATION> {}

const SCIM_REGISTRATION = {
  connectionId: asString,
  registrationId: asString,
  externalId: asString,
  /** As the identity provider gave them. */
  scimAttributes: asObject,
};

/** A member's registration at a SCIM connection. */
export interface ScimRegistration extends KnownFields<typeof SCIM_REGISTRATION> {}

const asScimRegistration: Reader<ScimRegistration> = asObjectOf(SCIM_REGISTRATION);

const RETIRED_EMAIL_ADDRESS = { emailId: asString, emailAddress: asString };

/** An address that a member used before. */
export interface RetiredEmailAddress extends KnownFields<typeof RETIRED_EMAIL_ADDRESS> {}

const MEMBER = {
  emailAddress: asText,
  name: asText,
  /** `pending`, `invited`, `active`, `deleted`. */
  status: asString,
  roleAssignments: ["roles", asListOf<StytchRoleAssignment>(asObjectOf(ROLE_ASSIGNMENT))],
  emailAddressVerified: asBoolean,
  retiredEmailAddresses: asListOf<RetiredEmailAddress>(asObjectOf(RETIRED_EMAIL_ADDRESS)),
  isBreakglass: asBoolean,
  isAdmin: asBoolean,
  isLocked: asBoolean,
  lockCreatedAt: asString,
  lockExpiresAt: asString,
  memberPasswordId: asString,
  mfaEnrolled: asBoolean,
  mfaPhoneNumber: asString,
  mfaPhoneNumberVerified: asBoolean,
  /** `sms_otp` or `totp`. */
  defaultMfaMethod: asString,
  totpRegistrationId: asString,
  ssoRegistrations: asListOf<SsoRegistration>(asObjectOf(SSO_REGISTRATION)),
  oauthRegistrations: asListOf<OauthRegistration>(asObjectOf(OAUTH_REGISTRATION)),
  scimRegistration: asScimRegistration,
  externalId: asString,
  /** The application's own, as it is. */
  trustedMetadata: asObject,
  /** The member's own: every member can write it. */
  untrustedMetadata: asObject,
  createdAt: asString,
  updatedAt: asString,
} as const;

/**
 * A member in full, as Stytch knows them now. `roles` are the session's, which decide; `roleAssignments` are the member's,
 * of which a session holds those whose source it has proved.
 */
export interface StytchMember extends KnownFields<typeof MEMBER>, Member {
  readonly organizationId: string;
}

/**
 * Reads a member of an answer.
 *
 * @param roles - the session's.
 * @returns `undefined` where the member or the organization is not named.
 */
export function readMember(member: JsonObject, roles: readonly string[]): StytchMember | undefined {
  const { member_id: id, organization_id: organizationId } = member;
  if (!isText(id) || !isText(organizationId)) return undefined;
  // The wire has the plural; Stytch's reference also names the singular.
  const { sso_registration: singular, sso_registrations: registrations = singular } = member;
  return {
    id,
    organizationId,
    roles,
    ...readKnownFields({ ...member, sso_registrations: registrations }, MEMBER),
  };
}

const ACTIVE_SSO_CONNECTION = { connectionId: asString, displayName: asString, identityProvider: asString };

/** An SSO connection that is in use. */
export interface ActiveSsoConnection extends KnownFields<typeof ACTIVE_SSO_CONNECTION> {}

const ACTIVE_SCIM_CONNECTION = {
  connectionId: asString,
  displayName: asString,
  bearerTokenLastFour: asString,
  bearerTokenExpiresAt: asString,
};

/** The SCIM connection that is in use. */
export interface ActiveScimConnection extends KnownFields<typeof ACTIVE_SCIM_CONNECTION> {}

const asActiveScimConnection: Reader<ActiveScimConnection> = asObjectOf(ACTIVE_SCIM_CONNECTION);

const EMAIL_IMPLICIT_ROLE_ASSIGNMENT = { domain: asString, roleId: asString };

/** A role for every member with an address of a domain. */
export interface EmailImplicitRoleAssignment extends KnownFields<typeof EMAIL_IMPLICIT_ROLE_ASSIGNMENT> {}

const CUSTOM_ROLE = {
  roleId: asString,
  description: asString,
  permissions: asListOf(asObjectOf({ resourceId: asString, actions: asListOf(asString) })),
};

/** A role that one organization defines. */
export interface CustomRole extends KnownFields<typeof CUSTOM_ROLE> {}

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
  scimActiveConnection: asActiveScimConnection,
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
export interface StytchOrganization extends KnownFields<typeof ORGANIZATION>, Organization {}

/** A member and an organization in full, as Stytch knows them now. */
export interface StytchProfile extends Profile {
  readonly member: StytchMember;
  readonly organization?: StytchOrganization;
}

/** Reads an organization of an answer; `undefined` where it has no id. */
export function readOrganization(organization: JsonObject): StytchOrganization | undefined {
  const { organization_id: id } = organization;
  return isText(id) ? { id, ...readKnownFields(organization, ORGANIZATION) } : undefined;
}
