import { createHash } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { OrganizationChoice } from "../../model.ts";
import { createBoundedMap } from "../../pipeline/bounded-map.ts";
import type { Outcome } from "../session-store.ts";

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
