import { definePolicy } from "orgate";
import { memoryDirectory } from "orgate/authority";

/** The actions, and the roles that grant them. */
export const policy = definePolicy({
  resources: { documents: ["read", "write", "delete"], billing: ["manage"], members: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"], members: ["manage"] },
  },
});

/** The roles that the demo offers; the last one means no role. */
export const ROLES = ["viewer", "editor", "admin", "none"] as const;

/** Every permission of the policy, for the panel that shows all verdicts. */
export const PERMISSIONS = [
  ["documents", "read"],
  ["documents", "write"],
  ["documents", "delete"],
  ["billing", "manage"],
  ["members", "manage"],
] as const;

/** The roles of a membership for the button that was pressed; `undefined` for a name that is on no button. */
export function rolesFor(button: unknown): string[] | undefined {
  const chosen = ROLES.find((role) => role === button);
  return chosen && (chosen === "none" ? [] : [chosen]);
}

/** The users, organizations and memberships that the demo begins with. */
export function seeds() {
  return {
    users: [
      { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" },
      { id: "user_grace", emailAddress: "grace@example.com", name: "Grace Hopper" },
      { id: "user_alan", emailAddress: "alan@example.com", name: "Alan Turing" },
      { id: "user_margaret", emailAddress: "margaret@example.com", name: "Margaret Hamilton" },
      { id: "user_dorothy", emailAddress: "dorothy@example.com", name: "Dorothy Vaughan" },
      { id: "user_nora", emailAddress: "nora@example.com", name: "Nora Vance" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme Press" },
      { id: "org_globex", slug: "globex", name: "Globex Labs" },
      {
        id: "org_apogee",
        slug: "apogee",
        name: "Apogee Health",
        // A second factor for everybody, by an authenticator app.
        mfaPolicy: "REQUIRED_FOR_ALL",
        mfaMethods: "RESTRICTED",
        allowedMfaMethods: ["totp"],
      },
      {
        id: "org_meridian",
        slug: "meridian",
        name: "Meridian Bank",
        // Nothing but single sign-on, which makes every member an editor.
        authMethods: "RESTRICTED",
        allowedAuthMethods: ["sso"],
        ssoActiveConnections: [{ connectionId: "meridian-saml", displayName: "Meridian's sign-on" }],
        samlConnectionImplicitRoleAssignments: [{ connectionId: "meridian-saml", roleId: "editor" }],
      },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["editor"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_grace", organizationId: "org_acme", roles: ["admin"] },
      { userId: "user_alan", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_margaret", organizationId: "org_apogee", roles: ["admin"] },
      { userId: "user_dorothy", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_dorothy", organizationId: "org_meridian", roles: ["viewer"] },
    ],
  } satisfies Parameters<typeof memoryDirectory>[0];
}

/** Users, organizations and memberships, in memory. */
export function createDirectory() {
  const directory = memoryDirectory(seeds());
  // With `onChanged`, a change would count on the next request. Most tables report no changes: a change then counts at
  // the session's next renewal, which is what the demo shows.
  // oxlint-disable-next-line typescript/unbound-method -- left out, never called
  const { onChanged: _untold, ...tables } = directory;
  return tables;
}
