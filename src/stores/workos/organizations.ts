import { createHash } from "node:crypto";
import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";
import type { JsonObject } from "../../lib/json-client.ts";
import { isText } from "../../lib/predicates.ts";
import type { MemberSession, OrganizationChoice } from "../../model.ts";
import type { Outcome, PendingAuthentication, Profile, StaleCredential, StoreContext } from "../../store.ts";
import { interpretClaims } from "./claims.ts";
import { type WorkosClient, listPages, trouble } from "./client.ts";
import type { WorkosContext } from "./workos.ts";

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

/**
 * The organizations that came with unfinished authentications, for those that WorkOS names no user of: it lists
 * organizations by user, and by pending token not at all. Whatever is chosen, WorkOS checks it once more.
 */
export interface PendingLists {
  remember(outcome: Outcome): void;
  recall(pendingAuthenticationToken: string): readonly OrganizationChoice[] | undefined;
}

interface PendingList {
  readonly organizations: readonly OrganizationChoice[];
  readonly rememberedAt: number;
}

const LIFETIME = 600;
const MAX_LISTS = 1000;

/** Starts with no list. */
export function createPendingLists(clock: Clock): PendingLists {
  const lists = createBoundedMap<string, PendingList>(MAX_LISTS);
  return {
    remember(outcome) {
      if (outcome.status !== "selection_required") return;
      const { organizations, pending } = outcome;
      lists.set(hash(pending.pendingAuthenticationToken), { organizations, rememberedAt: clock() });
    },
    recall(token) {
      const list = lists.get(hash(token));
      return list !== undefined && clock() - list.rememberedAt < LIFETIME ? list.organizations : undefined;
    },
  };
}

function hash(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

/**
 * Fetches the user and the organization as they are now; the roles are the session's.
 *
 * @returns `undefined` for a credential whose claims are not known, and for a user who is gone.
 */
export async function readProfile(
  client: WorkosClient,
  { claims, sealed }: StaleCredential,
  { signal }: StoreContext,
): Promise<Profile | undefined> {
  const known = claims === undefined ? undefined : interpretClaims(claims, sealed);
  if (known === undefined) return undefined;
  const { member, organization } = known;
  const [user, place] = await Promise.all([
    fetchOne(client, `/user_management/users/${encodeURIComponent(member.id)}`, signal),
    organization === undefined
      ? undefined
      : fetchOne(client, `/organizations/${encodeURIComponent(organization.id)}`, signal),
  ]);
  if (user === undefined) return undefined;
  if (user["id"] !== member.id) throw trouble("identity");
  const { email, name, first_name: first, last_name: last } = user;
  const fullName = isText(name) ? name : [first, last].filter(isText).join(" ");
  return {
    member: {
      ...member,
      ...(isText(email) && { emailAddress: email }),
      ...(fullName !== "" && { name: fullName }),
    },
    ...(organization !== undefined && {
      organization: { ...organization, ...(isText(place?.["name"]) && { name: place["name"] }) },
    }),
  };
}

async function fetchOne(
  client: WorkosClient,
  path: string,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const { httpStatus, body } = await client.call("GET", path, { signal });
  if (httpStatus === 404) return undefined;
  if (httpStatus >= 300) throw trouble("request_rejected");
  return body;
}
