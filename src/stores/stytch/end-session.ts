import type { EndSessionTarget, StoreContext } from "../session-store.ts";
import { ENDED } from "./error-types.ts";
import type { StytchClient } from "./stytch-client.ts";
import { trouble } from "./trouble.ts";

/** Revokes a session, or all of a member's. A session that is gone already is no trouble. */
export async function endSession(
  client: StytchClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  const body =
    "sessionId" in target ? { member_session_id: target.sessionId } : { member_id: target.memberId };
  const reply = await client.post("/v1/b2b/sessions/revoke", body, { signal });
  if (reply.status === "refused" && !ENDED.has(reply.type))
    throw trouble("request_rejected", reply.requestId);
  return {};
}
