import type { Member, Organization } from "../model.ts";
import type {
  DependableDirectory,
  DirectoryMembership,
  DirectoryOrganization,
  DirectoryUser,
} from "./directory.ts";

/** A membership and its organization. */
export interface OrganizationMembership {
  readonly membership: DirectoryMembership;
  readonly organization: DirectoryOrganization;
}

/** A user, and their place in one organization, as the directory knows them now. */
export interface Subject {
  readonly user: DirectoryUser;
  /** Absent for a user who acts in no organization. */
  readonly place?: OrganizationMembership;
}

/** Why there is no such subject. */
export type SubjectProblem = "user_removed" | "membership_removed";

/** Reads a user, and their place in the organization unless it is `undefined`. */
export async function loadSubject(
  directory: DependableDirectory,
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
  return { user, place: { membership, organization } };
}

/** Lists the memberships of a user, with their organizations. */
export async function listMemberships(
  directory: DependableDirectory,
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

/** The id of the member: the membership's own, or one made of its ends; the user's where there is no membership. */
export function memberIdOf({ user, place }: Subject): string {
  return place === undefined ? user.id : idOfMembership(place.membership);
}

/** The id of a membership. */
export function idOfMembership({ id, userId, organizationId }: DirectoryMembership): string {
  return id ?? `${userId}:${organizationId}`;
}

/** The member, with the further fields that the directory keeps of the user. */
export function toFullMember(subject: Subject): Member {
  return { ...subject.user, ...toMember(subject) };
}

/** The member, in the fields that a token carries. */
export function toMember(subject: Subject): Member {
  const { user, place } = subject;
  return {
    id: memberIdOf(subject),
    userId: user.id,
    ...(place !== undefined && { organizationId: place.organization.id }),
    roles: place?.membership.roles ?? [],
    emailAddress: user.emailAddress,
    ...(typeof user.name === "string" && { name: user.name }),
  };
}

/** The organization, with the further fields that the directory keeps. */
export function toFullOrganization({ place }: Subject): Organization | undefined {
  return place === undefined ? undefined : { ...place.organization };
}
