import type { Policy, PolicyDescription, ResourceDescription } from "./policy.ts";

/** Stands for every action; only ever as a whole action, never as a resource or as a part of a name. */
export const EVERY_ACTION = "*";

/** What a role may do with one resource. */
export interface Permission {
  readonly resource: string;
  /** May hold {@link EVERY_ACTION}. */
  readonly actions: Iterable<string>;
}

/** What every form of a policy is read into. */
export interface PolicyStatements {
  /** By role, in the policy's order. */
  readonly permissions: ReadonlyMap<string, readonly Permission[]>;
  /** Resources and their actions; `undefined`: the policy does not list them. */
  readonly declared: ReadonlyMap<string, ReadonlySet<string>> | undefined;
}

type RoleSet = ReadonlySet<string>;

interface ResourceGrants {
  readonly everyAction: RoleSet;
  /** Holds the roles of `everyAction` as well, so that one lookup is the whole answer. */
  readonly byAction: ReadonlyMap<string, RoleSet>;
}

interface Role {
  readonly name: string;
  readonly place: number;
}

const NOBODY: RoleSet = new Set();

/** Compiles a policy into two `Map` lookups, so that a check costs the same at any size. */
export function compilePolicy({ permissions, declared }: PolicyStatements): Policy {
  const grants = compileGrants(permissions);
  const roles = new Set(permissions.keys());
  return Object.freeze({
    roles,
    declares: (resource: string, action: string) =>
      declared === undefined ? undefined : (declared.get(resource)?.has(action) ?? false),
    grantingRoles(resource: string, action: string) {
      const granted = grants.get(resource);
      return granted === undefined ? NOBODY : (granted.byAction.get(action) ?? granted.everyAction);
    },
    describe: () => ({
      roles: [...roles].map((role) => ({ role, permissions: describeRole(role, grants) })),
      resources: declared && describeDeclared(declared),
    }),
  });
}

function describeDeclared(
  declared: ReadonlyMap<string, ReadonlySet<string>>,
): NonNullable<PolicyDescription["resources"]> {
  return [...declared].map(([resource, actions]) => ({
    resource,
    actions: [...actions].filter((action) => action !== EVERY_ACTION),
  }));
}

/** Read off the compiled grants, so that the policy's source need not be kept. */
function describeRole(role: string, grants: ReadonlyMap<string, ResourceGrants>): ResourceDescription[] {
  return [...grants].flatMap(([resource, { everyAction, byAction }]) => {
    const named = [...byAction].filter(([, roles]) => roles.has(role)).map(([action]) => action);
    const actions = everyAction.has(role) ? [EVERY_ACTION] : named;
    return actions.length === 0 ? [] : [{ resource, actions }];
  });
}

function compileGrants(permissions: PolicyStatements["permissions"]): ReadonlyMap<string, ResourceGrants> {
  const share = createGrantsSharer();
  const grants = new Map<string, ResourceGrants>();
  for (const [resource, holders] of collectHolders(permissions)) grants.set(resource, share(holders));
  return grants;
}

/** The roles that hold each action of one resource. */
type Holders = Map<string, Role[]>;

function collectHolders(permissions: PolicyStatements["permissions"]): ReadonlyMap<string, Holders> {
  const resources = new Map<string, Holders>();
  let place = 0;
  for (const [name, granted] of permissions) {
    const role = { name, place };
    place += 1;
    for (const { resource, actions } of granted) {
      const holders = getOrMake(resources, resource, (): Holders => new Map());
      for (const action of actions) getOrMake(holders, action, (): Role[] => []).push(role);
    }
  }
  return resources;
}

/**
 * Large policies repeat a few patterns over many resources: equal sets of roles, and resources with equal
 * grants, are kept once.
 */
function createGrantsSharer(): (holders: Holders) => ResourceGrants {
  const roleSets = new Map<string, RoleSet>();
  const resources = new Map<string, ResourceGrants>();

  function shareRoles(roles: readonly Role[]): { readonly key: string; readonly names: RoleSet } {
    const key = roles.map(({ place }) => place).join();
    return { key, names: getOrMake(roleSets, key, () => nameInOrder(roles)) };
  }

  return (holders) => {
    const wild = holders.get(EVERY_ACTION) ?? [];
    const actions = [...holders].map(([action, roles]) => ({ action, ...shareRoles([...wild, ...roles]) }));
    return getOrMake(resources, JSON.stringify(actions.map(({ action, key }) => [action, key])), () => ({
      everyAction: shareRoles(wild).names,
      byAction: new Map(actions.map(({ action, names }) => [action, names])),
    }));
  };
}

function nameInOrder(roles: readonly Role[]): RoleSet {
  return new Set(roles.toSorted((one, other) => one.place - other.place).map(({ name }) => name));
}

function getOrMake<Value>(known: Map<string, Value>, key: string, make: () => Value): Value {
  const found = known.get(key);
  if (found !== undefined) return found;
  const made = make();
  known.set(key, made);
  return made;
}
