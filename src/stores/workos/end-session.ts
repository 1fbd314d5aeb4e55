import type { EndSessionTarget } from "../session-ending.ts";
import type { StoreContext } from "../session-store.ts";
import { listPages } from "./list-pages.ts";
import { isText } from "./shape.ts";
import { trouble } from "./trouble.ts";
import type { WorkosClient } from "./workos-client.ts";

const AT_ONCE = 10;

/**
 * Revokes a session, or all of a user's. A session that is gone already is no trouble.
 *
 * @returns where the browser goes so that AuthKit forgets it too, if that is configured.
 */
export async function endSession(
  client: WorkosClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  if ("sessionId" in target) {
    await revoke(client, target.sessionId, signal);
    return toRedirect(client, target.sessionId);
  }
  const path = `/user_management/users/${encodeURIComponent(target.memberId)}/sessions`;
  const sessions = (await listPages(client, path, {}, signal)) ?? [];
  const live = sessions.flatMap(({ id, status }) => (isText(id) && status !== "revoked" ? [id] : []));
  for (let start = 0; start < live.length; start += AT_ONCE) {
    const some = live.slice(start, start + AT_ONCE);
    // oxlint-disable-next-line no-await-in-loop -- a few at once, not all
    await Promise.all(some.map((sessionId) => revoke(client, sessionId, signal)));
  }
  return {};
}

async function revoke(client: WorkosClient, sessionId: string, signal: AbortSignal): Promise<void> {
  const path = "/user_management/sessions/revoke";
  const { httpStatus } = await client.call("POST", path, { signal }, { session_id: sessionId });
  // 400 and 404: there is no such session to revoke any more.
  if (httpStatus >= 300 && httpStatus !== 400 && httpStatus !== 404) throw trouble("request_rejected");
}

function toRedirect({ settings }: WorkosClient, sessionId: string): { readonly redirectTo?: string } {
  const { logout, baseUrl } = settings;
  if (logout === undefined) return {};
  const { returnTo } = logout;
  const query = new URLSearchParams({
    session_id: sessionId,
    ...(returnTo !== undefined && { return_to: returnTo }),
  });
  return { redirectTo: `${baseUrl}/user_management/sessions/logout?${query.toString()}` };
}
