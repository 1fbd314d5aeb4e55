import { describe, expect, it } from "@jest/globals";
import type { ConfigurationProblem } from "../../../src/errors.ts";
import { definePolicy } from "../../../src/policy/policy.ts";

/** What `definePolicy` says against a definition that TypeScript would not let through. */
function problemsOf(definition: unknown): readonly ConfigurationProblem[] {
  try {
    definePolicy(definition as Parameters<typeof definePolicy>[0]);
  } catch (error) {
    return (error as { problems: readonly ConfigurationProblem[] }).problems;
  }
  return [];
}

const RESOURCES = { documents: ["read", "write"], billing: ["manage"] };

describe("a policy written in code", () => {
  const policy = definePolicy({
    resources: { documents: ["read", "write", "delete"], billing: ["manage"] },
    roles: {
      viewer: { documents: ["read"] },
      editor: { documents: ["read", "write"] },
      admin: { documents: "*", billing: ["manage"] },
      nobody: {},
    },
  });

  it.each([
    ["documents", "read", ["viewer", "editor", "admin"]],
    ["documents", "write", ["editor", "admin"]],
    ["documents", "delete", ["admin"]],
    ["billing", "manage", ["admin"]],
    ["billing", "read", []],
    ["Documents", "read", []],
    ["documents", "Read", ["admin"]],
    ["documents", "*", ["admin"]],
  ])("%s %s is granted by %j", (resource, action, roles) => {
    expect([...policy.grantingRoles(resource, action)]).toEqual(roles);
  });

  it("knows every role, also one without permissions", () => {
    expect([...policy.roles]).toEqual(["viewer", "editor", "admin", "nobody"]);
  });

  it("declares exactly what it lists", () => {
    expect(policy.declares("documents", "delete")).toBe(true);
    expect(policy.declares("documents", "manage")).toBe(false);
    expect(policy.declares("documents", "*")).toBe(false);
    expect(policy.declares("invoices", "read")).toBe(false);
  });

  it("is not changed by what happens to the definition later", () => {
    const actions = ["read"];
    const changed = definePolicy({
      resources: { documents: ["read", "write"] },
      roles: { viewer: { documents: actions as ["read"] } },
    });
    actions.push("write");

    expect(changed.grantingRoles("documents", "write").size).toBe(0);
  });

  it("passes over a permission that is undefined", () => {
    expect(problemsOf({ resources: RESOURCES, roles: { viewer: { documents: undefined } } })).toEqual([]);
  });
});

describe("mistakes in a policy written in code", () => {
  it("are told all at once, with what was probably meant", () => {
    const problems = problemsOf({
      resources: RESOURCES,
      roles: { viewer: { documents: ["raed"], biling: "*" }, admin: { documents: ["publish"], ledger: [] } },
    });

    expect(problems).toEqual([
      {
        code: "action_unknown",
        option: "policy.roles.viewer.documents",
        message: '"raed" is not a declared action of "documents".',
        suggestion: 'Did you mean "read"?',
      },
      {
        code: "resource_unknown",
        option: "policy.roles.viewer.biling",
        message: '"biling" is not a declared resource.',
        suggestion: 'Did you mean "billing"?',
      },
      {
        code: "action_unknown",
        option: "policy.roles.admin.documents",
        message: '"publish" is not a declared action of "documents".',
        suggestion: "Declare it in resources.",
      },
      {
        code: "resource_unknown",
        option: "policy.roles.admin.ledger",
        message: '"ledger" is not a declared resource.',
        suggestion: "Declare it in resources.",
      },
    ]);
  });

  it("tell how every action is written", () => {
    expect(problemsOf({ resources: RESOURCES, roles: { admin: { documents: ["*"] } } })).toEqual([
      expect.objectContaining({ code: "action_unknown", suggestion: 'Write "*" in place of the list.' }),
    ]);
  });

  it.each<[string, unknown, string, string]>([
    ["no resources", { roles: {} }, "option_missing", "policy.resources"],
    ["no roles", { resources: {} }, "option_missing", "policy.roles"],
    ["resources as a list", { resources: ["a"], roles: {} }, "option_invalid", "policy.resources"],
    ["roles as a string", { resources: {}, roles: "admin" }, "option_invalid", "policy.roles"],
    ["actions as a string", { resources: { a: "read" }, roles: {} }, "option_invalid", "policy.resources.a"],
    [
      "an action that is a number",
      { resources: { a: [1] }, roles: {} },
      "option_invalid",
      "policy.resources.a",
    ],
    ["an empty action", { resources: { a: [""] }, roles: {} }, "option_invalid", "policy.resources.a"],
    [
      "a resource without a name",
      { resources: { "": [] }, roles: {} },
      "option_invalid",
      'policy.resources.""',
    ],
    ["a wildcard resource", { resources: { "*": [] }, roles: {} }, "option_invalid", 'policy.resources."*"'],
    ["a declared wildcard", { resources: { a: ["*"] }, roles: {} }, "option_invalid", "policy.resources.a"],
    ["a role as a list", { resources: {}, roles: { admin: [] } }, "option_invalid", "policy.roles.admin"],
    ["a role without a name", { resources: {}, roles: { "": {} } }, "option_invalid", 'policy.roles.""'],
    [
      "a permission that is true",
      { resources: { a: ["read"] }, roles: { admin: { a: true } } },
      "option_invalid",
      "policy.roles.admin.a",
    ],
    [
      "a prefix wildcard",
      { resources: { a: ["read"] }, roles: { x: { a: "read*" } } },
      "option_invalid",
      "policy.roles.x.a",
    ],
    ["an unknown member", { resources: {}, roles: {}, scopes: [] }, "option_unknown", "policy.scopes"],
  ])("%s", (_, definition, code, option) => {
    expect(problemsOf(definition)).toEqual([expect.objectContaining({ code, option })]);
  });

  it("suggest the member that was meant", () => {
    expect(problemsOf({ resources: {}, roles: {}, rolles: {} })).toEqual([
      expect.objectContaining({ option: "policy.rolles", suggestion: 'Did you mean "roles"?' }),
    ]);
  });

  it("are not held against the roles when the declaration itself is wrong", () => {
    const roles = { viewer: { documents: ["read"] } };

    expect(problemsOf({ roles })).toEqual([expect.objectContaining({ option: "policy.resources" })]);
    expect(problemsOf({ resources: { documents: "read" }, roles })).toEqual([
      expect.objectContaining({ option: "policy.resources.documents" }),
    ]);
  });
});

describe("R-39: names of Object.prototype in a policy", () => {
  const NAMES = ["__proto__", "constructor", "hasOwnProperty", "toString"];

  it("R-39: are names like any other, of roles, resources and actions", () => {
    const before = Reflect.ownKeys(Object.prototype);
    for (const name of NAMES) {
      const policy = definePolicy({
        resources: { [name]: [name], documents: ["read"] },
        roles: { [name]: { [name]: [name] }, viewer: { documents: ["read"] } },
      });
      expect([...policy.grantingRoles(name, name)]).toEqual([name]);
      expect(policy.grantingRoles(name, "read").size).toBe(0);
      expect(policy.declares(name, name)).toBe(true);
    }
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
  });

  it.each(NAMES)("R-39: %s grants nothing that was not written down", (name) => {
    const policy = definePolicy({
      resources: { documents: ["read"] },
      roles: { viewer: { documents: ["read"] } },
    });

    expect(policy.grantingRoles(name, "read").size).toBe(0);
    expect(policy.grantingRoles("documents", name).size).toBe(0);
    expect(policy.declares(name, name)).toBe(false);
    expect(policy.roles.has(name)).toBe(false);
  });

  it("R-39: a prototype set by writing __proto__ is refused, not read and not passed over", () => {
    expect(problemsOf({ resources: { __proto__: { documents: ["read"] } }, roles: {} })).toEqual([
      expect.objectContaining({ code: "option_invalid", option: "policy.resources" }),
    ]);
    expect(problemsOf({ resources: RESOURCES, roles: { admin: { __proto__: { documents: "*" } } } })).toEqual(
      [expect.objectContaining({ code: "option_invalid", option: "policy.roles.admin" })],
    );
  });
});
