import type { PendingLists } from "./pending-lists.ts";
import type { RefreshDesk } from "./refresh-desk.ts";
import type { WorkosClient } from "./workos-client.ts";

/** What the operations of one store share. */
export interface WorkosContext {
  readonly client: WorkosClient;
  readonly desk: RefreshDesk;
  readonly lists: PendingLists;
}
