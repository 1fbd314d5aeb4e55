/** A point in time as a directory's row holds it: an RFC 3339 timestamp, a date or time as SQL writes it, or a `Date`. */
export type DirectoryTime = string | Date;

/** Where a member's e-mail address, invitation or account stands. Only `active` members sign in. */
export type MemberStatus = "pending" | "invited" | "active" | "inactive" | "deleted";

/** A further factor that a member can be asked for. */
export type MfaMethod = "sms_otp" | "totp";

/** Who may do something: everybody, only those on a list, or nobody. */
export type AllowedType = "ALL_ALLOWED" | "RESTRICTED" | "NOT_ALLOWED";

/** A way to sign in that an organization can allow. */
export type AllowedAuthMethod =
  | "sso"
  | "magic_link"
  | "email_otp"
  | "password"
  | "google_oauth"
  | "microsoft_oauth"
  | "slack_oauth"
  | "github_oauth"
  | "hubspot_oauth";

/** Facts that the application keeps about a user, a member or an organization. */
export type Metadata = Readonly<Record<string, unknown>>;

/** A member's registration at an SSO connection. */
export interface DirectorySsoRegistration {
  readonly connectionId: string;
  /** The member's id at the identity provider. */
  readonly externalId?: string;
  readonly registrationId?: string;
  /** As the identity provider gave them. `groups`, a name or a list of names, counts for roles that come from groups. */
  readonly ssoAttributes?: Metadata;
}

/** A member's registration at an OAuth provider. */
export interface DirectoryOauthRegistration {
  /** `Google`, `Microsoft`, ... */
  readonly providerType: string;
  /** The member's id at the provider. */
  readonly providerSubject: string;
  readonly memberOauthRegistrationId?: string;
  readonly profilePictureUrl?: string;
  readonly locale?: string;
}

/** A member's registration at the SCIM connection. */
export interface DirectoryScimRegistration {
  readonly connectionId: string;
  readonly registrationId?: string;
  readonly externalId?: string;
  /**
   * As the identity provider gave them, with names in camelCase or as they are. `groups`, a list of `{ value }` with the ids of
   * groups, counts for roles that come from groups.
   */
  readonly scimAttributes?: Metadata;
}

/** An address that a member used before. No other member of the organization can use it, until it is unlinked. */
export interface DirectoryRetiredEmailAddress {
  readonly emailId: string;
  readonly emailAddress: string;
}

/**
 * What the two protocols know of a member. On a membership, a field holds in its organization and wins over the user's field
 * of the same name.
 */
export interface MemberFields<Time = DirectoryTime> {
  /** @defaultValue `active` */
  readonly status?: MemberStatus;
  /** The application's own id for the member. */
  readonly externalId?: string;
  /** Whether the organization's rules about methods of authentication do not hold for the member. */
  readonly isBreakglass?: boolean;
  /** Has no effect: whoever holds the role `stytch_admin` is an administrator, and nobody else. */
  readonly isAdmin?: boolean;
  /** Whether the member cannot sign in, until `lockExpiresAt` if that is set. */
  readonly isLocked?: boolean;
  readonly lockCreatedAt?: Time;
  readonly lockExpiresAt?: Time;
  /** Whether the address is known to be the member's. An address that is known not to be gives no roles. */
  readonly emailAddressVerified?: boolean;
  readonly retiredEmailAddresses?: readonly DirectoryRetiredEmailAddress[];
  /** Empty while the member has no password. */
  readonly memberPasswordId?: string;
  /** Whether the member is asked for a further factor, whatever the organization's `mfaPolicy`. */
  readonly mfaEnrolled?: boolean;
  /** In E.164 form: `+15555550100`; or empty. */
  readonly mfaPhoneNumber?: string;
  readonly mfaPhoneNumberVerified?: boolean;
  /** The further factor that is asked for first; or empty. */
  readonly defaultMfaMethod?: MfaMethod | "";
  /** Empty while the member has no authenticator app. */
  readonly totpRegistrationId?: string;
  readonly ssoRegistrations?: readonly DirectorySsoRegistration[];
  readonly oauthRegistrations?: readonly DirectoryOauthRegistration[];
  readonly scimRegistration?: DirectoryScimRegistration;
  /** The application's own. The member can read it and cannot write it. */
  readonly trustedMetadata?: Metadata;
  /** The member's own: every member can write it. */
  readonly untrustedMetadata?: Metadata;
  readonly createdAt?: Time;
  readonly updatedAt?: Time;
}

/** What the two protocols know of a user. */
export interface UserFields<Time = DirectoryTime> extends MemberFields<Time> {
  /** The full name. */
  readonly name?: string;
  readonly firstName?: string;
  readonly lastName?: string;
  /** The same as `emailAddressVerified`, under WorkOS's name. */
  readonly emailVerified?: boolean;
  readonly profilePictureUrl?: string;
  readonly lastSignInAt?: Time;
  /** `en-US`, ... */
  readonly locale?: string;
  /** WorkOS's metadata of a user. */
  readonly metadata?: Metadata;
}

/** What the two protocols know of a membership, beside its roles. */
export interface MembershipFields<Time = DirectoryTime> extends MemberFields<Time> {
  /** The member's name in this organization. */
  readonly name?: string;
  /** Whether an identity provider's directory makes and removes the membership. */
  readonly directoryManaged?: boolean;
  /** What the identity provider's directory says of the member. */
  readonly customAttributes?: Metadata;
}

/** An SSO connection of an organization that is in use. */
export interface DirectorySsoConnection {
  readonly connectionId: string;
  readonly displayName?: string;
  /** `okta`, `microsoft-entra`, `google-workspace`, `generic`, ... */
  readonly identityProvider?: string;
}

/** The SCIM connection of an organization that is in use. */
export interface DirectoryScimConnection<Time = DirectoryTime> {
  readonly connectionId: string;
  readonly displayName?: string;
  readonly bearerTokenLastFour?: string;
  readonly bearerTokenExpiresAt?: Time;
}

/** A role for every member with an address of a domain. */
export interface EmailRoleRule<Role extends string = string> {
  /** `example.com`: the addresses of its subdomains are not meant. */
  readonly domain: string;
  readonly roleId: Role;
}

/** A role for every member in a session with a factor of an SSO connection. */
export interface ConnectionRoleRule<Role extends string = string> {
  readonly connectionId: string;
  readonly roleId: Role;
}

/** A role for the members of a group of an SSO connection, in a session with a factor of this connection. */
export interface ConnectionGroupRoleRule<Role extends string = string> extends ConnectionRoleRule<Role> {
  /** The group's name at the identity provider. */
  readonly group: string;
}

/** A role for the members of a group of the SCIM connection. */
export interface ScimGroupRoleRule<Role extends string = string> extends ConnectionRoleRule<Role> {
  readonly groupId: string;
}

/** A role that one organization defines, in Stytch's form. */
export interface DirectoryCustomRole {
  readonly roleId: string;
  readonly description: string;
  readonly permissions: readonly { readonly resourceId: string; readonly actions: readonly string[] }[];
}

/** A domain of an organization, in WorkOS's form. */
export interface DirectoryDomain {
  readonly id?: string;
  readonly domain: string;
  readonly state?: "verified" | "failed" | "legacy_verified" | "pending" | "unverified";
  readonly verificationStrategy?: "dns" | "manual";
}

/** What the two protocols know of an organization. */
export interface OrganizationFields<Time = DirectoryTime> {
  readonly logoUrl?: string;
  /** The application's own id for the organization; the wire routers find it by this id, too. */
  readonly externalId?: string;

  /** Which methods of authentication are allowed: all, or those of `allowedAuthMethods`. @defaultValue `ALL_ALLOWED` */
  readonly authMethods?: "ALL_ALLOWED" | "RESTRICTED";
  /** With `authMethods: "RESTRICTED"`. @defaultValue `[]` */
  readonly allowedAuthMethods?: readonly AllowedAuthMethod[];
  /** Whether every member needs a further factor. @defaultValue `OPTIONAL` */
  readonly mfaPolicy?: "REQUIRED_FOR_ALL" | "OPTIONAL";
  /** Which further factors are allowed: all, or those of `allowedMfaMethods`. @defaultValue `ALL_ALLOWED` */
  readonly mfaMethods?: "ALL_ALLOWED" | "RESTRICTED";
  /** With `mfaMethods: "RESTRICTED"`. @defaultValue `[]` */
  readonly allowedMfaMethods?: readonly MfaMethod[];
  /** Seconds that a session in this organization lasts at most. @defaultValue the authority's `sessionLifetime` */
  readonly sessionLifetime?: number;

  /** Who becomes a member by an address: those of `emailAllowedDomains`, or nobody. @defaultValue `NOT_ALLOWED` */
  readonly emailJitProvisioning?: "RESTRICTED" | "NOT_ALLOWED";
  /** Whom members can invite: anybody, addresses of `emailAllowedDomains`, or nobody. @defaultValue `ALL_ALLOWED` */
  readonly emailInvites?: AllowedType;
  /** Domains, such as `example.com`. @defaultValue `[]` */
  readonly emailAllowedDomains?: readonly string[];
  /** For SDKs to read; the authority does not enforce it. */
  readonly claimedEmailDomains?: readonly string[];
  /** By which SSO connections somebody becomes a member. @defaultValue `NOT_ALLOWED` */
  readonly ssoJitProvisioning?: AllowedType;
  /** Ids of connections. With `ssoJitProvisioning: "RESTRICTED"`. @defaultValue `[]` */
  readonly ssoJitProvisioningAllowedConnections?: readonly string[];
  /** By which OAuth tenants somebody becomes a member. @defaultValue `NOT_ALLOWED` */
  readonly oauthTenantJitProvisioning?: "RESTRICTED" | "NOT_ALLOWED";
  /** Tenants by provider: `{ slack: ["T0123"], github: ["4567"] }`. @defaultValue `{}` */
  readonly allowedOauthTenants?: Readonly<Record<string, readonly string[]>>;

  /** The SSO connections in use. One that is not listed gives no roles. @defaultValue every connection counts */
  readonly ssoActiveConnections?: readonly DirectorySsoConnection[];
  readonly ssoDefaultConnectionId?: string;
  /** The SCIM connection in use; `null`: there is none, and its groups give no roles. @defaultValue every connection counts */
  readonly scimActiveConnection?: DirectoryScimConnection<Time> | null;

  /** Roles by the domain of a member's address. */
  readonly rbacEmailImplicitRoleAssignments?: readonly EmailRoleRule[];
  /** Roles by the SSO connection of a session. */
  readonly samlConnectionImplicitRoleAssignments?: readonly ConnectionRoleRule[];
  /** Roles by a group of the SSO connection of a session. */
  readonly samlGroupImplicitRoleAssignments?: readonly ConnectionGroupRoleRule[];
  /** Roles by a group of the SCIM connection. */
  readonly scimGroupImplicitRoleAssignments?: readonly ScimGroupRoleRule[];
  /** For SDKs to read; the authority decides by its own policy. */
  readonly customRoles?: readonly DirectoryCustomRole[];

  /** For SDKs to read, as the three fields below: the authority has no connected apps. */
  readonly firstPartyConnectedAppsAllowedType?: AllowedType;
  readonly allowedFirstPartyConnectedApps?: readonly string[];
  readonly thirdPartyConnectedAppsAllowedType?: AllowedType;
  readonly allowedThirdPartyConnectedApps?: readonly string[];

  /** WorkOS: whether users with addresses of other domains can be members. For SDKs to read; the authority does not enforce it. */
  readonly allowProfilesOutsideOrganization?: boolean;
  /** WorkOS's domains of the organization. */
  readonly domains?: readonly (string | DirectoryDomain)[];
  /** WorkOS's metadata of an organization. */
  readonly metadata?: Metadata;
  readonly stripeCustomerId?: string;

  /** The application's own. */
  readonly trustedMetadata?: Metadata;
  readonly createdAt?: Time;
  readonly updatedAt?: Time;
}
