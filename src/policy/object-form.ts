import { suggestName } from "../did-you-mean.ts";
import { EVERY_ACTION, type Permission, type PolicyStatements } from "./compile-policy.ts";
import { isName, membersOf, namesOf, quoteName, type PolicyProblems } from "./policy-problems.ts";

/** Resources and the list of each one's actions. */
export type ResourceActions = Readonly<Record<string, readonly string[]>>;

/** What a role may do: a list of actions by resource, or `"*"` for every action. */
export type RolePermissions<Resources extends ResourceActions> = {
  readonly [Resource in keyof Resources]?: "*" | readonly Resources[Resource][number][];
};

/** A policy as written in code: its types are inferred, and a name that is not declared does not compile. */
export interface PolicyDefinition<Resources extends ResourceActions> {
  /** Every resource, with all of its actions. */
  readonly resources: Resources;
  /** What each role may do. */
  readonly roles: Readonly<Record<string, RolePermissions<NoInfer<Resources>>>>;
}

type Members = ReadonlyMap<string, unknown>;

/** By resource; a list that was itself wrong is `undefined` and is not held against the roles. */
type DeclaredActions = ReadonlyMap<string, ReadonlySet<string> | undefined>;

const RESOURCES_EXAMPLE = 'Write { documents: ["read", "write"] }.';
const ROLES_EXAMPLE = 'Write { viewer: { documents: ["read"] }, admin: { documents: "*" } }.';

/** Reads a {@link PolicyDefinition}, reporting everything that is wrong with it. */
export function readObjectForm(definition: Members, problems: PolicyProblems): PolicyStatements {
  for (const name of definition.keys()) {
    if (name === "resources" || name === "roles") continue;
    const suggestion = suggest(name, ["resources", "roles"], "Remove it.");
    problems.add("option_unknown", [name], "is not a member of a policy.", suggestion);
  }
  const resources = readMembers(definition, "resources", RESOURCES_EXAMPLE, problems);
  const roles = readMembers(definition, "roles", ROLES_EXAMPLE, problems);
  const declared = resources && readResources(resources, problems);
  return {
    permissions: readRoles(roles ?? new Map(), declared, problems),
    declared: new Map([...(declared ?? [])].map(([name, actions]) => [name, actions ?? new Set()])),
  };
}

function readMembers(
  definition: Members,
  name: string,
  example: string,
  problems: PolicyProblems,
): Members | undefined {
  const members = membersOf(definition.get(name));
  if (members === undefined) {
    const code = definition.has(name) ? "option_invalid" : "option_missing";
    problems.add(code, [name], "must be a plain object.", example);
  }
  return members;
}

function readResources(resources: Members, problems: PolicyProblems): DeclaredActions {
  const declared = new Map<string, ReadonlySet<string> | undefined>();
  for (const [resource, list] of resources) {
    const actions = namesOf(list);
    const path = ["resources", resource];
    if (!isName(resource) || actions === undefined) {
      problems.add("option_invalid", path, "must be a name with a list of action names.", RESOURCES_EXAMPLE);
    } else if (resource === EVERY_ACTION || actions.includes(EVERY_ACTION)) {
      const message = '"*" cannot be declared: in a role it stands for every action of one resource.';
      problems.add("option_invalid", path, message, "Name the resource and its actions.");
    }
    declared.set(resource, actions && new Set(actions));
  }
  return declared;
}

function readRoles(
  roles: Members,
  declared: DeclaredActions | undefined,
  problems: PolicyProblems,
): PolicyStatements["permissions"] {
  const permissions = new Map<string, readonly Permission[]>();
  for (const [role, granted] of roles) {
    const resources = membersOf(granted);
    if (!isName(role) || resources === undefined) {
      const message = "must be a name with an object of permissions.";
      problems.add("option_invalid", ["roles", role], message, ROLES_EXAMPLE);
    } else {
      permissions.set(role, readPermissions(role, resources, declared, problems));
    }
  }
  return permissions;
}

function readPermissions(
  role: string,
  resources: Members,
  declared: DeclaredActions | undefined,
  problems: PolicyProblems,
): readonly Permission[] {
  const permissions: Permission[] = [];
  for (const [resource, value] of resources) {
    if (value === undefined) continue;
    const all = value === EVERY_ACTION;
    const actions = all ? [] : namesOf(value);
    if (actions === undefined) {
      const message = 'must be a list of action names, or "*".';
      problems.add("option_invalid", ["roles", role, resource], message, ROLES_EXAMPLE);
      continue;
    }
    if (declared !== undefined) checkDeclared({ resource, actions }, role, declared, problems);
    permissions.push({ resource, actions: all ? [EVERY_ACTION] : actions });
  }
  return permissions;
}

function checkDeclared(
  { resource, actions }: Permission,
  role: string,
  declared: DeclaredActions,
  problems: PolicyProblems,
): void {
  const path = ["roles", role, resource];
  if (!declared.has(resource)) {
    const suggestion = suggest(resource, declared.keys(), "Declare it in resources.");
    problems.add("resource_unknown", path, `${quoteName(resource)} is not a declared resource.`, suggestion);
    return;
  }
  const known = declared.get(resource);
  if (known === undefined) return;
  for (const action of actions) {
    if (known.has(action)) continue;
    const otherwise =
      action === EVERY_ACTION ? 'Write "*" in place of the list.' : "Declare it in resources.";
    const message = `${quoteName(action)} is not a declared action of ${quoteName(resource)}.`;
    problems.add("action_unknown", path, message, suggest(action, known, otherwise));
  }
}

function suggest(given: string, known: Iterable<string>, otherwise: string): string {
  const meant = suggestName(given, known);
  return meant === undefined ? otherwise : `Did you mean ${quoteName(meant)}?`;
}
