import {
  createAuthority,
  memoryDirectory,
  memoryRepository,
  type Authority,
} from "../../../src/authority/index.ts";
import { isOrgateError, type OrganizationSelectionRequiredError } from "../../../src/errors.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import type { Outcome } from "../../../src/store.ts";
import type { StoreHarness } from "../../../src/testing/contract/subject.ts";
import { breakable } from "../../../src/testing/test-authority.ts";

const USERS = { 0: "user_nora", 1: "user_bob", 2: "user_ada" } as const;

/** An authority of its own, in a world that can be moved and broken. */
export function makeHarness(): StoreHarness & { readonly authority: Authority } {
  let now = 1_800_000_000;
  const clock = () => now;
  const directory = memoryDirectory({
    users: Object.values(USERS).map((id) => ({ id, emailAddress: `${id}@example.com` })),
    organizations: ["org_acme", "org_globex", "org_closed"].map((id) => ({ id, name: id })),
    memberships: [
      { userId: USERS[1], organizationId: "org_acme", roles: ["viewer"] },
      { userId: USERS[2], organizationId: "org_acme", roles: ["viewer"] },
      { userId: USERS[2], organizationId: "org_globex", roles: [] },
    ],
  });
  const { repository, takeDown, bringBack } = breakable(memoryRepository({ clock }));
  const authority = createAuthority({
    issuer: "https://app.example.com",
    directory,
    clock,
    repository,
    policy: definePolicy({ resources: { documents: ["read"] }, roles: { viewer: { documents: "*" } } }),
  });
  return {
    authority,
    store: authority,
    clock,
    signIn: ({ organizations }) => signIn(authority, USERS[organizations]),
    advance(seconds) {
      now += seconds;
    },
    revoke: (sessionId) => authority.revoke({ sessionId }),
    breakStore: takeDown,
    mendStore: bringBack,
    foreignOrganizationId: "org_closed",
    close: () => authority.close(),
  };
}

async function signIn(authority: Authority, userId: string): Promise<Outcome> {
  try {
    const result = await authority.authenticate({ userId, authenticationMethod: "Password" });
    const { accessToken, refreshToken, user } = result;
    return { status: "authenticated", credential: { accessToken, refreshToken, user } };
  } catch (error) {
    if (!isOrgateError(error) || error.code !== "organization_selection_required") throw error;
    const { pendingAuthenticationToken, organizations } = error as OrganizationSelectionRequiredError;
    return { status: "selection_required", pending: { pendingAuthenticationToken }, organizations };
  }
}
