import type { AuthorityContext } from "../../context.ts";
import { type DirectoryOrganization, listMemberships } from "../../directory.ts";
import { organizationNotFound } from "./errors.ts";

/** The fields that an organization can be named by, in order of precedence. */
const NAMES = ["id", "slug", "externalId"] as const;

/** Tells whether an organization has this id, slug or external id. */
export function isNamed(organization: DirectoryOrganization, name: string): boolean {
  return NAMES.some((field) => organization[field] === name);
}

/**
 * Finds the id of the organization, among the user's own, that an id, a slug or an external id names.
 *
 * An id comes before a slug, and a slug before an external id. A name of two organizations names neither.
 */
export async function findOrganizationId(
  context: Pick<AuthorityContext, "directory">,
  userId: string,
  name: string,
): Promise<string> {
  const found = await findOwn(context, userId, name);
  if (found === undefined) throw organizationNotFound();
  return found;
}

/** Finds the same, or else the organization of this id, which the user may join just in time. Whether they may is decided later. */
export async function findJoinableOrganizationId(
  context: Pick<AuthorityContext, "directory">,
  userId: string,
  name: string,
): Promise<string> {
  const found = (await findOwn(context, userId, name)) ?? (await context.directory.organization(name))?.id;
  if (found === undefined) throw organizationNotFound();
  return found;
}

async function findOwn(
  { directory }: Pick<AuthorityContext, "directory">,
  userId: string,
  name: string,
): Promise<string | undefined> {
  const organizations = (await listMemberships(directory, userId)).map(({ organization }) => organization);
  const candidates = NAMES.map((field) =>
    organizations.filter((organization) => organization[field] === name),
  );
  const [found, ...others] = candidates.find(({ length }) => length > 0) ?? [];
  if (others.length > 0) throw organizationNotFound();
  return found?.id;
}
