import { describe, expect, it } from "@jest/globals";
import type { AuthorityContext } from "../../../../../src/authority/context.ts";
import type { DirectoryOrganization } from "../../../../../src/authority/directory.ts";
import { memoryDirectory } from "../../../../../src/authority/index.ts";
import { findOrganizationId } from "../../../../../src/authority/wire/stytch/organization-names.ts";

function contextOf(organizations: DirectoryOrganization[], joined = organizations): AuthorityContext {
  const directory = memoryDirectory({
    users: [{ id: "u", emailAddress: "u@example.com" }],
    organizations,
    memberships: joined.map(({ id }) => ({ userId: "u", organizationId: id, roles: [] })),
  });
  return { directory } as unknown as AuthorityContext;
}

describe("findOrganizationId", () => {
  it("finds an organization by its id, its slug and its external id", async () => {
    const context = contextOf([{ id: "org_1", slug: "one", name: "One", externalId: "ext-1" }]);
    const found = await Promise.all(
      ["org_1", "one", "ext-1"].map((name) => findOrganizationId(context, "u", name)),
    );
    expect(found).toEqual(["org_1", "org_1", "org_1"]);
  });

  it("R-39: prefers an id to the slug or external id of another tenant", async () => {
    const context = contextOf([
      { id: "org_evil", slug: "org_good", name: "Evil", externalId: "good" },
      { id: "org_good", slug: "good", name: "Good" },
    ]);
    expect(await findOrganizationId(context, "u", "org_good")).toBe("org_good");
    expect(await findOrganizationId(context, "u", "good")).toBe("org_good");
  });

  it("finds nothing if two organizations share the name", async () => {
    const context = contextOf([
      { id: "org_1", name: "One", externalId: "same" },
      { id: "org_2", name: "Two", externalId: "same" },
    ]);
    await expect(findOrganizationId(context, "u", "same")).rejects.toMatchObject({ answer: { status: 404 } });
  });

  it("finds only organizations of the user", async () => {
    const organizations = [
      { id: "org_1", slug: "one", name: "One" },
      { id: "org_2", slug: "two", name: "Two" },
    ];
    const context = contextOf(organizations, organizations.slice(0, 1));
    for (const name of ["org_2", "two", "", "constructor"]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await expect(findOrganizationId(context, "u", name)).rejects.toMatchObject({ answer: { status: 404 } });
    }
  });
});
