import type { StoreContext } from "../session-store.ts";
import { fromStytch, type StytchResponse } from "./from-stytch.ts";
import { selectOrganization } from "./organizations.ts";
import type { StytchOutcome } from "./outcome.ts";
import type { StytchClient } from "./stytch-client.ts";

/** Signs in whoever has discovered one organization alone; everybody else has to choose, or has none. */
export async function continueDiscovery(
  client: StytchClient,
  response: StytchResponse,
  context: StoreContext,
): Promise<StytchOutcome> {
  const outcome = fromStytch(response);
  if (outcome.status !== "selection_required") return outcome;
  const [only, ...others] = outcome.organizations;
  if (only === undefined || others.length > 0) return outcome;
  return selectOrganization(client, outcome.pending, only.id, context);
}
