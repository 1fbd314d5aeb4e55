import type { AuthorityContext } from "../../context.ts";
import type { DirectoryMembership, DirectoryOrganization } from "../../directory.ts";
import { organizationNotFound } from "./errors.ts";

/** A membership with its organization. */
export interface Place {
  readonly membership: DirectoryMembership;
  readonly organization: DirectoryOrganization;
}

/** The places of a user, as the directory has them now. */
export async function listPlaces({ directory }: AuthorityContext, userId: string): Promise<Place[]> {
  const memberships = await directory.memberships(userId);
  const places = await Promise.all(
    memberships.map(async (membership) => {
      const organization = await directory.organization(membership.organizationId);
      return organization === undefined ? [] : [{ membership, organization }];
    }),
  );
  return places.flat();
}

/**
 * The id of the organization that an id, a slug or an external id names, among the user's own.
 *
 * An id comes before a slug, and a slug before an external id; a name that two organizations have is nobody's.
 */
export async function findOrganizationId(
  context: AuthorityContext,
  userId: string,
  name: string,
): Promise<string> {
  const organizations = (await listPlaces(context, userId)).map(({ organization }) => organization);
  for (const key of ["id", "slug", "externalId"]) {
    const [found, ...others] = organizations.filter((organization) => organization[key] === name);
    if (found !== undefined && others.length === 0) return found.id;
    if (found !== undefined) throw organizationNotFound();
  }
  throw organizationNotFound();
}

/** Whether an organization goes by the name: its id, its slug or its external id. */
export function isNamed(organization: DirectoryOrganization, name: string): boolean {
  return [organization.id, organization.slug, organization["externalId"]].includes(name);
}
