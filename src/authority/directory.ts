/** A person, across organizations. */
export interface DirectoryUser {
  readonly id: string;
  readonly emailAddress: string;
  readonly name?: string;
  /** Further fields, carried into the full profile and the sealed session: never a secret. */
  readonly [field: string]: unknown;
}

/** An organization (tenant). */
export interface DirectoryOrganization {
  readonly id: string;
  /** Unique. Chosen by the tenant: never compare it with an id. */
  readonly slug?: string;
  readonly name: string;
  /** Further fields, carried into the full profile: never a secret. */
  readonly [field: string]: unknown;
}

/** A user's place in an organization. */
export interface DirectoryMembership {
  /** Names the member. @defaultValue `${userId}:${organizationId}` */
  readonly id?: string;
  readonly userId: string;
  readonly organizationId: string;
  /** Role slugs, as the policy names them; `[]` for none. */
  readonly roles: readonly string[];
}

/** Whom a change in the directory concerns. */
export type DirectoryChange =
  | { readonly memberId: string }
  | { readonly userId: string }
  | { readonly organizationId: string };

/**
 * Who the users, organizations and memberships are: a few methods over the application's own tables.
 *
 * Trouble is a thrown error, which becomes "unavailable"; `undefined` means that there is no such thing.
 */
export interface Directory {
  /** The user of an id. */
  user(userId: string): Promise<DirectoryUser | undefined>;
  /** The user of an e-mail address, whatever its case: for the password grant of the wire routers. */
  userByEmailAddress(emailAddress: string): Promise<DirectoryUser | undefined>;
  /** The organization of an id. */
  organization(organizationId: string): Promise<DirectoryOrganization | undefined>;
  /** The user's membership in an organization, if it is active now. */
  membership(userId: string, organizationId: string): Promise<DirectoryMembership | undefined>;
  /** All memberships of the user that are active now. */
  memberships(userId: string): Promise<readonly DirectoryMembership[]>;
  /** Makes the membership an invitation was issued for; required for `invite`. */
  addMembership?(membership: DirectoryMembership): Promise<void>;
  /**
   * Tells at once whose roles or memberships changed, so that tokens issued before are asked about instead of believed;
   * returns the way to stop. Without it, a change takes effect at the session's next renewal.
   */
  onChanged?(listener: (change: DirectoryChange) => void): () => void;
  /** Whether the password is the user's; required for the password grant of the wire routers. */
  verifyPassword?(userId: string, password: string): Promise<boolean>;
}
