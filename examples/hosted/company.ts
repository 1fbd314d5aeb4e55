import { definePolicy } from "orgate";
import { createAuthority, memoryDirectory, type Authority } from "orgate/authority";

const policy = definePolicy({
  resources: { documents: ["read", "delete"] },
  roles: { viewer: { documents: ["read"] }, admin: { documents: "*" } },
});

/** The sample users of two companies. Ada works for both. */
export const directory = memoryDirectory({
  users: [
    { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" },
    { id: "user_bob", emailAddress: "bob@example.com", name: "Bob Babbage" },
  ],
  organizations: [
    { id: "org_acme", slug: "acme", name: "Acme" },
    { id: "org_globex", slug: "globex", name: "Globex" },
  ],
  memberships: [
    { userId: "user_ada", organizationId: "org_acme", roles: ["admin"] },
    { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
    { userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] },
  ],
});

export function createLocalAuthority(issuer: string): Authority {
  return createAuthority({ issuer, directory, policy });
}

/** Sample users without passwords: own-login.ts shows the check that belongs here. */
export const SIGN_IN_PAGE = page(
  "Sign in",
  ["user_ada", "user_bob"].map((id) => `<button name="user" value="${id}">${id}</button>`).join(" "),
);

/** A page with one form. */
export function page(title: string, fields: string): string {
  return `<!doctype html><title>${title}</title><h1>${title}</h1><form method="post">${fields}</form>`;
}
