import { describe, expect, it } from "@jest/globals";
import { definePolicy } from "../../../src/policy/policy.ts";
import type { StytchPolicyDocument } from "../../../src/policy/policy-forms.ts";

describe("definePolicy", () => {
  it("tells the two forms apart by whether the roles are a list", () => {
    const written = definePolicy({ resources: { a: ["read"] }, roles: { viewer: { a: ["read"] } } });
    const listed = definePolicy({
      roles: [{ role_id: "viewer", permissions: [{ resource_id: "a", actions: ["read"] }] }],
    });

    expect([...written.grantingRoles("a", "read")]).toEqual(["viewer"]);
    expect([...listed.grantingRoles("a", "read")]).toEqual(["viewer"]);
  });

  it.each([[null], [undefined], ["{}"], [42], [[]], [new Map()]])("refuses %p", (value) => {
    expect(() => definePolicy(value as unknown as StytchPolicyDocument)).toThrow(
      expect.objectContaining({
        code: "configuration_invalid",
        problems: [expect.objectContaining({ code: "option_invalid", option: "policy" })],
      }),
    );
  });
});
