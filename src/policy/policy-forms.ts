import { type Problems, didYouMean, quoteName } from "../lib/problems.ts";
import { isObject, isText, isTextList } from "../lib/values.ts";

/** Stands for every action; never for a resource or for a part of a name. */
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

/** Resources and the list of each one's actions. */
export type ResourceActions = Readonly<Record<string, readonly string[]>>;

/** What a role may do: a list of actions by resource, or `"*"` for every action. */
export type RolePermissions<Resources extends ResourceActions> = {
  readonly [Resource in keyof Resources]?: "*" | readonly Resources[Resource][number][];
};

/** A policy as written in code: its types are inferred, and a name that is not declared does not compile. */
export interface PolicyDefinition<Resources extends ResourceActions, Role extends string = string> {
  /** Every resource, with all of its actions. */
  readonly resources: Resources;
  /** What each role may do. */
  readonly roles: Readonly<Record<Role, RolePermissions<NoInfer<Resources>>>>;
}

type Members = ReadonlyMap<string, unknown>;

/** By resource; `undefined` for a list with a problem of its own, against which roles are not checked. */
type DeclaredActions = ReadonlyMap<string, ReadonlySet<string> | undefined>;

const RESOURCES_EXAMPLE = 'Write { documents: ["read", "write"] }.';
const ROLES_EXAMPLE = 'Write { viewer: { documents: ["read"] }, admin: { documents: "*" } }.';

/** Reads a {@link PolicyDefinition} and reports every problem. */
export function readObjectForm(definition: Members, problems: Problems): PolicyStatements {
  for (const name of definition.keys()) {
    if (name === "resources" || name === "roles") continue;
    const suggestion = didYouMean(name, ["resources", "roles"], "Remove it.");
    problems.add("option_unknown", at(name), "is not a member of a policy.", suggestion);
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
  problems: Problems,
): Members | undefined {
  const members = membersOf(definition.get(name));
  if (members === undefined) {
    const code = definition.has(name) ? "option_invalid" : "option_missing";
    problems.add(code, at(name), "must be a plain object.", example);
  }
  return members;
}

function readResources(resources: Members, problems: Problems): DeclaredActions {
  const declared = new Map<string, ReadonlySet<string> | undefined>();
  for (const [resource, list] of resources) {
    const actions = isTextList(list) ? list : undefined;
    const option = at("resources", resource);
    if (!isText(resource) || actions === undefined) {
      problems.add(
        "option_invalid",
        option,
        "must be a name with a list of action names.",
        RESOURCES_EXAMPLE,
      );
    } else if (resource === EVERY_ACTION || actions.includes(EVERY_ACTION)) {
      const message = '"*" cannot be declared: in a role it stands for every action of one resource.';
      problems.add("option_invalid", option, message, "Name the resource and its actions.");
    }
    declared.set(resource, actions && new Set(actions));
  }
  return declared;
}

function readRoles(
  roles: Members,
  declared: DeclaredActions | undefined,
  problems: Problems,
): PolicyStatements["permissions"] {
  const permissions = new Map<string, readonly Permission[]>();
  for (const [role, granted] of roles) {
    const resources = membersOf(granted);
    if (!isText(role) || resources === undefined) {
      const message = "must be a name with an object of permissions.";
      problems.add("option_invalid", at("roles", role), message, ROLES_EXAMPLE);
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
  problems: Problems,
): readonly Permission[] {
  const permissions: Permission[] = [];
  for (const [resource, value] of resources) {
    if (value === undefined) continue;
    const isEveryAction = value === EVERY_ACTION;
    const actions = isEveryAction ? [] : value;
    if (!isTextList(actions)) {
      const message = 'must be a list of action names, or "*".';
      problems.add("option_invalid", at("roles", role, resource), message, ROLES_EXAMPLE);
      continue;
    }
    if (declared !== undefined) checkDeclared({ resource, actions }, role, declared, problems);
    permissions.push({ resource, actions: isEveryAction ? [EVERY_ACTION] : actions });
  }
  return permissions;
}

function checkDeclared(
  { resource, actions }: Permission,
  role: string,
  declared: DeclaredActions,
  problems: Problems,
): void {
  const option = at("roles", role, resource);
  if (!declared.has(resource)) {
    const suggestion = didYouMean(resource, declared.keys(), "Declare it in resources.");
    problems.add(
      "resource_unknown",
      option,
      `${quoteName(resource)} is not a declared resource.`,
      suggestion,
    );
    return;
  }
  const known = declared.get(resource);
  if (known === undefined) return;
  for (const action of actions) {
    if (known.has(action)) continue;
    const otherwise =
      action === EVERY_ACTION ? 'Write "*" in place of the list.' : "Declare it in resources.";
    const message = `${quoteName(action)} is not a declared action of ${quoteName(resource)}.`;
    problems.add("action_unknown", option, message, didYouMean(action, known, otherwise));
  }
}

/** A role in Stytch's JSON form. */
export interface StytchPolicyRole {
  readonly role_id: string;
  readonly description?: string;
  readonly permissions: readonly {
    readonly resource_id: string;
    /** `"*"`, as a whole action, stands for every action of the resource. */
    readonly actions: readonly string[];
  }[];
}

/**
 * A policy in Stytch's JSON form (`GET /v1/b2b/rbac/policy`).
 *
 * Members that are not listed here, such as `scopes`, are ignored.
 */
export interface StytchPolicyDocument {
  readonly roles: readonly StytchPolicyRole[];
  /** Decides nothing: it only lets guards report a typing mistake at construction. */
  readonly resources?: readonly {
    readonly resource_id: string;
    readonly description?: string;
    readonly actions: readonly string[];
  }[];
}

const ROLE_EXAMPLE =
  'Write { "role_id": "viewer", "permissions": [{ "resource_id": "documents", "actions": ["read"] }] }.';
const RESOURCE_EXAMPLE = 'Write { "resource_id": "documents", "actions": ["read"] }.';

/** Reads a {@link StytchPolicyDocument} and reports every problem. */
export function readStytchForm(document: Members, problems: Problems): PolicyStatements {
  const permissions = new Map<string, Permission[]>();
  const roles = readList(document.get("roles"), ["roles"], ROLE_EXAMPLE, problems);
  for (const [index, value] of roles.entries()) {
    const role = membersOf(value);
    const name = role?.get("role_id");
    const path = ["roles", String(index)];
    if (role === undefined || !isText(name)) {
      problems.add("option_invalid", at(...path), "must be an object with a role_id.", ROLE_EXAMPLE);
      continue;
    }
    const granted = readStytchPermissions(role.get("permissions"), [...path, "permissions"], problems);
    permissions.set(name, [...(permissions.get(name) ?? []), ...granted]);
  }
  const listed = document.get("resources");
  const declared = listed === undefined ? undefined : readDeclared(listed, problems);
  return { permissions, declared };
}

function readDeclared(value: unknown, problems: Problems): ReadonlyMap<string, ReadonlySet<string>> {
  const declared = new Map<string, ReadonlySet<string>>();
  for (const { resource, actions } of readStytchPermissions(value, ["resources"], problems)) {
    // "Every action" can be asked for on any resource.
    declared.set(resource, new Set([...(declared.get(resource) ?? []), ...actions, EVERY_ACTION]));
  }
  return declared;
}

function readStytchPermissions(
  value: unknown,
  path: readonly string[],
  problems: Problems,
): readonly Permission[] {
  const permissions: Permission[] = [];
  for (const [index, entry] of readList(value, path, RESOURCE_EXAMPLE, problems).entries()) {
    const members = membersOf(entry);
    const resource = members?.get("resource_id");
    const actions = members?.get("actions");
    if (isText(resource) && isTextList(actions)) {
      permissions.push({ resource, actions });
    } else {
      const message = "must be an object with a resource_id and a list of actions.";
      problems.add("option_invalid", at(...path, String(index)), message, RESOURCE_EXAMPLE);
    }
  }
  return permissions;
}

function readList(
  value: unknown,
  path: readonly string[],
  example: string,
  problems: Problems,
): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const code = value === undefined ? "option_missing" : "option_invalid";
  problems.add(code, at(...path), "must be a list.", example);
  return [];
}

/**
 * Reads the own members of a plain object; `undefined` for anything else.
 *
 * Read policies only through this: `__proto__` and `constructor` are then names like any other.
 */
export function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (!isObject(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm are plain too; `{ __proto__: { ... } }` is not, and would hide its members.
  const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return isPlain ? new Map(Object.entries(value)) : undefined;
}

/** The name of an option: the members that lead to it, from the policy down. */
function at(...path: readonly string[]): string {
  return ["policy", ...path].map((name) => (/^[\w-]+$/.test(name) ? name : quoteName(name))).join(".");
}
