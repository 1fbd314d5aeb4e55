import type { Policy } from "../../../policy/policy.ts";
import type { WireClient } from "../../wire-client.ts";
import type { WireDialect } from "../../wire-dialect.ts";
import type { WorkosRouterOptions } from "./workos-router-options.ts";

/** Makes the dialect for a client: WorkOS's claims are a superset of the authority's own, so one token serves both. */
export type DialectFor = (client: WireClient) => WireDialect;

/** Makes what gives tokens WorkOS's claims. */
export function createDialect(options: WorkosRouterOptions, policy: Policy | undefined): DialectFor {
  const { clientId, issuer, permissions = true } = options;
  const slugsOf = permissions ? createSlugs(policy) : undefined;
  return (client) => ({
    client,
    algorithm: "RS256",
    claims: (native, _record, { place }) => ({
      ...native,
      ...(issuer !== undefined && { iss: issuer }),
      client_id: clientId,
      ...(place !== undefined && slugsOf !== undefined && { permissions: slugsOf(place.membership.roles) }),
    }),
  });
}

/**
 * Permission slugs by roles: `resource:action` for every action that the policy lists. A policy that does not list its
 * resources has no names for what `"*"` grants, and so gives the actions that roles name.
 */
function createSlugs(
  policy: Policy | undefined,
): ((roles: readonly string[]) => readonly string[]) | undefined {
  const described = policy?.describe?.();
  if (policy === undefined || described === undefined) return undefined;
  const listed = described.resources ?? described.roles.flatMap((role) => role.permissions);
  const pairs = listed.flatMap(({ resource, actions }) =>
    actions.filter((action) => action !== "*").map((action) => ({ resource, action })),
  );
  const grants = new Map(
    pairs.map(({ resource, action }) => [`${resource}:${action}`, policy.grantingRoles(resource, action)]),
  );
  return (roles) =>
    [...grants].filter(([, granting]) => roles.some((role) => granting.has(role))).map(([slug]) => slug);
}
