import { definePolicy } from "../../src/policy/policy.ts";
import { mergePolicies } from "../../src/policy/policy.ts";
import type { ActionOf, Policy, PolicyShape, ResourceOf } from "../../src/policy/policy.ts";

// Nothing here runs: the assertion is that it compiles.

type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;
type ShapeOf<P> = P extends Policy<infer S> ? S : never;

type Holds<Truth extends true> = Truth;

/** Typed the way a guard is. */
declare function createGuards<Shape extends PolicyShape>(
  policy: Policy<Shape>,
): {
  requirePermission<Resource extends ResourceOf<Shape>>(
    resource: Resource,
    action: ActionOf<Shape, Resource>,
  ): void;
};

const policy = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: { viewer: { documents: ["read"] }, admin: { documents: "*", billing: ["manage"] } },
});
type Inferred = ShapeOf<typeof policy>;
export type InferredAsWritten = [
  Holds<Same<Inferred, { readonly documents: "read" | "write"; readonly billing: "manage" }>>,
  Holds<Same<ResourceOf<Inferred>, "documents" | "billing">>,
  Holds<Same<ActionOf<Inferred, "documents">, "read" | "write">>,
];

const guards = createGuards(policy);
guards.requirePermission("documents", "read");
guards.requirePermission("billing", "manage");
// @ts-expect-error a typing mistake in the action
guards.requirePermission("documents", "raed");
// @ts-expect-error a typing mistake in the resource
guards.requirePermission("documnets", "read");
// @ts-expect-error an action of another resource
guards.requirePermission("billing", "read");

definePolicy({
  resources: { documents: ["read", "write"] },
  // @ts-expect-error a role that names an unknown action
  roles: { viewer: { documents: ["raed"] } },
});
definePolicy({
  resources: { documents: ["read", "write"] },
  // @ts-expect-error a role that names an unknown resource
  roles: { viewer: { documnets: ["read"] } },
});
definePolicy({
  resources: { documents: ["read", "write"] },
  // @ts-expect-error a wildcard inside a list
  roles: { viewer: { documents: ["*"] } },
});
// @ts-expect-error no roles
definePolicy({ resources: { documents: ["read"] } });

const known = definePolicy({
  roles: [{ role_id: "a", permissions: [{ resource_id: "b", actions: ["*"] }] }],
});
export type StytchFormIsOpen = Holds<Same<typeof known, Policy>>;
createGuards(known).requirePermission("anything", "at all");

// As it comes from `import ... with { type: "json" }`.
declare const imported: {
  roles: {
    role_id: string;
    description: string;
    permissions: { resource_id: string; actions: string[] }[];
  }[];
  resources: { resource_id: string; description: string; actions: string[] }[];
  scopes: { scope: string }[];
};
createGuards(definePolicy(imported)).requirePermission("anything", "at all");

// As it comes from a database.
declare const resources: Record<string, string[]>;
createGuards(definePolicy({ resources, roles: {} })).requirePermission("anything", "at all");

// A policy with a shape is a policy.
const anyPolicy: Policy = policy;
createGuards(anyPolicy).requirePermission("anything", "at all");

const other = definePolicy({ resources: { documents: ["share"], wiki: ["read"] }, roles: {} });
const merged = createGuards(mergePolicies(policy, other));
merged.requirePermission("documents", "share");
merged.requirePermission("documents", "read");
merged.requirePermission("wiki", "read");
// @ts-expect-error in neither of the two
merged.requirePermission("wiki", "share");
createGuards(mergePolicies(policy, known)).requirePermission("anything", "at all");

// @ts-expect-error the shared set is not to be written to
policy.grantingRoles("documents", "read").add("viewer");
