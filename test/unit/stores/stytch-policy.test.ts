import { afterEach, describe, expect, it } from "@jest/globals";
import type { Policy } from "../../../src/policy/policy.ts";
import type { StytchOptions } from "../../../src/stores/stytch/index.ts";
import { organizationId, refused } from "../../support/fake-stytch-world.ts";
import { makeStytchHarness, type StytchHarness } from "../../support/stytch-harness.ts";

const ACME = organizationId("acme");
const OWN = {
  roles: [
    { role_id: "auditor", description: "", permissions: [{ resource_id: "documents", actions: ["read"] }] },
    { role_id: "viewer", description: "", permissions: [{ resource_id: "documents", actions: ["write"] }] },
  ],
};
let harness: StytchHarness;

afterEach(() => harness.close());

async function setUp(options: Partial<StytchOptions> = {}): Promise<(id?: string) => Promise<string[][]>> {
  harness = await makeStytchHarness(options);
  harness.fake.world.organizationPolicies.set(ACME, OWN);
  return async (id) => {
    const policy: Policy = await harness.store.policy(id, { signal: new AbortController().signal });
    return ["read", "write"].map((action) => [...policy.grantingRoles("documents", action)]);
  };
}

const PROJECT = [
  ["viewer", "editor", "admin"],
  ["editor", "admin"],
];
const WITH_OWN = [
  ["viewer", "editor", "admin", "auditor"],
  ["editor", "admin", "viewer"],
];

describe("the policy of a Stytch project", () => {
  it("is the project's alone unless organizations' own are asked for", async () => {
    const granting = await setUp();
    expect(await granting(ACME)).toEqual(PROJECT);
    expect(harness.fake.asked()).toEqual(["GET /v1/b2b/rbac/policy"]);
  });

  it("R-40: adds an organization's own roles for that organization alone", async () => {
    const granting = await setUp({ organizationPolicies: true });
    expect(await granting(ACME)).toEqual(WITH_OWN);
    expect(await granting(organizationId("globex"))).toEqual(PROJECT);
    expect(await granting()).toEqual(PROJECT);
    expect(harness.fake.calls.filter((call) => call === "GET /v1/b2b/rbac/policy")).toHaveLength(1);
  });

  it.each([403, 404])("has no organization's own where Stytch answers %d", async (status) => {
    const granting = await setUp({ organizationPolicies: true });
    harness.fake.fail("/rbac/organizations/", ({ answer }) => answer(refused(status, "no_such_thing")));
    expect(await granting(ACME)).toEqual(PROJECT);
  });

  it("is unknown, and not the project's alone, while the organization's own cannot be loaded", async () => {
    const granting = await setUp({ organizationPolicies: true, timeout: 0.5 });
    harness.fake.fail("/rbac/organizations/", ({ request }) => request.socket.destroy());
    await expect(granting(ACME)).rejects.toMatchObject({ code: "store_unavailable" });
    harness.fake.fail("/rbac/organizations/", ({ answer }) =>
      answer({ status: 200, body: { org_policy: 7 } }),
    );
    await expect(granting(ACME)).rejects.toMatchObject({ code: "store_unavailable" });
    harness.fake.fail("/rbac/organizations/", () => undefined);
    await expect(granting(ACME)).rejects.toMatchObject({ code: "store_unavailable", reason: "timeout" });
    expect(await granting(ACME)).toEqual(WITH_OWN);
  });

  it.each([{}, { policy: null }, { policy: { roles: "admin" } }, { policy: { roles: [{ role_id: 7 }] } }])(
    "is unknown where Stytch answers %j, and not empty",
    async (body) => {
      const granting = await setUp();
      harness.fake.fail("/rbac/policy", ({ answer }) => answer({ status: 200, body }));
      await expect(granting(ACME)).rejects.toMatchObject({
        code: expect.stringMatching(/_unavailable|_invalid/),
      });
      expect(await granting(ACME)).toEqual(PROJECT);
    },
  );
});
