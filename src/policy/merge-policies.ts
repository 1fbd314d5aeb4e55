import type { Policy, PolicyDescription, PolicyShape } from "./policy.ts";

type NamesIn<Shape> = Shape extends unknown ? keyof Shape & string : never;

type ActionsIn<Shape, Resource> = Shape extends unknown
  ? Resource extends keyof Shape
    ? Shape[Resource] & string
    : never
  : never;

/** Every resource and action of several policies. */
export type MergedShape<Shapes extends readonly PolicyShape[]> = {
  readonly [Resource in NamesIn<Shapes[number]>]: ActionsIn<Shapes[number], Resource>;
};

/**
 * One policy that grants what any of the given ones grants, such as a project's roles and an organization's own.
 *
 * The given policies stay as they are, and are asked at each check: merging costs next to nothing, however large
 * they are. A role that occurs in several holds the permissions of all. Of no policies at all: one that grants nothing.
 */
export function mergePolicies<const Shapes extends readonly PolicyShape[]>(
  ...policies: { readonly [Index in keyof Shapes]: Policy<Shapes[Index]> }
): Policy<MergedShape<Shapes>>;
export function mergePolicies(...policies: readonly Policy[]): Policy {
  return policies.reduce((merged, policy) => mergeTwo(merged, policy), NOTHING);
}

const NOBODY: ReadonlySet<string> = new Set();

const NOTHING: Policy = Object.freeze({
  roles: NOBODY,
  declares: () => false,
  grantingRoles: () => NOBODY,
  describe: () => ({ roles: [], resources: [] }),
});

function mergeTwo(one: Policy, other: Policy): Policy {
  const unite = createUniter();
  return Object.freeze({
    roles: new Set([...one.roles, ...other.roles]),
    declares(resource: string, action: string) {
      const [first, second] = [one.declares(resource, action), other.declares(resource, action)];
      if (first === true || second === true) return true;
      return first === undefined || second === undefined ? undefined : false;
    },
    grantingRoles: (resource: string, action: string) =>
      unite(one.grantingRoles(resource, action), other.grantingRoles(resource, action)),
    ...describeBoth(one, other),
  });
}

/** Where either cannot be written out, the whole cannot. */
function describeBoth(one: Policy, other: Policy): Pick<Policy, "describe"> {
  if (typeof one.describe !== "function" || typeof other.describe !== "function") return {};
  const [first, second] = [one.describe.bind(one), other.describe.bind(other)];
  return { describe: () => joinDescriptions(first(), second()) };
}

/** A role or a resource that both have is written twice: what it says adds up. */
function joinDescriptions(one: PolicyDescription, other: PolicyDescription): PolicyDescription {
  const resources = one.resources && other.resources && [...one.resources, ...other.resources];
  return { roles: [...one.roles, ...other.roles], resources };
}

/** Policies share their sets of roles, so that there are few pairs to unite, whatever is asked. */
function createUniter(): (one: ReadonlySet<string>, other: ReadonlySet<string>) => ReadonlySet<string> {
  const united = new WeakMap<ReadonlySet<string>, WeakMap<ReadonlySet<string>, ReadonlySet<string>>>();
  return (one, other) => {
    if (other.size === 0) return one;
    if (one.size === 0) return other;
    const partners = united.get(one) ?? new WeakMap<ReadonlySet<string>, ReadonlySet<string>>();
    united.set(one, partners);
    const union = partners.get(other) ?? new Set([...one, ...other]);
    partners.set(other, union);
    return union;
  };
}
