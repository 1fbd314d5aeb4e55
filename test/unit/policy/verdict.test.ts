import { describe, expect, it } from "@jest/globals";
import { definePolicy } from "../../../src/policy/policy.ts";
import {
  decideVerdict,
  deferVerdict,
  explainVerdict,
  isAuthorized,
  type PermissionQuestion,
} from "../../../src/policy/policy.ts";

const policy = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*" },
    a: { billing: ["manage"] },
  },
});

function ask(partial: Partial<PermissionQuestion>) {
  const question: PermissionQuestion = {
    policy,
    roles: [],
    organizationId: "org_acme",
    resource: "documents",
    action: "read",
    source: "local",
    ...partial,
  };
  const verdict = decideVerdict(question);
  // What the guard goes by is what the verdict says, whatever is asked here.
  expect(isAuthorized(question)).toBe(verdict.authorized);
  return verdict;
}

describe("deferVerdict", () => {
  it("decides when it is first asked, and then says the same", () => {
    let asked = 0;
    const counting = { ...policy, grantingRoles: () => ((asked += 1), new Set(["viewer"])) };
    const question = { policy: counting, roles: ["viewer"], resource: "documents", action: "read" };
    const verdict = deferVerdict({ ...question, source: "local" });
    expect(asked).toBe(0);
    expect(verdict().grantingRoles).toEqual(["viewer"]);
    expect(verdict()).toBe(verdict());
    expect([asked, Object.isFrozen(verdict())]).toEqual([1, true]);
  });
});

describe("decideVerdict", () => {
  it("names all of the held roles that grant it, in the order held", () => {
    expect(ask({ roles: ["admin", "billing-clerk", "viewer", "editor"] })).toEqual({
      authorized: true,
      grantingRoles: ["admin", "viewer", "editor"],
      resource: "documents",
      action: "read",
      organizationId: "org_acme",
      via: "role",
      source: "local",
    });
  });

  it.each([
    ["one role that grants it", ["viewer"], true, ["viewer"]],
    ["a role held twice", ["viewer", "admin", "viewer"], true, ["viewer", "admin"]],
    ["no roles", [], false, []],
    ["roles the policy does not know", ["root", "superuser"], false, []],
    ["another case of the name", ["Viewer", "ADMIN"], false, []],
    ["a part of the name", ["view", "viewers", " viewer"], false, []],
    [
      "R-39: names of Object.prototype",
      ["__proto__", "constructor", "hasOwnProperty", "toString"],
      false,
      [],
    ],
  ])("%s", (_, roles, authorized, grantingRoles) => {
    expect(ask({ roles })).toMatchObject({ authorized, grantingRoles, via: "role" });
  });

  it("names each of many roles once", () => {
    const roles = Array.from(
      { length: 200 },
      (_, index) => ["viewer", "x", "admin", "editor"][index % 4] ?? "",
    );

    expect(ask({ roles }).grantingRoles).toEqual(["viewer", "admin", "editor"]);
  });

  it("denies what no role grants", () => {
    expect(ask({ roles: ["viewer"], action: "write", source: "store" })).toEqual({
      authorized: false,
      grantingRoles: [],
      resource: "documents",
      action: "write",
      organizationId: "org_acme",
      via: "role",
      source: "store",
    });
  });

  it("leaves out an organization that was not chosen", () => {
    expect(ask({ organizationId: undefined })).not.toHaveProperty("organizationId");
  });

  it("is frozen throughout", () => {
    for (const roles of [[], ["viewer"], ["viewer", "admin"]]) {
      const verdict = ask({ roles });
      expect(Object.isFrozen(verdict)).toBe(true);
      expect(Object.isFrozen(verdict.grantingRoles)).toBe(true);
    }
  });

  it("does not hand out, or freeze, the session's own list of roles", () => {
    const roles = ["viewer"];

    expect(ask({ roles }).grantingRoles).not.toBe(roles);
    expect(Object.isFrozen(roles)).toBe(false);
  });
});

describe("permission slugs", () => {
  it("grant what no role grants", () => {
    expect(ask({ roles: ["stranger"], permissions: ["documents:write", "documents:read"] })).toMatchObject({
      authorized: true,
      grantingRoles: [],
      via: "permission",
    });
  });

  it("stand back behind a role", () => {
    expect(ask({ roles: ["viewer"], permissions: ["documents:read"] })).toMatchObject({
      authorized: true,
      grantingRoles: ["viewer"],
      via: "role",
    });
  });

  it("decide alone where there is no policy", () => {
    expect(ask({ policy: undefined, roles: ["admin"], permissions: ["documents:read"] })).toMatchObject({
      authorized: true,
      grantingRoles: [],
      via: "permission",
    });
    expect(ask({ policy: undefined, roles: ["admin"] })).toMatchObject({ authorized: false, via: "role" });
  });

  it.each([
    ["another action", ["documents:write"]],
    ["a wildcard", ["documents:*", "*", "*:*"]],
    ["another case", ["Documents:Read"]],
    ["a longer slug", ["documents:read:all", "my:documents:read"]],
    ["no slugs", []],
  ])("%s does not grant it", (_, permissions) => {
    expect(ask({ permissions })).toMatchObject({ authorized: false, via: "role" });
  });
});

describe("lists that are not lists", () => {
  it.each<[string, unknown]>([
    ["a string that is a role", "admin"],
    ["a string that holds a role", "viewer,admin"],
    ["a string whose letters are roles", "a"],
    ["an object like a list", { 0: "admin", length: 1 }],
    ["an object of roles", { admin: true }],
    ["a set", new Set(["admin"])],
    ["a list in a list", [["admin"]]],
    ["a list of objects that print as a role", [{ toString: () => "admin" }]],
    ["null", null],
    ["undefined", undefined],
    ["a number", 1],
  ])("roles as %s grant nothing", (_, value) => {
    const roles = value as readonly string[];

    expect(ask({ roles })).toMatchObject({ authorized: false, grantingRoles: [] });
    expect(ask({ roles, resource: "billing", action: "manage" })).toMatchObject({ authorized: false });
  });

  it.each<[string, unknown]>([
    ["the slug as a string", "documents:read"],
    ["a string that holds the slug", "x documents:read y"],
    ["a set", new Set(["documents:read"])],
    ["a list in a list", [["documents:read"]]],
    ["null", null],
  ])("permissions as %s grant nothing", (_, value) => {
    expect(ask({ permissions: value as readonly string[] })).toMatchObject({
      authorized: false,
      via: "role",
    });
  });
});

describe("explainVerdict", () => {
  const question = { policy, resource: "documents", action: "write" };

  it("names the roles held and those that would grant it", () => {
    const explanation = explainVerdict({ ...question, roles: ["viewer", "stranger"] });

    expect(explanation).toEqual({ held: ["viewer", "stranger"], wouldGrant: ["editor", "admin"] });
    expect(Object.isFrozen(explanation)).toBe(true);
    expect(Object.isFrozen(explanation.held)).toBe(true);
    expect(Object.isFrozen(explanation.wouldGrant)).toBe(true);
  });

  it("names none where none would, or there is no policy", () => {
    expect(explainVerdict({ ...question, roles: [], resource: "spaceships" }).wouldGrant).toEqual([]);
    expect(explainVerdict({ ...question, roles: [], policy: undefined }).wouldGrant).toEqual([]);
  });

  it("does not read a string as a list of letters", () => {
    expect(explainVerdict({ ...question, roles: "admin" as unknown as string[] }).held).toEqual([]);
  });
});

describe("an explanation", () => {
  it("says in words why each role is held", () => {
    const { sources } = explainVerdict({
      policy,
      roles: ["viewer"],
      resource: "documents",
      action: "read",
      roleAssignments: [
        {
          role: "viewer",
          sources: [{ type: "direct_assignment" }, { type: "email_assignment", emailDomain: "acme.example" }],
        },
        { role: "editor", sources: [{ type: "sso_connection", connectionId: "saml-1" }] },
        {
          role: "admin",
          sources: [
            { type: "sso_connection_group", connectionId: "saml-1", group: "staff" },
            { type: "scim_connection_group", connectionId: "scim-1", groupId: "group-1" },
          ],
        },
      ],
    });
    expect(sources).toEqual([
      "viewer, assigned directly and by the e-mail domain acme.example",
      "editor, by the SSO connection saml-1",
      "admin, by the group staff of the SSO connection saml-1 and by the group group-1 of the SCIM connection scim-1",
    ]);
  });
});
