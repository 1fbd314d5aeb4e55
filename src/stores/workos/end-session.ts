import type { EndSessionTarget, PresentedEnd } from "../session-ending.ts";
import type { StaleCredential, StoreContext } from "../session-store.ts";
import { listPages } from "./list-pages.ts";
import { peekClaims } from "./peek-claims.ts";
import { isText } from "../shape.ts";
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

/** Ends what a good seal holds though its token's key is known no longer: the seal vouches for the ids in it. */
export async function endPresented(
  client: WorkosClient,
  { sealed, accessToken }: StaleCredential,
  scope: "session" | "member",
  context: StoreContext,
): Promise<PresentedEnd> {
  const { sub: memberId, sid: sessionId } = sealed === undefined ? {} : peekClaims(accessToken);
  if (memberId === undefined || sessionId === undefined) return { status: "unknown" };
  const target = scope === "member" ? { memberId } : { sessionId };
  return { status: "ended", sessionId, memberId, ...(await endSession(client, target, context)) };
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
