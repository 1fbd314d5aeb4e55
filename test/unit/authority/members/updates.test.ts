import { describe, expect, it } from "@jest/globals";
import { memoryDirectory } from "../../../../src/authority/index.ts";
import type { DirectoryChange, MemoryDirectory } from "../../../../src/authority/index.ts";
import { ConfigurationError } from "../../../../src/errors.ts";

function makeDirectory(): { readonly directory: MemoryDirectory; readonly told: DirectoryChange[] } {
  const directory = memoryDirectory({
    users: [
      { id: "ada", emailAddress: "ada@acme.com", name: "Ada", locale: "en" },
      { id: "bob", emailAddress: "bob@acme.com" },
      { id: "eve", emailAddress: "eve@globex.com" },
    ],
    organizations: [
      {
        id: "acme",
        name: "Acme",
        slug: "acme",
        scimActiveConnection: { connectionId: "s1", displayName: "S" },
      },
      { id: "globex", name: "Globex", slug: "globex" },
    ],
    memberships: [
      { userId: "ada", organizationId: "acme", roles: ["viewer"], externalId: "a-1" },
      { userId: "ada", organizationId: "globex", roles: [] },
      { userId: "bob", organizationId: "acme", roles: [] },
      { userId: "eve", organizationId: "globex", roles: [] },
    ],
  });
  const told: DirectoryChange[] = [];
  directory.onChanged((change) => told.push(change));
  return { directory, told };
}

function problemsOf(make: () => unknown): readonly string[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigurationError)
      return error.problems.map(({ code, option }) => `${code} ${option}`);
    throw error;
  }
  return [];
}

describe("an update of the memory directory", () => {
  it("changes the fields that are given, removes those that are null, and is announced", async () => {
    const { directory, told } = makeDirectory();
    directory.updateUser("ada", { name: "Ada Lovelace", locale: null, plan: "pro" });
    directory.updateOrganization("acme", { mfaPolicy: "REQUIRED_FOR_ALL", slug: null });
    directory.updateMembership("ada", "acme", { isLocked: true, externalId: null });
    expect(await directory.user("ada")).toEqual({
      id: "ada",
      emailAddress: "ada@acme.com",
      name: "Ada Lovelace",
      plan: "pro",
    });
    const acme = await directory.organization("acme");
    expect(acme).toMatchObject({ name: "Acme", mfaPolicy: "REQUIRED_FOR_ALL" });
    expect(acme).not.toHaveProperty("slug");
    expect(await directory.membership("ada", "acme")).toEqual({
      userId: "ada",
      organizationId: "acme",
      roles: ["viewer"],
      isLocked: true,
    });
    expect(told).toEqual([{ userId: "ada" }, { organizationId: "acme" }, { memberId: "ada:acme" }]);
  });

  it("keeps null where it means that there is no SCIM connection", async () => {
    const { directory } = makeDirectory();
    directory.updateOrganization("acme", { scimActiveConnection: null });
    expect(await directory.organization("acme")).toMatchObject({ scimActiveConnection: null });
  });

  it.each<[string, (directory: MemoryDirectory) => void, readonly string[]]>([
    [
      "an unknown user",
      (directory) => directory.updateUser("adda", { name: "x" }),
      ["directory_unknown_id updateUser"],
    ],
    [
      "an unknown organization",
      (directory) => directory.updateOrganization("acne", { name: "x" }),
      ["directory_unknown_id updateOrganization"],
    ],
    [
      "an unknown membership",
      (directory) => directory.updateMembership("bob", "globex", { isLocked: true }),
      ['membership_unknown updateMembership("bob", "globex")'],
    ],
    ["an id", (directory) => directory.updateUser("ada", { id: "eve" }), ["option_invalid id"]],
    [
      "the organization of a membership",
      (directory) => directory.updateMembership("bob", "acme", { organizationId: "globex" }),
      ["option_invalid organizationId"],
    ],
    [
      "a misspelt field",
      (directory) => directory.updateUser("ada", { emialVerified: true }),
      ["option_unknown users[0].emialVerified"],
    ],
    [
      "an impossible value",
      (directory) => directory.updateMembership("bob", "acme", { status: "gone" as "deleted" }),
      ["option_invalid memberships[2].status"],
    ],
    [
      "a required field that is null",
      (directory) => directory.updateUser("ada", { emailAddress: null }),
      ["option_invalid users[0].emailAddress"],
    ],
    [
      "a slug that is taken",
      (directory) => directory.updateOrganization("globex", { slug: "acme" }),
      ["directory_duplicate organizations[1].slug"],
    ],
    [
      "an address that is taken",
      (directory) => directory.updateUser("ada", { emailAddress: "BOB@acme.com" }),
      ["directory_duplicate users[1].emailAddress"],
    ],
    [
      "no changes at all",
      (directory) => directory.updateUser("ada", null as never),
      ["option_invalid changes"],
    ],
  ])("refuses %s, and changes nothing", async (_case, update, expected) => {
    const { directory, told } = makeDirectory();
    const before = await directory.memberships("ada");
    expect(problemsOf(() => update(directory))).toEqual(expected);
    expect(await directory.memberships("ada")).toEqual(before);
    expect(await directory.user("ada")).toMatchObject({ name: "Ada", emailAddress: "ada@acme.com" });
    expect(told).toEqual([]);
  });

  it("refuses roles that are not in the policy, in both forms and in the organization's rules", () => {
    const { directory } = makeDirectory();
    directory.acceptRoles(new Set(["viewer", "admin"]));
    const source = { type: "email_assignment", emailDomain: "acme.com" } as const;
    expect(
      problemsOf(() =>
        directory.setRoles("bob", "acme", ["viewer", { role: "amdin", sources: [source] }, "stytch_admin"]),
      ),
    ).toEqual(['role_unknown setRoles("bob", "acme")']);
    expect(
      problemsOf(() =>
        directory.updateOrganization("acme", {
          rbacEmailImplicitRoleAssignments: [{ domain: "acme.com", roleId: "wiever" }],
        }),
      ),
    ).toEqual(["role_unknown organizations[0].rbacEmailImplicitRoleAssignments"]);
  });

  it.each([[{ role: "admin", sources: [] }], [{ role: "admin" }], [7]])(
    "refuses a role without a complete source: %j",
    (role) => {
      const { directory } = makeDirectory();
      expect(problemsOf(() => directory.setRoles("bob", "acme", [role as never]))).toEqual([
        'option_invalid setRoles("bob", "acme")',
      ]);
    },
  );
});

describe("an address that a member used before", () => {
  it("is retired in every organization of the user when the address changes", async () => {
    const { directory } = makeDirectory();
    directory.updateUser("ada", { emailAddress: "ada@lovelace.org" });
    for (const organizationId of ["acme", "globex"]) {
      const membership = await directory.membership("ada", organizationId);
      expect(membership?.retiredEmailAddresses).toEqual([
        { emailId: expect.stringMatching(/^email_[\w-]+$/), emailAddress: "ada@acme.com" },
      ]);
    }
  });

  it("is not retired when only its spelling changes", async () => {
    const { directory } = makeDirectory();
    directory.updateUser("ada", { emailAddress: "Ada@ACME.com" });
    expect(await directory.membership("ada", "acme")).not.toHaveProperty("retiredEmailAddresses");
  });

  it("cannot become another member's of the organization, until it is unlinked", async () => {
    const { directory, told } = makeDirectory();
    directory.updateUser("ada", { emailAddress: "ada@lovelace.org" });
    expect(problemsOf(() => directory.updateUser("bob", { emailAddress: "ADA@acme.com" }))).toEqual([
      "email_address_retired memberships[2].userId",
    ]);
    expect(await directory.user("bob")).toMatchObject({ emailAddress: "bob@acme.com" });
    directory.unlinkRetiredEmailAddress("ada", "acme", "ada@ACME.com");
    expect(await directory.membership("ada", "acme")).toMatchObject({ retiredEmailAddresses: [] });
    directory.updateUser("bob", { emailAddress: "ADA@acme.com" });
    expect(await directory.user("bob")).toMatchObject({ emailAddress: "ADA@acme.com" });
    expect(told).toContainEqual({ memberId: "ada:acme" });
  });

  it("keeps a new member with the address out of the organization, and of no other", async () => {
    const { directory } = makeDirectory();
    directory.addOrganization({ id: "initech", name: "Initech" });
    directory.updateUser("ada", { emailAddress: "ada@lovelace.org" });
    directory.addUser({ id: "new", emailAddress: "ada@acme.com" });
    await expect(
      directory.addMembership({ userId: "new", organizationId: "acme", roles: [] }),
    ).rejects.toThrow("used before");
    await directory.addMembership({ userId: "new", organizationId: "initech", roles: [] });
    expect(await directory.memberships("new")).toHaveLength(1);
  });

  it("is the member's own again when it comes back", async () => {
    const { directory } = makeDirectory();
    directory.updateUser("ada", { emailAddress: "ada@lovelace.org" });
    directory.updateUser("ada", { emailAddress: "ada@acme.com" });
    expect((await directory.membership("ada", "acme"))?.retiredEmailAddresses).toMatchObject([
      { emailAddress: "ada@lovelace.org" },
    ]);
  });
});
