import { definePolicy } from "orgate";
import { memoryDirectory } from "orgate/authority";

/** The actions, and the roles that grant them. */
export const policy = definePolicy({
  resources: { documents: ["read", "write", "delete"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
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
] as const;

/** A sample user. */
export interface Persona {
  readonly userId: string;
  readonly name: string;
  readonly about: string;
  /** Organizations and roles, as the card shows them. */
  readonly places: readonly string[];
  readonly impersonator?: { readonly email: string; readonly reason: string };
}

/** The cards of the sign-in page. */
export const PERSONAS: ReadonlyMap<string, Persona> = new Map([
  [
    "ada",
    {
      userId: "user_ada",
      name: "Ada Lovelace",
      about: "Works for two companies, so she is asked for which one.",
      places: ["Acme Press: editor", "Globex Labs: viewer"],
    },
  ],
  [
    "grace",
    {
      userId: "user_grace",
      name: "Grace Hopper",
      about: "Runs one company. One membership: nothing to choose.",
      places: ["Acme Press: admin"],
    },
  ],
  [
    "alan",
    {
      userId: "user_alan",
      name: "Alan Turing",
      about: "May read and nothing else. Try to delete something.",
      places: ["Globex Labs: viewer"],
    },
  ],
  [
    "sam",
    {
      userId: "user_grace",
      name: "Sam Porter, support",
      about: "Acts as Grace Hopper. Sees what she sees, but not her billing.",
      places: ["Acme Press: as Grace"],
      impersonator: { email: "sam@support.example", reason: "ticket 4711" },
    },
  ],
  [
    "nora",
    {
      userId: "user_nora",
      name: "Nora Vance",
      about: "New here: a user whom nobody has invited yet.",
      places: ["no organization"],
    },
  ],
]);

/** The users, organizations and memberships that the demo begins with. */
export function seeds() {
  return {
    users: [
      { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" },
      { id: "user_grace", emailAddress: "grace@example.com", name: "Grace Hopper" },
      { id: "user_alan", emailAddress: "alan@example.com", name: "Alan Turing" },
      { id: "user_nora", emailAddress: "nora@example.com", name: "Nora Vance" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme Press" },
      { id: "org_globex", slug: "globex", name: "Globex Labs" },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["editor"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_grace", organizationId: "org_acme", roles: ["admin"] },
      { userId: "user_alan", organizationId: "org_globex", roles: ["viewer"] },
    ],
  };
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
