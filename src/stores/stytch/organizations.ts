import type { MemberSession, OrganizationChoice } from "../../model.ts";
import type {
  OrganizationsContext,
  PendingAuthentication,
  StaleCredential,
  StoreContext,
} from "../../store.ts";
import { SELECTION_ABORT_GRACE, asObject, refusedOutcome } from "../hosted-store.ts";
import type { VerifyJwt } from "./authenticate-jwt.ts";
import { challengeMember } from "./challenge.ts";
import { identityOf, interpretStytchClaims } from "./claims.ts";
import {
  STYTCH_TYPES,
  type StytchClient,
  type StytchReply,
  stytchRejected,
  stytchUnavailable,
} from "./client.ts";
import { type StytchOutcome, type StytchResponse, fromStytch, readChoices, readOutcome } from "./outcome.ts";
import { endStytchSession, secretOf } from "./sessions.ts";

/**
 * Lists the organizations that a member can be signed in to: by the intermediate session, or by the member's session.
 *
 * @throws StoreUnavailableError where Stytch does not list them.
 */
export async function listStytchOrganizations(
  client: StytchClient,
  of: PendingAuthentication | MemberSession,
  { credential, signal }: OrganizationsContext,
): Promise<OrganizationChoice[]> {
  const secret =
    "pendingAuthenticationToken" in of
      ? { intermediate_session_token: of.pendingAuthenticationToken }
      : credential && secretOf(credential);
  if (secret === undefined) throw stytchUnavailable("organizations_unknown");
  const reply = await client.post("/v1/b2b/discovery/organizations", secret, { signal });
  if (reply.status === "refused") {
    // What has expired offers nothing.
    if (STYTCH_TYPES.notPending.has(reply.type) || STYTCH_TYPES.ended.has(reply.type)) return [];
    throw stytchRejected(reply);
  }
  const choices = readChoices(reply.body["discovered_organizations"]);
  if (choices === undefined) throw stytchUnavailable("nonsense", reply.requestId);
  return choices;
}

/** Completes an intermediate session in the chosen organization. */
export async function selectStytchOrganization(
  client: StytchClient,
  { pendingAuthenticationToken }: PendingAuthentication,
  organizationId: string,
  { signal }: StoreContext,
): Promise<StytchOutcome> {
  const path = "/v1/b2b/discovery/intermediate_sessions/exchange";
  const body = {
    intermediate_session_token: pendingAuthenticationToken,
    organization_id: organizationId,
    session_duration_minutes: client.settings.sessionMinutes,
  };
  const reply = await client.post(path, body, { signal, abortGrace: SELECTION_ABORT_GRACE });
  if (reply.status === "refused" && STYTCH_TYPES.notPending.has(reply.type)) {
    return refusedOutcome("invalid_pending_authentication", reply.type);
  }
  return challengeMember(client, readExchange(reply, organizationId), signal);
}

/** Signs in a member of exactly one organization; all others must choose. */
export async function continueDiscovery(
  client: StytchClient,
  response: StytchResponse,
  context: StoreContext,
): Promise<StytchOutcome> {
  const outcome = fromStytch(response);
  if (outcome.status !== "selection_required") return outcome;
  const [only, ...others] = outcome.organizations;
  if (only === undefined || others.length > 0) return outcome;
  return selectStytchOrganization(client, outcome.pending, only.id, context);
}

/** Exchanges a session for one in another organization, and revokes the previous session. */
export async function switchStytchOrganization(
  client: StytchClient,
  verifyJwt: VerifyJwt,
  stale: StaleCredential,
  organizationId: string,
  context: StoreContext,
): Promise<StytchOutcome> {
  const secret = secretOf(stale);
  if (secret === undefined) return refusedOutcome("session_revoked", "no_session");
  const body = {
    ...secret,
    organization_id: organizationId,
    session_duration_minutes: client.settings.sessionMinutes,
  };
  const reply = await client.post("/v1/b2b/sessions/exchange", body, { signal: context.signal });
  // Other codes that end a session speak of the organization that was chosen.
  if (
    reply.status === "refused" &&
    (reply.type === "session_not_found" || STYTCH_TYPES.notOurs.has(reply.type))
  ) {
    return refusedOutcome("session_revoked", reply.type);
  }
  const outcome = readExchange(reply, organizationId);
  if (outcome.status !== "authenticated") return challengeMember(client, outcome, context.signal);
  const { credential } = outcome;
  // A new session that nobody could use must not cost the previous one.
  const verification = await verifyJwt(credential.accessToken);
  if (verification.status === "rejected") throw stytchUnavailable("issued_token");
  if (verification.status === "verified") {
    const issued = identityOf(verification.claims);
    const isSameMember = (credential.user?.id ?? issued.memberId) === issued.memberId;
    if (!isSameMember || issued.organizationId !== organizationId) throw stytchUnavailable("identity");
    if (verification.claims.exp <= client.settings.clock()) throw stytchUnavailable("issued_token");
    await endPrevious(client, stale, issued.sessionId, context);
  }
  // Fields that others sealed beside the session stay.
  return { ...outcome, credential: { ...stale.sealed, ...credential } };
}

async function endPrevious(
  client: StytchClient,
  { claims, sealed }: StaleCredential,
  newSessionId: string | undefined,
  context: StoreContext,
): Promise<void> {
  const sessionId = claims && interpretStytchClaims(claims, sealed)?.memberSession.id;
  if (sessionId === undefined || sessionId === newSessionId) return;
  // The new session exists: where the previous one cannot be revoked now, it expires by itself.
  await Promise.allSettled([endStytchSession(client, { sessionId }, context)]);
}

/** Reads the answer to an exchange of a session for one in the chosen organization. */
function readExchange(reply: StytchReply, organizationId: string): StytchOutcome {
  if (reply.status === "refused") {
    const { type, httpStatus } = reply;
    if (STYTCH_TYPES.stepUp.has(type))
      return { status: "step_up_required", reason: type, details: { organizationId } };
    // 403 and 404: the organization is not the member's, or does not exist.
    if (httpStatus === 403 || httpStatus === 404 || STYTCH_TYPES.noOrganization.has(type)) {
      return refusedOutcome("organization_not_available", type);
    }
    throw stytchRejected(reply);
  }
  const { body, requestId } = reply;
  const outcome = readOutcome(body);
  if (outcome === undefined) throw stytchUnavailable("nonsense", requestId);
  // Stytch also takes a slug or an external id; the choice was an id.
  const entered = asObject(body["organization"])?.["organization_id"];
  if (outcome.status === "authenticated" && entered !== organizationId) {
    throw stytchUnavailable("identity", requestId);
  }
  return outcome;
}
