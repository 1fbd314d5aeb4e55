import type { AuthorityContext } from "../context.ts";
import type { DirectoryOrganization } from "../directory.ts";

/** Finds the organization that an id, a slug or an external id names. An id comes first: tenants choose their slugs. */
export async function findOrganization(
  { directory }: Pick<AuthorityContext, "directory">,
  name: string,
): Promise<DirectoryOrganization | undefined> {
  return (await directory.organization(name)) ?? (await directory.organizationByName?.(name));
}
