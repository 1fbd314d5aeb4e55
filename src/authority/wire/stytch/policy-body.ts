import type { Policy, ResourceDescription } from "../../../policy/policy.ts";

type Body = Readonly<Record<string, unknown>>;

/** The policy in Stytch's JSON form; `undefined`: there is none, or it cannot be written out. */
export function toPolicyBody(policy: Policy | undefined): Body | undefined {
  const described = policy?.describe?.();
  if (described === undefined) return undefined;
  return {
    roles: described.roles.map(({ role, permissions }) => ({
      role_id: role,
      description: "",
      permissions: permissions.map(toPermissionBody),
    })),
    resources: (described.resources ?? []).map((resource) => ({
      ...toPermissionBody(resource),
      description: "",
    })),
    scopes: [],
  };
}

function toPermissionBody({ resource, actions }: ResourceDescription): Body {
  return { resource_id: resource, actions };
}
