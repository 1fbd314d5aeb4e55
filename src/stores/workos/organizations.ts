import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";
import { sha256 } from "../../lib/crypto.ts";
import { isText } from "../../lib/values.ts";
import type { MemberSession, OrganizationChoice } from "../../model.ts";
import type { Outcome, PendingAuthentication, StaleCredential, StoreContext } from "../../store.ts";
import { refusedOutcome, toChoice } from "../hosted-store.ts";
import { challengeFactor } from "./challenge.ts";
import { type WorkosClient, fetchList, workosUnavailable } from "./client.ts";
import { type WorkosOutcome, toOutcome } from "./outcome.ts";
import { type RefreshExchange, readRefreshableSession } from "./renew.ts";

/**
 * Lists the organizations that a user can be signed in to, by their active memberships.
 *
 * @throws StoreUnavailableError where WorkOS does not list them.
 */
export async function listWorkosOrganizations(
  client: WorkosClient,
  pendingLists: PendingLists,
  of: PendingAuthentication | MemberSession,
  { signal }: StoreContext,
): Promise<OrganizationChoice[]> {
  const isPending = "pendingAuthenticationToken" in of;
  const userId = isPending ? of.userId : of.memberId;
  const path = `/user_management/organization_memberships?user_id=${encodeURIComponent(userId ?? "")}`;
  const memberships = userId === undefined ? undefined : await fetchList(client, path, signal);
  if (memberships === undefined) {
    const remembered = isPending ? pendingLists.recall(of.pendingAuthenticationToken) : undefined;
    if (remembered === undefined) throw workosUnavailable("organizations_unknown");
    return [...remembered];
  }
  return memberships.flatMap(({ organization_id: id, organization_name: name, status }) =>
    isText(id) && status === "active" ? [toChoice(id, name)] : [],
  );
}

/**
 * Remembers the organizations that came with unfinished authentications, for those where WorkOS named no user: it lists
 * organizations by user only. WorkOS checks the choice itself.
 */
export interface PendingLists {
  remember(outcome: Outcome): void;
  recall(pendingAuthenticationToken: string): readonly OrganizationChoice[] | undefined;
}

/** Seconds. */
const PENDING_LIST_LIFETIME = 600;
const MAX_PENDING_LISTS = 1000;

/** Makes an empty {@link PendingLists}. */
export function createPendingLists(clock: Clock): PendingLists {
  const lists = createBoundedMap<
    string,
    { readonly organizations: readonly OrganizationChoice[]; readonly rememberedAt: number }
  >(MAX_PENDING_LISTS);
  return {
    remember(outcome) {
      if (outcome.status !== "selection_required") return;
      const { organizations, pending } = outcome;
      lists.set(sha256(pending.pendingAuthenticationToken), { organizations, rememberedAt: clock() });
    },
    recall(token) {
      const list = lists.get(sha256(token));
      const age = clock() - (list?.rememberedAt ?? 0);
      return age < PENDING_LIST_LIFETIME ? list?.organizations : undefined;
    },
  };
}

/** Refreshes into another organization; keeps the fields that others sealed beside the session. */
export async function switchWorkosOrganization(
  client: WorkosClient,
  exchange: RefreshExchange,
  stale: StaleCredential,
  organizationId: string,
  origin: StoreContext,
): Promise<WorkosOutcome> {
  const session = readRefreshableSession(stale);
  if (session === undefined) return refusedOutcome("session_revoked", "no_refresh_token");
  const { result } = await exchange({ ...session, organizationId, mayShare: true, origin });
  const outcome = toOutcome(result, "switch");
  if (outcome.status !== "authenticated") return challengeFactor(client, outcome, origin);
  return { ...outcome, credential: { ...stale.sealed, ...outcome.credential, organizationId } };
}
