import { EVERY_ACTION, type PolicyStatements } from "./policy-forms.ts";

/** Stytch's role of every active member. */
export const MEMBER_ROLE = "stytch_member";

/** Stytch's role of the administrators of an organization. */
export const ADMIN_ROLE = "stytch_admin";

/** The roles that Stytch names. They grant what the policy says of them: nothing, unless it has them. */
export const PREDEFINED_ROLES: ReadonlySet<string> = new Set([MEMBER_ROLE, ADMIN_ROLE]);

function words(list: string): readonly string[] {
  return list.trim().split(/\s+/);
}

/** Stytch's own resources. */
const RESOURCES: Readonly<Record<string, readonly string[]>> = {
  "stytch.organization": words(`
    update.info.name update.info.slug update.info.untrusted_metadata update.info.email_jit_provisioning update.info.logo_url
    update.info.email_invites update.info.allowed_domains update.info.default_sso_connection update.info.sso_jit_provisioning
    update.info.mfa_policy update.info.implicit_roles delete
  `),
  "stytch.member": words(`
    create update.info.name update.info.untrusted_metadata update.info.mfa-phone update.info.delete.mfa-phone
    update.settings.is-breakglass update.settings.mfa_enrolled update.settings.roles search revoke.sessions delete
  `),
  "stytch.sso": words("create update delete"),
  "stytch.scim": words("create update delete"),
  "stytch.self": words(`
    update.info.name update.info.untrusted_metadata update.info.mfa-phone update.info.delete.mfa-phone
    update.info.delete.password update.settings.mfa_enrolled delete
  `),
};

/** The roles as they are before anybody edits them. */
const ROLES: PolicyStatements["permissions"] = new Map([
  [MEMBER_ROLE, [{ resource: "stytch.self", actions: [EVERY_ACTION] }]],
  [ADMIN_ROLE, Object.keys(RESOURCES).map((resource) => ({ resource, actions: [EVERY_ACTION] }))],
]);

/** Adds Stytch's predefined roles and resources to a policy. What the policy says of one itself stays as it is. */
export function addPredefinedRoles({ permissions, declared }: PolicyStatements): PolicyStatements {
  const resources = Object.entries(RESOURCES).map(
    ([name, actions]) => [name, new Set([...actions, EVERY_ACTION])] as const,
  );
  return {
    permissions: new Map([...permissions, ...[...ROLES].filter(([role]) => !permissions.has(role))]),
    declared: declared && new Map([...resources, ...declared]),
  };
}
