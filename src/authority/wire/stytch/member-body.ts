import type { DirectoryUser } from "../../directory.ts";
import { readBoolean, readList, readObject, readText, readTextOrNull } from "./directory-fields.ts";

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
