import { describe, expect, it } from "@jest/globals";
import { createAuthority, memoryDirectory } from "../../../src/authority/index.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import { definePolicy, mergePolicies } from "../../../src/policy/policy.ts";

const DOCUMENT = {
  roles: [{ role_id: "viewer", permissions: [{ resource_id: "documents", actions: ["read"] }] }],
  resources: [{ resource_id: "documents", actions: ["read"] }],
};

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

describe("Stytch's predefined roles", () => {
  const policy = definePolicy(DOCUMENT, { predefinedRoles: true });

  it("are added to a policy in Stytch's form, with Stytch's resources", () => {
    expect([...policy.roles]).toEqual(["viewer", "stytch_member", "stytch_admin"]);
    expect(policy.declares("stytch.self", "update.info.name")).toBe(true);
    expect(policy.declares("documents", "read")).toBe(true);
    expect([...policy.grantingRoles("stytch.self", "update.info.name")]).toEqual([
      "stytch_member",
      "stytch_admin",
    ]);
    expect([...policy.grantingRoles("stytch.member", "create")]).toEqual(["stytch_admin"]);
    expect([...policy.grantingRoles("documents", "read")]).toEqual(["viewer"]);
  });

  it("stay out of a policy that does not ask for them", () => {
    expect([...definePolicy(DOCUMENT).roles]).toEqual(["viewer"]);
    expect(definePolicy(DOCUMENT)).not.toHaveProperty("memberRoles");
  });

  it("leave what the policy says of one as it is", () => {
    const own = { role_id: "stytch_admin", permissions: [{ resource_id: "documents", actions: ["*"] }] };
    const edited = definePolicy({ ...DOCUMENT, roles: [...DOCUMENT.roles, own] }, { predefinedRoles: true });
    expect([...edited.grantingRoles("stytch.member", "create")]).toEqual([]);
    expect([...edited.grantingRoles("documents", "read")]).toEqual(["viewer", "stytch_admin"]);
  });

  it("survive a merge", () => {
    expect(mergePolicies(definePolicy(DOCUMENT), policy).memberRoles).toEqual(["stytch_member"]);
    expect(mergePolicies(definePolicy(DOCUMENT))).not.toHaveProperty("memberRoles");
  });

  it.each<[string, unknown, unknown, readonly string[]]>([
    [
      "another form",
      { resources: {}, roles: {} },
      { predefinedRoles: true },
      ["option_invalid predefinedRoles"],
    ],
    ["a value of another type", DOCUMENT, { predefinedRoles: "yes" }, ["option_invalid predefinedRoles"]],
    ["an option that does not exist", DOCUMENT, { predefined: true }, ["option_unknown predefined"]],
    ["options that are none", DOCUMENT, true, ["option_invalid options"]],
  ])("are refused for %s", (_case, document, options, expected) => {
    expect(problemsOf(() => definePolicy(document as never, options as never))).toEqual(expected);
  });

  it("give stytch_member to every active member, and to nobody else", async () => {
    const directory = memoryDirectory({
      users: [
        { id: "ada", emailAddress: "ada@example.com" },
        { id: "nora", emailAddress: "nora@example.com" },
      ],
      organizations: [{ id: "acme", name: "Acme" }],
      memberships: [{ userId: "ada", organizationId: "acme", roles: ["viewer"] }],
    });
    const authority = createAuthority({ issuer: "https://app.example.com", directory, policy });
    const signIn = (userId: string): ReturnType<typeof authority.authenticate> =>
      authority.authenticate({ userId, authenticationMethod: "Password" });
    const { memberSession, member } = await signIn("ada");
    expect(memberSession.roles).toEqual(["viewer", "stytch_member"]);
    expect(member.roleAssignments).toEqual(
      ["viewer", "stytch_member"].map((role) => ({ role, sources: [{ type: "direct_assignment" }] })),
    );
    expect((await signIn("nora")).memberSession.roles).toEqual([]);
    await authority.close();
  });
});
