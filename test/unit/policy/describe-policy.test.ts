import { describe, expect, it } from "@jest/globals";
import { definePolicy } from "../../../src/policy/policy.ts";
import { mergePolicies } from "../../../src/policy/policy.ts";
import type { Policy } from "../../../src/policy/policy.ts";

const policy = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: {
    nobody: {},
    viewer: { documents: ["read"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

describe("the description of a policy", () => {
  it("writes out what the code form says", () => {
    expect(policy.describe?.()).toEqual({
      roles: [
        { role: "nobody", permissions: [] },
        { role: "viewer", permissions: [{ resource: "documents", actions: ["read"] }] },
        {
          role: "admin",
          permissions: [
            { resource: "documents", actions: ["*"] },
            { resource: "billing", actions: ["manage"] },
          ],
        },
      ],
      resources: [
        { resource: "documents", actions: ["read", "write"] },
        { resource: "billing", actions: ["manage"] },
      ],
    });
  });

  it("writes out Stytch's form, where a wildcard stands for what it implies, without resources that it does not list", () => {
    const stytch = definePolicy({
      roles: [
        { role_id: "a", permissions: [{ resource_id: "x", actions: ["read", "*"] }] },
        { role_id: "b", permissions: [{ resource_id: "x", actions: ["read"] }] },
        { role_id: "b", permissions: [{ resource_id: "__proto__", actions: ["go"] }] },
      ],
    });
    expect(stytch.describe?.()).toEqual({
      roles: [
        { role: "a", permissions: [{ resource: "x", actions: ["*"] }] },
        {
          role: "b",
          permissions: [
            { resource: "x", actions: ["read"] },
            { resource: "__proto__", actions: ["go"] },
          ],
        },
      ],
      resources: undefined,
    });
  });

  it("adds up merged policies, and says nothing where one of them cannot", () => {
    const other = definePolicy({
      resources: { reports: ["read"] },
      roles: { viewer: { reports: ["read"] } },
    });
    const merged = mergePolicies(policy, other).describe?.();
    expect(merged?.roles.filter(({ role }) => role === "viewer")).toEqual([
      { role: "viewer", permissions: [{ resource: "documents", actions: ["read"] }] },
      { role: "viewer", permissions: [{ resource: "reports", actions: ["read"] }] },
    ]);
    expect(merged?.resources?.map(({ resource }) => resource)).toEqual(["documents", "billing", "reports"]);
    const unlisted = definePolicy({ roles: [] });
    expect(mergePolicies(policy, unlisted).describe?.().resources).toBeUndefined();
    expect(mergePolicies(unlisted, policy).describe?.().resources).toBeUndefined();
    const mute: Policy = { roles: new Set(), declares: () => false, grantingRoles: () => new Set() };
    expect(mergePolicies(policy, mute)).not.toHaveProperty("describe");
    expect(mergePolicies(mute, policy)).not.toHaveProperty("describe");
  });
});
