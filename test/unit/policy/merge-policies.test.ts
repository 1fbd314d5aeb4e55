import { describe, expect, it } from "@jest/globals";
import { definePolicy } from "../../../src/policy/policy.ts";
import { mergePolicies } from "../../../src/policy/policy.ts";
import type { StytchPolicyDocument } from "../../../src/policy/policy-forms.ts";

function listed(
  roles: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>,
): StytchPolicyDocument {
  return {
    roles: Object.entries(roles).map(([role_id, resources]) => ({
      role_id,
      permissions: Object.entries(resources).map(([resource_id, actions]) => ({ resource_id, actions })),
    })),
  };
}

describe("mergePolicies", () => {
  const project = definePolicy(listed({ member: { documents: ["read"] }, admin: { documents: ["*"] } }));
  const acme = definePolicy(
    listed({ auditor: { documents: ["read"], ledger: ["read"] }, member: { wiki: ["read"] } }),
  );
  const globex = definePolicy(listed({ intern: { documents: ["read"] } }));

  it.each([
    ["documents", "read", ["member", "admin", "auditor"]],
    ["documents", "write", ["admin"]],
    ["ledger", "read", ["auditor"]],
    ["wiki", "read", ["member"]],
    ["spaceships", "read", []],
  ])("%s %s is granted by the roles of both: %j", (resource, action, roles) => {
    expect([...mergePolicies(project, acme).grantingRoles(resource, action)]).toEqual(roles);
  });

  it("counts a role that is in both once", () => {
    const merged = mergePolicies(project, project, acme);

    expect([...merged.grantingRoles("documents", "read")]).toEqual(["member", "admin", "auditor"]);
    expect([...merged.roles]).toEqual(["member", "admin", "auditor"]);
  });

  it("never lets one organization's roles into the project's policy or another organization's", () => {
    const ofAcme = mergePolicies(project, acme);
    const ofGlobex = mergePolicies(project, globex);

    expect([...ofAcme.grantingRoles("documents", "read")]).toContain("auditor");
    expect([...ofGlobex.grantingRoles("documents", "read")]).toEqual(["member", "admin", "intern"]);
    expect([...project.grantingRoles("documents", "read")]).toEqual(["member", "admin"]);
    expect([...acme.grantingRoles("documents", "read")]).toEqual(["auditor"]);
    expect([...project.roles]).toEqual(["member", "admin"]);
  });

  it("hands out the same set each time", () => {
    const merged = mergePolicies(project, acme);

    expect(merged.grantingRoles("documents", "read")).toBe(merged.grantingRoles("documents", "read"));
    expect(merged.grantingRoles("ledger", "read")).toBe(acme.grantingRoles("ledger", "read"));
  });

  it("declares what any declares, and is certain of a no only if all are", () => {
    const documents = definePolicy({ resources: { documents: ["read"] }, roles: {} });
    const billing = definePolicy({ resources: { billing: ["manage"] }, roles: {} });
    const both = mergePolicies(documents, billing);

    expect(both.declares("documents", "read")).toBe(true);
    expect(both.declares("billing", "manage")).toBe(true);
    expect(both.declares("billing", "read")).toBe(false);
    expect(mergePolicies(documents, project).declares("documents", "read")).toBe(true);
    expect(mergePolicies(documents, project).declares("wiki", "read")).toBeUndefined();
    expect(mergePolicies(project, documents).declares("wiki", "read")).toBeUndefined();
  });

  it("of nothing grants nothing", () => {
    const nothing = mergePolicies();

    expect(nothing.grantingRoles("documents", "read").size).toBe(0);
    expect(nothing.declares("documents", "read")).toBe(false);
    expect(nothing.roles.size).toBe(0);
  });
});
