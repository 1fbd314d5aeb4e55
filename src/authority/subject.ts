import { formatTime } from "../lib/clock.ts";
import type { Member, MemberSession } from "../model.ts";
import type { Profile } from "../store.ts";
import {
  type CheckedDirectory,
  type DirectoryMembership,
  type DirectoryOrganization,
  type DirectoryUser,
  membershipIdOf,
} from "./directory.ts";
import type { SessionRecord } from "./records.ts";

/** A user and, unless they act in no organization, their membership, as the directory has them now. */
export interface Subject extends Partial<OrganizationMembership> {
  readonly user: DirectoryUser;
}

/** A membership and its organization. */
export interface OrganizationMembership {
  readonly membership: DirectoryMembership;
  readonly organization: DirectoryOrganization;
}

/** Why there is no such subject. */
export type SubjectProblem = "user_removed" | "membership_removed";

/** Reads a user and, unless `organizationId` is `undefined`, their membership in the organization. */
export async function loadSubject(
  directory: CheckedDirectory,
  userId: string,
  organizationId: string | undefined,
): Promise<Subject | SubjectProblem> {
  if (organizationId === undefined) {
    const user = await directory.user(userId);
    return user === undefined ? "user_removed" : { user };
  }
  const [user, membership, organization] = await Promise.all([
    directory.user(userId),
    directory.membership(userId, organizationId),
    directory.organization(organizationId),
  ]);
  if (user === undefined) return "user_removed";
  if (membership === undefined || organization === undefined) return "membership_removed";
  return { user, membership, organization };
}

/** Lists the memberships of a user, with their organizations. */
export async function listMemberships(
  directory: CheckedDirectory,
  userId: string,
): Promise<readonly OrganizationMembership[]> {
  const memberships = await directory.memberships(userId);
  const found = await Promise.all(
    memberships.map(async (membership) => {
      const organization = await directory.organization(membership.organizationId);
      return organization === undefined ? [] : [{ membership, organization }];
    }),
  );
  return found.flat();
}

/** Returns the roles that a subject has in the session; every use of roles goes through this function. */
export function rolesOf({ membership }: Subject): readonly string[] {
  return membership?.roles ?? [];
}

/** Returns the id of the member: the membership's own or one made of its two ids; the user's id without a membership. */
export function memberIdOf({ user, membership }: Subject): string {
  return membership === undefined ? user.id : membershipIdOf(membership);
}

/** Returns the member and the organization in orgate's model, with the further fields that the directory keeps. */
export function toProfile(subject: Subject): Profile {
  const { organization } = subject;
  return { member: toMember(subject), ...(organization !== undefined && { organization }) };
}

/** Returns the session in orgate's model, with the roles that the directory has now. */
export function toMemberSession(record: SessionRecord, subject: Subject): MemberSession {
  const { organization } = subject;
  return {
    id: record.id,
    memberId: memberIdOf(subject),
    ...(organization !== undefined && { organizationId: organization.id }),
    ...(organization?.slug !== undefined && { organizationSlug: organization.slug }),
    roles: rolesOf(subject),
    startedAt: formatTime(record.startedAt),
    lastAccessedAt: formatTime(record.lastAccessedAt),
    expiresAt: formatTime(record.expiresAt),
    authenticationFactors: record.authenticationFactors,
    customClaims: record.customClaims,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
    authenticationMethod: record.authenticationMethod,
  };
}

function toMember(subject: Subject): Member {
  const { user, organization } = subject;
  return {
    ...user,
    id: memberIdOf(subject),
    userId: user.id,
    ...(organization !== undefined && { organizationId: organization.id }),
    roles: rolesOf(subject),
  };
}
