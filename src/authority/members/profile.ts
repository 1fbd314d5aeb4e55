import type { Member, Organization, RoleAssignment } from "../../model.ts";
import { ADMIN_ROLE } from "../../policy/predefined-roles.ts";
import type { Profile } from "../../store.ts";
import type { MembershipFields, OrganizationFields, UserFields } from "./objects.ts";

/** A member in full, as the directory describes them now: the user's fields, and over these the membership's. */
export interface AuthorityMember extends UserFields<string>, MembershipFields<string>, Member {
  readonly name?: string;
  /**
   * Every role that was assigned to the member, with its sources. `roles` are the session's, which decide: a role that comes from
   * an SSO connection counts only in a session of this connection.
   */
  readonly roleAssignments?: readonly RoleAssignment[];
  /** Whether the member was assigned the role `stytch_admin`. */
  readonly isAdmin?: boolean;
  /** Further fields of the application. */
  readonly [field: string]: unknown;
}

/** An organization in full, with its settings, as the directory describes it now. */
export interface AuthorityOrganization extends OrganizationFields<string>, Organization {
  readonly name: string;
  /** Further fields of the application. */
  readonly [field: string]: unknown;
}

/** The member and the organization in full, as an authority's directory describes them now. */
export interface AuthorityProfile extends Profile {
  readonly member: AuthorityMember;
  readonly organization?: AuthorityOrganization;
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Describes a member of an organization, without ids and roles.
 *
 * @param assignments - every role of the member, in any session
 */
export function describeMember(
  user: Fields,
  membership: Fields,
  assignments: readonly RoleAssignment[],
): Fields {
  const { id: _id, userId: _user, organizationId: _organization, roles: _roles, ...ofMember } = membership;
  return {
    status: "active",
    ...user,
    ...ofMember,
    isAdmin: assignments.some(({ role }) => role === ADMIN_ROLE),
    roleAssignments: assignments,
  };
}
