import { describe, expect, it } from "@jest/globals";
import { memoryDirectory } from "../../../src/authority/index.ts";
import type { MemoryDirectoryInput } from "../../../src/authority/index.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import { makeDirectory } from "./set-up.ts";

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

describe("the memory directory", () => {
  it("returns users, organizations and memberships", async () => {
    const directory = makeDirectory();
    expect(await directory.user("user_ada")).toMatchObject({ name: "Ada Lovelace" });
    expect(await directory.user("__proto__")).toBeUndefined();
    expect(await directory.userByEmailAddress("BOB@EXAMPLE.COM")).toMatchObject({ id: "user_bob" });
    expect(await directory.userByEmailAddress("nobody@example.com")).toBeUndefined();
    expect(await directory.organization("org_acme")).toMatchObject({ slug: "acme" });
    expect(await directory.membership("user_bob", "org_acme")).toMatchObject({ id: "member_bob" });
    expect(await directory.membership("user_bob", "org_globex")).toBeUndefined();
    expect((await directory.memberships("user_ada")).map(({ organizationId }) => organizationId)).toEqual([
      "org_acme",
      "org_globex",
    ]);
    expect(await directory.memberships("constructor")).toEqual([]);
  });

  it("may be empty", async () => {
    expect(await memoryDirectory().memberships("user_ada")).toEqual([]);
  });

  it("copies its input and its answers", async () => {
    const roles = ["viewer"];
    const directory = memoryDirectory({
      users: [{ id: "u", emailAddress: "u@example.com" }],
      organizations: [{ id: "o", name: "O" }],
      memberships: [{ userId: "u", organizationId: "o", roles }],
    });
    roles.push("admin");
    const [given] = await directory.memberships("u");
    Reflect.set(given?.roles ?? [], 1, "admin");
    expect((await directory.membership("u", "o"))?.roles).toEqual(["viewer"]);
  });

  it.each<[string, MemoryDirectoryInput, readonly string[]]>([
    [
      "ids that name nobody",
      { memberships: [{ userId: "u", organizationId: "o", roles: [] }] },
      ["directory_unknown_id memberships[0].userId", "directory_unknown_id memberships[0].organizationId"],
    ],
    [
      "duplicates",
      {
        users: [
          { id: "u", emailAddress: "u@example.com" },
          { id: "u", emailAddress: "U@EXAMPLE.com" },
        ],
        organizations: [
          { id: "o", name: "O", slug: "a-slug" },
          { id: "o", name: "O", slug: "a-slug" },
        ],
        memberships: [
          { userId: "u", organizationId: "o", roles: [] },
          { userId: "u", organizationId: "o", roles: [], id: "m" },
        ],
      },
      [
        "directory_duplicate users[1].id",
        "directory_duplicate users[1].emailAddress",
        "directory_duplicate organizations[1].id",
        "directory_duplicate organizations[1].slug",
        "directory_duplicate memberships[1].userId",
      ],
    ],
    [
      "what is not of its kind",
      {
        users: [{ id: "", emailAddress: 7 }, null],
        organizations: "none",
        memberships: [{}],
      } as unknown as MemoryDirectoryInput,
      [
        "option_invalid users[0].id",
        "option_invalid users[0].emailAddress",
        "option_invalid users[1].id",
        "option_invalid users[1].emailAddress",
        "option_invalid organizations",
        "option_invalid memberships[0].userId",
        "option_invalid memberships[0].organizationId",
      ],
    ],
    [
      "roles that are no list",
      {
        users: [{ id: "u", emailAddress: "u@example.com" }],
        organizations: [{ id: "o", name: "O" }],
        memberships: [{ userId: "u", organizationId: "o", roles: "admin" as unknown as string[] }],
      },
      ["option_invalid memberships[0].roles"],
    ],
    [
      "a list that is misspelt",
      { user: [], users: "x" } as never,
      ["option_unknown user", "option_invalid users"],
    ],
  ])("refuses %s, all at once", (_case, input, expected) => {
    expect(problemsOf(() => memoryDirectory(input))).toEqual(expected);
  });

  it("suggests the id that was meant", () => {
    const users = [{ id: "user_ada", emailAddress: "ada@example.com" }];
    const organizations = [{ id: "org_acme", name: "Acme" }];
    const memberships = [{ userId: "user_ad", organizationId: "org_acme", roles: [] }];
    expect(() => memoryDirectory({ users, organizations, memberships })).toThrow('Did you mean "user_ada"?');
  });

  it("changes while it is in use, and announces the changes", async () => {
    const directory = makeDirectory();
    const told: unknown[] = [];
    const stop = directory.onChanged((change) => told.push(change));
    directory.setRoles("user_bob", "org_acme", ["viewer"]);
    expect(await directory.membership("user_bob", "org_acme")).toMatchObject({ roles: ["viewer"] });
    directory.removeMembership("user_ada", "org_acme");
    directory.removeMembership("user_ada", "org_acme");
    directory.removeUser("user_nora");
    directory.removeOrganization("org_globex");
    expect(told).toEqual([
      { memberId: "member_bob" },
      { memberId: "user_ada:org_acme" },
      { userId: "user_nora" },
      { organizationId: "org_globex" },
    ]);
    expect(await directory.memberships("user_ada")).toEqual([]);
    stop();
    directory.removeUser("user_bob");
    expect(told).toHaveLength(4);
    expect(await directory.memberships("user_bob")).toEqual([]);
  });

  it("adds all of an input, or nothing", async () => {
    const directory = makeDirectory();
    directory.addUser({ id: "user_new", emailAddress: "new@example.com" });
    directory.addOrganization({ id: "org_new", name: "New" });
    await directory.addMembership({ userId: "user_new", organizationId: "org_new", roles: ["admin"] });
    expect(await directory.membership("user_new", "org_new")).toMatchObject({ roles: ["admin"] });
    expect(
      problemsOf(() => directory.addUser({ id: "user_ada", emailAddress: "x@example.com" })),
    ).toHaveLength(1);
    expect(await directory.userByEmailAddress("x@example.com")).toBeUndefined();
    expect(problemsOf(() => directory.setRoles("user_new", "org_acme", []))).toHaveLength(1);
    await expect(
      directory.addMembership({ userId: "user_new", organizationId: "org_new", roles: [] }),
    ).rejects.toMatchObject({ code: "configuration_invalid" });
  });
});

describe("organizationByName", () => {
  const directory = memoryDirectory({
    organizations: [
      { id: "org_a", slug: "aa", name: "A", externalId: "shared" },
      { id: "org_b", slug: "bb", name: "B", externalId: "aa" },
      { id: "org_c", name: "C", externalId: "shared" },
      { id: "org_d", name: "D", externalId: "d" },
    ],
  });

  it.each([
    ["aa", "org_a"],
    ["d", "org_d"],
    ["shared", undefined],
    ["org_a", undefined],
    ["", undefined],
  ])("finds for %j the organization %p: slugs first, and no name of several", async (name, id) => {
    expect((await directory.organizationByName?.(name))?.id).toBe(id);
  });
});
