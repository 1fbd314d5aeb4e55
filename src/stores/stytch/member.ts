import type { JsonObject } from "../../lib/json-body.ts";
import { isText } from "../../lib/predicates.ts";
import type { Member } from "../../model.ts";
import {
  type ReadFields,
  asBoolean as flag,
  asListOf as listOf,
  asObject as data,
  asObjectOf as objectOf,
  asString as text,
  readFields,
} from "../read-fields.ts";

/** Why a member holds a role. */
export interface RoleSource {
  /** `direct_assignment`, `email_assignment`, `sso_connection`, `sso_connection_group`, `scim_connection_group`. */
  readonly type?: string;
  /** Stytch's own form: `{ connection_id }`, `{ domain }`, ... */
  readonly details?: JsonObject;
}

/** A role that a member was given. Whether a session holds it, `roles` says. */
export interface RoleAssignment {
  readonly roleId?: string;
  readonly sources?: readonly RoleSource[];
}

/** A member's registration at an SSO connection. */
export interface SsoRegistration {
  readonly connectionId?: string;
  readonly externalId?: string;
  readonly registrationId?: string;
  /** As the identity provider gave them. */
  readonly ssoAttributes?: JsonObject;
}

/** A member's registration at an OAuth provider. */
export interface OauthRegistration {
  readonly providerType?: string;
  readonly providerSubject?: string;
  readonly memberOauthRegistrationId?: string;
  readonly profilePictureUrl?: string;
  readonly locale?: string;
}

/** A member's registration at a SCIM connection. */
export interface ScimRegistration {
  readonly connectionId?: string;
  readonly registrationId?: string;
  readonly externalId?: string;
  /** As the identity provider gave them. */
  readonly scimAttributes?: JsonObject;
}

/** An address that a member used before. */
export interface RetiredEmailAddress {
  readonly emailId?: string;
  readonly emailAddress?: string;
}

/**
 * A member in full, as Stytch knows them now. `roles` are the session's, which decide; `roleAssignments` are the member's,
 * of which a session holds those whose source it has proved.
 */
export interface StytchMember extends Member {
  readonly organizationId: string;
  /** `pending`, `invited`, `active`, `deleted`. */
  readonly status?: string;
  readonly roleAssignments?: readonly RoleAssignment[];
  readonly emailAddressVerified?: boolean;
  readonly retiredEmailAddresses?: readonly RetiredEmailAddress[];
  readonly isBreakglass?: boolean;
  readonly isAdmin?: boolean;
  readonly isLocked?: boolean;
  readonly lockCreatedAt?: string;
  readonly lockExpiresAt?: string;
  readonly memberPasswordId?: string;
  readonly mfaEnrolled?: boolean;
  readonly mfaPhoneNumber?: string;
  readonly mfaPhoneNumberVerified?: boolean;
  /** `sms_otp` or `totp`. */
  readonly defaultMfaMethod?: string;
  readonly totpRegistrationId?: string;
  readonly ssoRegistrations?: readonly SsoRegistration[];
  readonly oauthRegistrations?: readonly OauthRegistration[];
  readonly scimRegistration?: ScimRegistration;
  readonly externalId?: string;
  /** The application's own, as it is. */
  readonly trustedMetadata?: JsonObject;
  /** The member's own: whoever signs in can write it. */
  readonly untrustedMetadata?: JsonObject;
  readonly createdAt?: string;
  readonly updatedAt?: string;
}

const ROLE_SOURCE = { type: ["type", text], details: ["details", data] } as const;

const FIELDS = {
  status: ["status", text],
  roleAssignments: [
    "roles",
    listOf(
      objectOf({ roleId: ["role_id", text], sources: ["sources", listOf(objectOf(ROLE_SOURCE))] } as const),
    ),
  ],
  emailAddressVerified: ["email_address_verified", flag],
  retiredEmailAddresses: [
    "retired_email_addresses",
    listOf(objectOf({ emailId: ["email_id", text], emailAddress: ["email_address", text] } as const)),
  ],
  isBreakglass: ["is_breakglass", flag],
  isAdmin: ["is_admin", flag],
  isLocked: ["is_locked", flag],
  lockCreatedAt: ["lock_created_at", text],
  lockExpiresAt: ["lock_expires_at", text],
  memberPasswordId: ["member_password_id", text],
  mfaEnrolled: ["mfa_enrolled", flag],
  mfaPhoneNumber: ["mfa_phone_number", text],
  mfaPhoneNumberVerified: ["mfa_phone_number_verified", flag],
  defaultMfaMethod: ["default_mfa_method", text],
  totpRegistrationId: ["totp_registration_id", text],
  ssoRegistrations: [
    "sso_registrations",
    listOf(
      objectOf({
        connectionId: ["connection_id", text],
        externalId: ["external_id", text],
        registrationId: ["registration_id", text],
        ssoAttributes: ["sso_attributes", data],
      } as const),
    ),
  ],
  oauthRegistrations: [
    "oauth_registrations",
    listOf(
      objectOf({
        providerType: ["provider_type", text],
        providerSubject: ["provider_subject", text],
        memberOauthRegistrationId: ["member_oauth_registration_id", text],
        profilePictureUrl: ["profile_picture_url", text],
        locale: ["locale", text],
      } as const),
    ),
  ],
  scimRegistration: [
    "scim_registration",
    objectOf({
      connectionId: ["connection_id", text],
      registrationId: ["registration_id", text],
      externalId: ["external_id", text],
      scimAttributes: ["scim_attributes", data],
    } as const),
  ],
  externalId: ["external_id", text],
  trustedMetadata: ["trusted_metadata", data],
  untrustedMetadata: ["untrusted_metadata", data],
  createdAt: ["created_at", text],
  updatedAt: ["updated_at", text],
} as const;

/**
 * Reads a member of an answer.
 *
 * @param roles - the session's.
 * @returns `undefined` for whatever names no member of an organization.
 */
export function readMember(member: JsonObject, roles: readonly string[]): StytchMember | undefined {
  const { member_id: id, organization_id: organizationId, email_address: emailAddress, name } = member;
  if (!isText(id) || !isText(organizationId)) return undefined;
  // The wire has the plural; Stytch's reference also names the singular.
  const { sso_registration: one, sso_registrations: many = one } = member;
  const fields: ReadFields<typeof FIELDS> = readFields({ ...member, sso_registrations: many }, FIELDS);
  return {
    id,
    organizationId,
    roles,
    ...(isText(emailAddress) && { emailAddress }),
    ...(isText(name) && { name }),
    ...fields,
  };
}
