import { isText } from "../../lib/predicates.ts";
import { readUnverifiedClaims } from "../../lib/unverified-claims.ts";
import type { EndSessionTarget, PresentedEnd, StaleCredential, StoreContext } from "../../store.ts";
import { type WorkosClient, fetchList, workosUnavailable } from "./client.ts";

const MAX_CONCURRENT = 10;

/**
 * Revokes a session, or all sessions of a user. A session that does not exist any more counts as revoked.
 *
 * @returns where the browser must go so that AuthKit forgets it too, if that is configured.
 */
export async function endWorkosSession(
  client: WorkosClient,
  target: EndSessionTarget,
  { signal }: StoreContext,
): Promise<{ readonly redirectTo?: string }> {
  if ("sessionId" in target) {
    await revoke(client, target.sessionId, signal);
    return logoutRedirect(client, target.sessionId);
  }
  const path = `/user_management/users/${encodeURIComponent(target.memberId)}/sessions`;
  const sessions = (await fetchList(client, path, signal)) ?? [];
  const live = sessions.flatMap(({ id, status }) => (isText(id) && status !== "revoked" ? [id] : []));
  for (let start = 0; start < live.length; start += MAX_CONCURRENT) {
    const batch = live.slice(start, start + MAX_CONCURRENT);
    // oxlint-disable-next-line no-await-in-loop -- one batch after the other
    await Promise.all(batch.map((sessionId) => revoke(client, sessionId, signal)));
  }
  return {};
}

/** Ends the session in an authentic seal whose token's key is no longer known. */
export async function endPresentedToWorkos(
  client: WorkosClient,
  { sealed, accessToken }: StaleCredential,
  scope: "session" | "member",
  context: StoreContext,
): Promise<PresentedEnd> {
  const { sub: memberId, sid: sessionId } = sealed === undefined ? {} : readUnverifiedClaims(accessToken);
  if (!isText(memberId) || !isText(sessionId)) return { status: "unknown" };
  const target = scope === "member" ? { memberId } : { sessionId };
  return { status: "ended", sessionId, memberId, ...(await endWorkosSession(client, target, context)) };
}

async function revoke(client: WorkosClient, sessionId: string, signal: AbortSignal): Promise<void> {
  const path = "/user_management/sessions/revoke";
  const { httpStatus } = await client.call({ method: "POST", path, body: { session_id: sessionId }, signal });
  // 400 and 404: the session does not exist any more.
  if (httpStatus >= 300 && httpStatus !== 400 && httpStatus !== 404)
    throw workosUnavailable("request_rejected");
}

function logoutRedirect({ settings }: WorkosClient, sessionId: string): { readonly redirectTo?: string } {
  const { logout, baseUrl } = settings;
  if (logout === undefined) return {};
  const url = new URL(`${baseUrl}/user_management/sessions/logout`);
  url.searchParams.set("session_id", sessionId);
  if (logout.returnTo !== undefined) url.searchParams.set("return_to", logout.returnTo);
  return { redirectTo: url.href };
}
