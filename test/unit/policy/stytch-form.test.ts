import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { isOrgateError } from "../../../src/errors.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import type { StytchPolicyDocument } from "../../../src/policy/policy-forms.ts";

const DOCUMENT: StytchPolicyDocument = {
  roles: [
    {
      role_id: "reader",
      description: "Reads",
      permissions: [{ resource_id: "documents", actions: ["read"] }],
    },
    {
      role_id: "owner",
      permissions: [
        { resource_id: "documents", actions: ["*"] },
        { resource_id: "billing", actions: ["manage", "*"] },
      ],
    },
    { role_id: "globber", permissions: [{ resource_id: "*", actions: ["read", "*"] }] },
    { role_id: "prefixer", permissions: [{ resource_id: "documents", actions: ["rea*", "*read", "re*d"] }] },
    { role_id: "typist", permissions: [{ resource_id: "Documents", actions: ["READ"] }] },
    { role_id: "idle", permissions: [] },
    { role_id: "reader", permissions: [{ resource_id: "wiki", actions: ["read"] }] },
    { role_id: "reader", permissions: [{ resource_id: "documents", actions: ["read", "print"] }] },
  ],
};

describe("a policy in Stytch's form", () => {
  const policy = definePolicy(DOCUMENT);

  it.each([
    ["an exact action; the role listed twice counts once", "documents", "read", ["reader", "owner"]],
    ["any action under a wildcard, listed nowhere", "documents", "defenestrate", ["owner"]],
    ["the action * by a wildcard alone", "documents", "*", ["owner"]],
    ["the action * where a resource has none", "wiki", "*", []],
    ["a wildcard beside an exact action", "billing", "manage", ["owner"]],
    ["the resource * is a name, not a wildcard", "*", "read", ["globber"]],
    ["the resource * takes a wildcard action", "*", "write", ["globber"]],
    ["no prefix is a wildcard", "documents", "ready", ["owner"]],
    ["a prefix with a star is an action's name", "documents", "rea*", ["owner", "prefixer"]],
    ["case counts in the action", "documents", "Read", ["owner"]],
    ["case counts in the resource", "DOCUMENTS", "read", []],
    ["case counts in both", "Documents", "READ", ["typist"]],
    ["permissions of a role in two places add up", "wiki", "read", ["reader"]],
    ["permissions of a role on one resource in two places add up", "documents", "print", ["reader", "owner"]],
    ["an unknown resource", "spaceships", "read", []],
    ["an empty question", "", "", []],
  ])("%s", (_, resource, action, roles) => {
    expect([...policy.grantingRoles(resource, action)]).toEqual(roles);
  });

  it("knows every role once", () => {
    expect([...policy.roles]).toEqual(["reader", "owner", "globber", "prefixer", "typist", "idle"]);
  });

  it("does not say what it declares without a list of resources", () => {
    expect(policy.declares("documents", "read")).toBeUndefined();
  });

  it("decides the same whatever its list of resources says", () => {
    const listed = definePolicy({
      ...DOCUMENT,
      resources: [
        { resource_id: "documents", description: "Documents", actions: ["read"] },
        { resource_id: "documents", actions: ["write"] },
      ],
    });

    expect([...listed.grantingRoles("documents", "defenestrate")]).toEqual(["owner"]);
    expect([...listed.grantingRoles("wiki", "read")]).toEqual(["reader"]);
    expect(listed.declares("documents", "read")).toBe(true);
    expect(listed.declares("documents", "write")).toBe(true);
    expect(listed.declares("documents", "*")).toBe(true);
    expect(listed.declares("documents", "raed")).toBe(false);
    expect(listed.declares("wiki", "read")).toBe(false);
  });

  it("passes over members it does not know", () => {
    const answer = { request_id: "r", status_code: 200, scopes: [], ...DOCUMENT };

    expect([...definePolicy(answer).grantingRoles("wiki", "read")]).toEqual(["reader"]);
  });

  it("R-39: takes names of Object.prototype as names", () => {
    const hostile = definePolicy(
      JSON.parse(`{ "__proto__": { "roles": [] }, "roles": [
        { "role_id": "__proto__", "permissions": [{ "resource_id": "constructor", "actions": ["toString"] }] }
      ] }`) as StytchPolicyDocument,
    );

    expect([...hostile.grantingRoles("constructor", "toString")]).toEqual(["__proto__"]);
    expect(hostile.grantingRoles("__proto__", "toString").size).toBe(0);
    expect(hostile.grantingRoles("constructor", "valueOf").size).toBe(0);
  });

  it.each([
    ["are missing", { role_id: "a" }, "option_missing"],
    ["are no list", { role_id: "a", permissions: {} }, "option_invalid"],
  ])("says of permissions that they %s", (_what, role, code) => {
    const define = (): unknown => definePolicy({ roles: [role] } as unknown as StytchPolicyDocument);
    expect(define).toThrow(
      expect.objectContaining({
        problems: [expect.objectContaining({ code, option: "policy.roles.0.permissions" })],
      }),
    );
  });

  it.each<[string, unknown, string]>([
    ["a role that is null", { roles: [null] }, "policy.roles.0"],
    ["a role without an id", { roles: [{ permissions: [] }] }, "policy.roles.0"],
    ["a role whose id is a number", { roles: [{ role_id: 1, permissions: [] }] }, "policy.roles.0"],
    ["a role without permissions", { roles: [{ role_id: "a" }] }, "policy.roles.0.permissions"],
    [
      "permissions that are an object",
      { roles: [{ role_id: "a", permissions: {} }] },
      "policy.roles.0.permissions",
    ],
    [
      "a permission that is a string",
      { roles: [{ role_id: "a", permissions: ["documents"] }] },
      "policy.roles.0.permissions.0",
    ],
    [
      "actions that are a string",
      { roles: [{ role_id: "a", permissions: [{ resource_id: "documents", actions: "*" }] }] },
      "policy.roles.0.permissions.0",
    ],
    [
      "a resource id that is a list",
      { roles: [{ role_id: "a", permissions: [{ resource_id: ["documents"], actions: ["*"] }] }] },
      "policy.roles.0.permissions.0",
    ],
    ["resources that are an object", { roles: [], resources: {} }, "policy.resources"],
    ["a resource without actions", { roles: [], resources: [{ resource_id: "a" }] }, "policy.resources.0"],
  ])("refuses %s", (_, document, option) => {
    expect(() => definePolicy(document as StytchPolicyDocument)).toThrow(
      expect.objectContaining({ problems: [expect.objectContaining({ option })] }),
    );
  });

  it("tells everything that is wrong at once", () => {
    const document = { roles: [{}, { role_id: "a" }, { role_id: "b", permissions: [1, 2] }], resources: 3 };

    expect(() => definePolicy(document as unknown as StytchPolicyDocument)).toThrow(
      expect.objectContaining({
        problems: [
          expect.objectContaining({ option: "policy.roles.0" }),
          expect.objectContaining({ option: "policy.roles.1.permissions" }),
          expect.objectContaining({ option: "policy.roles.2.permissions.0" }),
          expect.objectContaining({ option: "policy.roles.2.permissions.1" }),
          expect.objectContaining({ option: "policy.resources" }),
        ],
      }),
    );
  });
});

describe("any JSON at all", () => {
  it("is a policy or a configuration error, and leaves Object.prototype alone", () => {
    const before = Reflect.ownKeys(Object.prototype);
    const seed = Number(process.env["SEED"] ?? 20_260_102);
    console.info(`definePolicy: seed ${seed}`);
    const member = fc.constantFrom(
      "roles",
      "resources",
      "role_id",
      "permissions",
      "resource_id",
      "actions",
      "__proto__",
    );
    const { document } = fc.letrec((tie) => ({
      leaf: fc.oneof(fc.constantFrom("*", "read", "", "__proto__"), fc.jsonValue({ maxDepth: 1 })),
      value: fc.oneof(
        { depthSize: "small" },
        tie("leaf"),
        fc.array(tie("value"), { maxLength: 3 }),
        fc.dictionary(member, tie("value")),
      ),
      document: fc.oneof(tie("value"), fc.record({ roles: tie("value"), resources: tie("value") })),
    }));
    fc.assert(
      fc.property(document, (value) => {
        let thrown: unknown;
        try {
          definePolicy(JSON.parse(JSON.stringify(value)) as StytchPolicyDocument).grantingRoles("a", "read");
        } catch (error) {
          thrown = error;
        }
        const refused = isOrgateError(thrown) && thrown.code === "configuration_invalid";
        expect(thrown === undefined || refused).toBe(true);
      }),
      { seed, numRuns: 1000 },
    );
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
  });
});
