import type { Policy } from "../../../policy/policy.ts";
import type { WireDialect } from "../../context.ts";
import { rolesOf } from "../../subject.ts";
import type { WireClient } from "../../wire-client.ts";
import type { ResolvedWorkosOptions } from "./workos-options.ts";

/**
 * Makes the dialect in which access tokens are issued to a client.
 *
 * WorkOS's claims are a superset of the authority's own, so one token serves both.
 */
export function createWorkosDialect(
  { clientId, issuer, permissions }: ResolvedWorkosOptions,
  policy: Policy | undefined,
): (client: WireClient) => WireDialect {
  const listPermissions = permissions ? createPermissionLister(policy) : undefined;
  return (client) => ({
    client,
    algorithm: "RS256",
    claims: (native, _record, subject) => ({
      ...native,
      ...(issuer !== undefined && { iss: issuer }),
      client_id: clientId,
      ...(subject.organization !== undefined &&
        listPermissions !== undefined && { permissions: listPermissions(rolesOf(subject)) }),
    }),
  });
}

/**
 * Makes what lists the permission slugs of roles: `resource:action` for every action that the policy lists.
 *
 * A policy that does not list its resources has no names for what `"*"` grants, so only the actions that roles name count.
 */
function createPermissionLister(
  policy: Policy | undefined,
): ((roles: readonly string[]) => readonly string[]) | undefined {
  const described = policy?.describe?.();
  if (policy === undefined || described === undefined) return undefined;
  const resources = described.resources ?? described.roles.flatMap((role) => role.permissions);
  const grants = new Map<string, ReadonlySet<string>>();
  for (const { resource, actions } of resources) {
    for (const action of actions) {
      if (action !== "*") grants.set(`${resource}:${action}`, policy.grantingRoles(resource, action));
    }
  }
  return (roles) =>
    [...grants].filter(([, granting]) => roles.some((role) => granting.has(role))).map(([slug]) => slug);
}
