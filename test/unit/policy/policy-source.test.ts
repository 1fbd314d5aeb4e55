import { describe, expect, it } from "@jest/globals";
import { definePolicy } from "../../../src/policy/policy.ts";
import { createPolicySource, type PolicySourceOptions } from "../../../src/policy/policy-source.ts";
import type { Policy } from "../../../src/policy/policy.ts";

const own = definePolicy({ resources: { documents: ["read"] }, roles: {} });

function createSource(options: Pick<PolicySourceOptions, "policy" | "storePolicy" | "byOrganization">) {
  return createPolicySource({
    ...options,
    clock: () => 1_000,
    events: { wants: () => false, emit: () => undefined },
  });
}

/** A store that compiles a policy for each organization and counts the calls. */
function createStore() {
  const asked: (string | undefined)[] = [];
  const signals: AbortSignal[] = [];
  const storePolicy = (organizationId: string | undefined, { signal }: { readonly signal: AbortSignal }) => {
    asked.push(organizationId);
    signals.push(signal);
    return Promise.resolve<Policy>(
      definePolicy({
        roles: [{ role_id: "of", permissions: [{ resource_id: `of ${organizationId}`, actions: ["be"] }] }],
      }),
    );
  };
  return { asked, signals, storePolicy };
}

describe("createPolicySource", () => {
  it("answers at once with a policy known from the start, which wins over the store's", () => {
    const store = createStore();
    const source = createSource({ policy: own, storePolicy: store.storePolicy });

    expect(source.current).toBe(own);
    expect(source.get("org_acme")).toEqual({ status: "found", policy: own });
    expect(source.get(undefined)).toBe(source.get("org_acme"));
    expect(store.asked).toEqual([]);
  });

  it("says that there is none where nobody has one", () => {
    const source = createSource({});

    expect(source.current).toBeUndefined();
    expect(source.get("org_acme")).toEqual({ status: "none" });
  });

  it("loads a store's policy once for all organizations, where it keeps no others", async () => {
    const store = createStore();
    const source = createSource({ storePolicy: store.storePolicy, byOrganization: false });

    const lookup = await source.get("org_acme");
    expect(lookup.status).toBe("found");
    expect(source.get("org_globex")).toBe(lookup);
    expect(source.get(undefined)).toBe(lookup);
    expect(store.asked).toEqual([undefined]);
    expect(store.signals[0]).toBeInstanceOf(AbortSignal);
  });

  it("loads the application's policy once for all organizations, before the store's", async () => {
    const store = createStore();
    let loads = 0;
    const policy = () => {
      loads += 1;
      return Promise.resolve(own);
    };
    const source = createSource({ policy, storePolicy: store.storePolicy });

    expect(source.current).toBeUndefined();
    await expect(source.get("org_acme")).resolves.toEqual({ status: "found", policy: own });
    expect(source.get("org_globex")).toEqual({ status: "found", policy: own });
    expect(loads).toBe(1);
    expect(store.asked).toEqual([]);
  });

  it("keeps the store's policies apart by organization", async () => {
    const store = createStore();
    const source = createSource({ storePolicy: store.storePolicy });
    const ids = ["org_acme", "org_globex", undefined, "", "__proto__", "constructor"];
    await Promise.all(ids.map(async (id) => source.get(id)));

    for (const id of ids) {
      const lookup = await source.get(id);
      if (lookup.status !== "found") throw new Error(`expected found, not ${lookup.status}`);
      expect(lookup.policy.grantingRoles(`of ${id}`, "be").size).toBe(1);
      expect(lookup.policy.grantingRoles("of org_initech", "be").size).toBe(0);
    }
    expect(store.asked).toEqual(ids);
    expect(store.signals.every((signal) => signal instanceof AbortSignal)).toBe(true);
  });

  it("does not grow with the number of organizations", async () => {
    const store = createStore();
    const source = createSource({ storePolicy: store.storePolicy });
    for (let index = 0; index <= 10_000; index += 1) void source.get(`org_${index}`);
    await new Promise(setImmediate);

    expect(source.get("org_10000")).toMatchObject({ status: "found" });
    expect(source.get("org_0")).toBeInstanceOf(Promise);
    expect(store.asked).toHaveLength(10_002);
  });
});
