import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { compilePolicy } from "../../../src/policy/policy.ts";
import type { Permission } from "../../../src/policy/policy-forms.ts";

type Roles = readonly (readonly [string, readonly Permission[]])[];

function compile(roles: Roles, declared?: ReadonlyMap<string, ReadonlySet<string>>) {
  return compilePolicy({ permissions: new Map(roles), declared });
}

/** The rule itself, read off word by word. */
function grantsNaively(roles: Roles, resource: string, action: string): string[] {
  return roles
    .filter(([, permissions]) =>
      permissions.some(
        (permission) =>
          permission.resource === resource &&
          [...permission.actions].some((granted) => granted === action || granted === "*"),
      ),
    )
    .map(([role]) => role);
}

describe("compilePolicy", () => {
  it("answers what walking through all permissions answers, for any policy", () => {
    const names = ["a", "b", "read", "*", "__proto__", "constructor", "Read", ""];
    const name = fc.constantFrom(...names);
    const permission = fc.record({ resource: name, actions: fc.array(name, { maxLength: 4 }) });
    const roles = fc.uniqueArray(
      fc.tuple(fc.string({ maxLength: 3 }), fc.array(permission, { maxLength: 6 })),
      {
        selector: ([role]) => role,
        maxLength: 6,
      },
    );
    const seed = Number(process.env["SEED"] ?? 20_260_101);
    console.info(`compilePolicy: seed ${seed}`);
    fc.assert(
      fc.property(roles, (policyRoles) => {
        const policy = compile(policyRoles);
        for (const resource of names) {
          for (const action of names) {
            expect([...policy.grantingRoles(resource, action)]).toEqual(
              grantsNaively(policyRoles, resource, action),
            );
          }
        }
        expect([...policy.roles]).toEqual(policyRoles.map(([role]) => role));
      }),
      { seed, numRuns: 300 },
    );
  });

  it("lists the roles in the order of the policy, each once", () => {
    const policy = compile([
      ["viewer", [{ resource: "documents", actions: ["read", "read"] }]],
      ["admin", [{ resource: "documents", actions: ["*", "read"] }]],
      ["auditor", [{ resource: "documents", actions: ["read"] }]],
    ]);

    expect([...policy.grantingRoles("documents", "read")]).toEqual(["viewer", "admin", "auditor"]);
    expect([...policy.grantingRoles("documents", "purge")]).toEqual(["admin"]);
  });

  it("hands out the same set each time, and shares equal ones among resources", () => {
    const policy = compile([
      ["viewer", ["a", "b", "c"].map((resource) => ({ resource, actions: ["read"] }))],
      ["admin", ["c"].map((resource) => ({ resource, actions: ["write"] }))],
    ]);

    expect(policy.grantingRoles("a", "read")).toBe(policy.grantingRoles("a", "read"));
    expect(policy.grantingRoles("b", "read")).toBe(policy.grantingRoles("a", "read"));
    expect(policy.grantingRoles("c", "read")).toBe(policy.grantingRoles("a", "read"));
    expect(policy.grantingRoles("c", "write")).not.toBe(policy.grantingRoles("a", "read"));
  });

  it("keeps apart names that could run into one another", () => {
    const policy = compile([
      ["one", [{ resource: "a", actions: ['b","0'] }]],
      ["two", [{ resource: "b", actions: ["b"] }]],
      ["0,1", [{ resource: "c", actions: ["b", "0"] }]],
    ]);

    expect([...policy.grantingRoles("a", 'b","0')]).toEqual(["one"]);
    expect([...policy.grantingRoles("b", "b")]).toEqual(["two"]);
    expect([...policy.grantingRoles("c", "0")]).toEqual(["0,1"]);
    expect(policy.grantingRoles("a", "b").size).toBe(0);
  });

  it.each([
    ["a listed pair", "documents", "read", true],
    ["an unlisted action", "documents", "write", false],
    ["an unlisted resource", "billing", "read", false],
  ])("tells whether %s is declared", (_, resource, action, expected) => {
    const policy = compile([], new Map([["documents", new Set(["read"])]]));

    expect(policy.declares(resource, action)).toBe(expected);
  });

  it("cannot tell what is declared where nothing is listed", () => {
    expect(compile([]).declares("documents", "read")).toBeUndefined();
  });

  it("cannot be changed", () => {
    expect(Object.isFrozen(compile([]))).toBe(true);
  });

  it("compiles a hundred thousand resources", () => {
    const resources = Array.from({ length: 100_000 }, (_, index) => `resource_${index}`);
    const policy = compile([
      ["viewer", resources.map((resource) => ({ resource, actions: ["read"] }))],
      ["admin", resources.map((resource) => ({ resource, actions: ["*"] }))],
    ]);

    expect([...policy.grantingRoles("resource_99999", "read")]).toEqual(["viewer", "admin"]);
    expect(policy.grantingRoles("resource_100000", "read").size).toBe(0);
  });
});
