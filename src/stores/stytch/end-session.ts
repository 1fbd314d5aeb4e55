import type { EndSessionTarget, PresentedEnd } from "../session-ending.ts";
import type { StaleCredential, StoreContext } from "../session-store.ts";
import { authenticateSession } from "./authenticate-session.ts";
import { ENDED, NOT_OURS } from "./error-types.ts";
import { identityOf, peekIdentity } from "./peek-claims.ts";
import { secretOf } from "./renew-credential.ts";
import type { StytchClient, StytchReply } from "./stytch-client.ts";
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

/** Revokes the session that a session token, or a JWT, is of; or, once Stytch has said whose it is, all of the member's. */
export async function endPresented(
  client: StytchClient,
  of: StaleCredential,
  scope: "session" | "member",
  context: StoreContext,
): Promise<PresentedEnd> {
  const secret = secretOf(of);
  if (secret === undefined) return { status: "unknown" };
  const { signal } = context;
  if (scope === "session") {
    const reply = await client.post("/v1/b2b/sessions/revoke", { ...secret }, { signal });
    return reply.status === "refused" ? readRefusal(reply) : { status: "ended" };
  }
  const identity = of.claims === undefined ? peekIdentity(of.accessToken) : identityOf(of.claims);
  const verdict = await authenticateSession(client, { secret, identity, changes: {}, signal });
  if (verdict.status === "refused") return readRefusal(verdict);
  const { id: sessionId, memberId } = verdict.answer.memberSession;
  await endSession(client, { memberId }, context);
  return { status: "ended", sessionId, memberId };
}

function readRefusal({ type, requestId }: Extract<StytchReply, { status: "refused" }>): PresentedEnd {
  if (ENDED.has(type) || NOT_OURS.has(type)) return { status: "unknown" };
  throw trouble("request_rejected", requestId);
}
