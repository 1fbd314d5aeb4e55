/** Resources and their actions, as a type: `{ documents: "read" | "write" }`. */
export type PolicyShape = Readonly<Record<string, string>>;

declare const shape: unique symbol;

/**
 * An RBAC policy, compiled once into what answers "which roles grant this?" directly.
 *
 * Make one with `definePolicy`. `Shape` lets the guards refuse, at compile time, a resource or action that is not in it.
 */
export interface Policy<Shape extends PolicyShape = PolicyShape> {
  readonly [shape]?: Shape;
  /** Whether the policy lists this resource and action. `undefined`: it does not list its resources (Stytch's form without `resources`). */
  declares(resource: string, action: string): boolean | undefined;
  /** Every role that grants the action on the resource, wildcards included. The set is shared: do not write to it. */
  grantingRoles(resource: string, action: string): ReadonlySet<string>;
  /** Every role the policy knows. */
  readonly roles: ReadonlySet<string>;
  /** The policy written out: what an authority tells others of it. Policies that `definePolicy` made have it. */
  describe?(): PolicyDescription;
}

/** A resource and actions of it; `"*"`, as a whole action, stands for every action. */
export interface ResourceDescription {
  readonly resource: string;
  readonly actions: readonly string[];
}

/** What a policy says, as a list. */
export interface PolicyDescription {
  readonly roles: readonly { readonly role: string; readonly permissions: readonly ResourceDescription[] }[];
  /** `undefined`: the policy does not list its resources. */
  readonly resources: readonly ResourceDescription[] | undefined;
}

/** Resources that a policy's type lists. */
export type ResourceOf<Shape extends PolicyShape> = keyof Shape & string;

/** Actions that a policy's type lists for a resource. */
export type ActionOf<Shape extends PolicyShape, Resource extends ResourceOf<Shape>> = Shape[Resource];
