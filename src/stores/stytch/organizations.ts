import type { JsonObject } from "../../lib/json-body.ts";
import { isObject } from "../../lib/predicates.ts";
import type { MemberSession, OrganizationChoice } from "../../model.ts";
import type {
  OrganizationsContext,
  PendingAuthentication,
  SealedSession,
  StaleCredential,
  StoreContext,
} from "../../store.ts";
import type { TokenVerifier } from "../../tokens/verify-token.ts";
import { identityOf, interpretClaims, peekIdentity } from "./claims.ts";
import {
  ENDED,
  NOT_OURS,
  NOT_PENDING,
  STEP_UP,
  type StytchClient,
  type StytchReply,
  trouble,
} from "./client.ts";
import { type StytchOutcome, readChoices, readOutcome, refuse } from "./outcome.ts";
import { endSession, secretOf } from "./sessions.ts";

/** What a switch works with. */
export interface SwitchDesk {
  readonly client: StytchClient;
  readonly verifier: TokenVerifier;
}

/** Seconds for which a choice goes on when nobody waits: made again, it finds the intermediate session spent. */
const SELECTION_LINGER = 20;

/**
 * Lists the organizations that somebody can be signed in to: by their intermediate session, or by the session they have.
 *
 * @throws StoreUnavailableError where Stytch says nothing of them.
 */
export async function listOrganizations(
  client: StytchClient,
  of: PendingAuthentication | MemberSession,
  { credential, signal }: OrganizationsContext,
): Promise<OrganizationChoice[]> {
  const secret =
    "pendingAuthenticationToken" in of
      ? { intermediate_session_token: of.pendingAuthenticationToken }
      : credential && secretOf(credential);
  if (secret === undefined) throw trouble("organizations_unknown");
  const reply = await client.post("/v1/b2b/discovery/organizations", secret, { signal });
  if (reply.status === "refused") {
    // Whatever has lapsed offers nothing.
    if (NOT_PENDING.has(reply.type) || ENDED.has(reply.type)) return [];
    throw trouble("request_rejected", reply.requestId);
  }
  const choices = readChoices(reply.body["discovered_organizations"]);
  if (choices === undefined) throw trouble("nonsense", reply.requestId);
  return choices;
}

/** Completes an intermediate session in the organization chosen. */
export async function selectOrganization(
  client: StytchClient,
  { pendingAuthenticationToken }: PendingAuthentication,
  organizationId: string,
  { signal }: StoreContext,
): Promise<StytchOutcome> {
  const body = {
    intermediate_session_token: pendingAuthenticationToken,
    organization_id: organizationId,
    ...durationOf(client),
  };
  const path = "/v1/b2b/discovery/intermediate_sessions/exchange";
  const reply = await client.post(path, body, { signal, abortGrace: SELECTION_LINGER });
  if (reply.status === "refused" && NOT_PENDING.has(reply.type)) {
    return refuse("invalid_pending_authentication", reply.type);
  }
  return readExchange(reply, organizationId);
}

/** Exchanges a session for one in another organization, and revokes the one before it. */
export async function switchOrganization(
  desk: SwitchDesk,
  stale: StaleCredential,
  organizationId: string,
  context: StoreContext,
): Promise<StytchOutcome> {
  const { client } = desk;
  const secret = secretOf(stale);
  if (secret === undefined) return refuse("session_revoked", "no_session");
  const body = { ...secret, organization_id: organizationId, ...durationOf(client) };
  const reply = await client.post("/v1/b2b/sessions/exchange", body, { signal: context.signal });
  const isOver = reply.status === "refused" && (SESSION_GONE.has(reply.type) || NOT_OURS.has(reply.type));
  if (isOver) return refuse("session_revoked", reply.type);
  const outcome = readExchange(reply, organizationId);
  if (outcome.status !== "authenticated") return outcome;
  const isUsable = await checkIssued(desk, outcome.credential, organizationId);
  if (isUsable) await endPrevious(client, stale, outcome.credential.accessToken, context);
  // What others sealed beside the session stays.
  return { ...outcome, credential: { ...stale.sealed, ...outcome.credential } };
}

/** Of what ends a session, what does not speak of the organization asked for. */
const SESSION_GONE: ReadonlySet<string> = new Set(["session_not_found"]);

/**
 * A session that nobody could use must not cost the one that there is.
 *
 * @returns `false` where that cannot be known, for want of keys.
 */
async function checkIssued(
  { client, verifier }: SwitchDesk,
  { accessToken, user }: SealedSession,
  organizationId: string,
): Promise<boolean> {
  const verification = await verifier.verify(accessToken);
  if (verification.status === "unavailable") return false;
  if (verification.status !== "verified") throw trouble("issued_token");
  const { claims } = verification;
  const found = identityOf(claims);
  const isTheirs = user === undefined || user.id === found.memberId;
  if (!isTheirs || found.organizationId !== organizationId) throw trouble("identity");
  if (claims.exp <= client.settings.clock()) throw trouble("issued_token");
  return true;
}

/** The new session is there, whatever becomes of the old one: where Stytch cannot end it now, its own end does. */
async function endPrevious(
  client: StytchClient,
  { claims, sealed }: StaleCredential,
  newToken: string,
  context: StoreContext,
): Promise<void> {
  const sessionId = claims && interpretClaims(claims, sealed)?.memberSession.id;
  if (sessionId === undefined || sessionId === peekIdentity(newToken).sessionId) return;
  await endSession(client, { sessionId }, context).catch(() => undefined);
}

function readExchange(reply: StytchReply, organizationId: string): StytchOutcome {
  if (reply.status === "refused") {
    const { type, httpStatus, requestId } = reply;
    if (STEP_UP.has(type)) return { status: "step_up_required", reason: type, details: { organizationId } };
    // 403 and 404: this organization is none of theirs, or none at all.
    if (httpStatus === 403 || httpStatus === 404 || NO_ORGANIZATION.has(type)) {
      return refuse("organization_not_available", type);
    }
    throw trouble("request_rejected", requestId);
  }
  const outcome = readOutcome(reply.body);
  if (outcome === undefined) throw trouble("nonsense", reply.requestId);
  // Stytch takes a slug or an external id for an id; the choice was of an id.
  if (outcome.status === "authenticated" && organizationOf(reply.body) !== organizationId) {
    throw trouble("identity", reply.requestId);
  }
  return outcome;
}

const NO_ORGANIZATION: ReadonlySet<string> = new Set([
  "invalid_organization_id",
  "organization_not_found",
  "invalid_email_for_jit_provisioning",
  "invalid_oauth_tenant_for_jit_provisioning",
  "invalid_connection_for_jit_provisioning",
  "invalid_email_for_invites",
]);

function organizationOf({ organization }: JsonObject): unknown {
  return isObject(organization) ? organization["organization_id"] : undefined;
}

function durationOf({ settings: { sessionMinutes } }: StytchClient): JsonObject {
  return sessionMinutes === undefined ? {} : { session_duration_minutes: sessionMinutes };
}
