import type { MemberSession, OrganizationChoice } from "../../model.ts";
import type { PendingAuthentication, StoreContext } from "../session-store.ts";
import { listPages } from "./list-pages.ts";
import { isText } from "../shape.ts";
import { trouble } from "./trouble.ts";
import type { WorkosContext } from "./workos-context.ts";

/**
 * Lists the organizations that a user can be signed in to, by their active memberships.
 *
 * @throws StoreUnavailableError where WorkOS says nothing of them.
 */
export async function listOrganizations(
  { client, lists }: WorkosContext,
  of: PendingAuthentication | MemberSession,
  { signal }: StoreContext,
): Promise<OrganizationChoice[]> {
  const userId = "pendingAuthenticationToken" in of ? of.userId : of.memberId;
  const path = "/user_management/organization_memberships";
  const memberships =
    userId === undefined ? undefined : await listPages(client, path, { user_id: userId }, signal);
  if (memberships === undefined) {
    const remembered =
      "pendingAuthenticationToken" in of ? lists.recall(of.pendingAuthenticationToken) : undefined;
    if (remembered === undefined) throw trouble("organizations_unknown");
    return [...remembered];
  }
  return memberships.flatMap(({ organization_id: id, organization_name: name, status }) =>
    isText(id) && status === "active" ? [{ id, name: isText(name) ? name : id }] : [],
  );
}
