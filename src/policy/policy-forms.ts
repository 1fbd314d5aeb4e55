import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { suggestName } from "../lib/did-you-mean.ts";

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
 * Members that are not listed here, such as `scopes`, are passed over.
 */
export interface StytchPolicyDocument {
  readonly roles: readonly StytchPolicyRole[];
  /** Never decides anything: it only lets guards tell a typing mistake at construction. */
  readonly resources?: readonly {
    readonly resource_id: string;
    readonly description?: string;
    readonly actions: readonly string[];
  }[];
}

const ROLE_EXAMPLE =
  'Write { "role_id": "viewer", "permissions": [{ "resource_id": "documents", "actions": ["read"] }] }.';
const RESOURCE_EXAMPLE = 'Write { "resource_id": "documents", "actions": ["read"] }.';

/** Reads a {@link StytchPolicyDocument}, reporting everything that is wrong with it. */
export function readStytchForm(
  document: ReadonlyMap<string, unknown>,
  problems: PolicyProblems,
): PolicyStatements {
  const permissions = new Map<string, Permission[]>();
  const roles = readList(document.get("roles"), ["roles"], ROLE_EXAMPLE, problems);
  for (const [index, value] of roles.entries()) {
    const role = membersOf(value);
    const name = role?.get("role_id");
    const path = ["roles", String(index)];
    if (role === undefined || !isName(name)) {
      problems.add("option_invalid", path, "must be an object with a role_id.", ROLE_EXAMPLE);
      continue;
    }
    const granted = readStytchPermissions(role.get("permissions"), [...path, "permissions"], problems);
    permissions.set(name, [...(permissions.get(name) ?? []), ...granted]);
  }
  const listed = document.get("resources");
  const declared = listed === undefined ? undefined : readDeclared(listed, problems);
  return { permissions, declared };
}

function readDeclared(value: unknown, problems: PolicyProblems): ReadonlyMap<string, ReadonlySet<string>> {
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
  problems: PolicyProblems,
): readonly Permission[] {
  const permissions: Permission[] = [];
  for (const [index, entry] of readList(value, path, RESOURCE_EXAMPLE, problems).entries()) {
    const members = membersOf(entry);
    const resource = members?.get("resource_id");
    const actions = namesOf(members?.get("actions"));
    if (isName(resource) && actions !== undefined) {
      permissions.push({ resource, actions });
    } else {
      const message = "must be an object with a resource_id and a list of actions.";
      problems.add("option_invalid", [...path, String(index)], message, RESOURCE_EXAMPLE);
    }
  }
  return permissions;
}

function readList(
  value: unknown,
  path: readonly string[],
  example: string,
  problems: PolicyProblems,
): readonly unknown[] {
  if (Array.isArray(value)) return value as readonly unknown[];
  problems.add(value === undefined ? "option_missing" : "option_invalid", path, "must be a list.", example);
  return [];
}

/** Gathers what is wrong with a policy, so that one error tells all of it. */
export interface PolicyProblems {
  /** @param path - names of the members that lead to the mistake, from the policy down. */
  add(code: string, path: readonly string[], message: string, suggestion: string): void;
  /** Throws a `ConfigurationError` if anything was added. */
  throwIfAny(): void;
}

/** Starts with nothing wrong. */
export function createPolicyProblems(): PolicyProblems {
  const problems: ConfigurationProblem[] = [];
  return {
    add(code, path, message, suggestion) {
      problems.push({ code, option: ["policy", ...path].map(writeSegment).join("."), message, suggestion });
    },
    throwIfAny() {
      if (problems.length > 0) throw new ConfigurationError(problems);
    },
  };
}

/** Quotes a name for a message: names may hold anything, line breaks included. */
export function quoteName(name: string): string {
  return JSON.stringify(name);
}

/**
 * The own members of a plain object; `undefined` for anything else.
 *
 * Read policies through this alone: `__proto__` and `constructor` are then names like any other.
 */
export function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm are plain too; `{ __proto__: { ... } }` is not, and would hide its members.
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return plain ? new Map(Object.entries(value)) : undefined;
}

/** A list of names, each a string that is not empty; `undefined` for anything else. */
export function namesOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  // Not `every`, which passes over the holes of a sparse array.
  for (const name of value as readonly unknown[]) if (!isName(name)) return undefined;
  return value as readonly string[];
}

/** Whether a value can name a role, a resource or an action. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function writeSegment(name: string): string {
  return /^[\w-]+$/.test(name) ? name : quoteName(name);
}
