import { EVERY_ACTION, type Permission, type PolicyStatements } from "./compile-policy.ts";
import { isName, membersOf, namesOf, type PolicyProblems } from "./policy-problems.ts";

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
    const granted = readPermissions(role.get("permissions"), [...path, "permissions"], problems);
    permissions.set(name, [...(permissions.get(name) ?? []), ...granted]);
  }
  const listed = document.get("resources");
  const declared = listed === undefined ? undefined : readDeclared(listed, problems);
  return { permissions, declared };
}

function readDeclared(value: unknown, problems: PolicyProblems): ReadonlyMap<string, ReadonlySet<string>> {
  const declared = new Map<string, ReadonlySet<string>>();
  for (const { resource, actions } of readPermissions(value, ["resources"], problems)) {
    // "Every action" can be asked for on any resource.
    declared.set(resource, new Set([...(declared.get(resource) ?? []), ...actions, EVERY_ACTION]));
  }
  return declared;
}

function readPermissions(
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
