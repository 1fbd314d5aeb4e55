import { OrgateError, type StepUpRequiredError, isOrgateError } from "../errors.ts";
import type { MemberSession, OrganizationChoice } from "../model.ts";
import type {
  InvitationView,
  Outcome,
  PendingAuthentication,
  SessionStore,
  StaleCredential,
  StoreContext,
  TokenProfile,
} from "../store.ts";
import { interpretSessionClaims } from "./access-token.ts";
import type { AuthenticationResult } from "./authentication-result.ts";
import type { AuthorityContext } from "./context.ts";
import { loadSubject, toProfile } from "./directory.ts";
import { readInvitation } from "./invitations.ts";
import type { AuthorityProfile } from "./members/profile.ts";
import type { SessionRecord } from "./records.ts";
import { assertNotAborted, isRenewable, readStaleSession, renewSession } from "./renew.ts";
import { replaceSession } from "./replace-session.ts";
import { revoke } from "./revoke.ts";
import { readLiveSession } from "./sessions.ts";
import {
  type AuthenticateWithOrganizationSelectionInput,
  authenticateWithOrganizationSelection,
  listOrganizationChoices,
  requirePending,
} from "./sign-in.ts";

type NotImplemented =
  | "credential"
  | "beginSignIn"
  | "completeSignIn"
  | "endPresented"
  | "logoutUrl"
  | "policy";

/** The session store that every authority is. It implements everything but a hosted sign-in page. */
export type AuthorityStore = SessionStore<AuthorityProfile> &
  Required<Omit<SessionStore<AuthorityProfile>, NotImplemented | symbol>>;

/** Makes the session store's side of an authority. */
export function createAuthorityStore(context: AuthorityContext, tokens: TokenProfile): AuthorityStore {
  const { settings, policy, invalidations, events } = context;
  return {
    tokens,
    capabilities: {
      factors: true,
      authenticationTime: true,
      impersonation: true,
      renewsBareToken: settings.expiredTokenRenewal > 0,
      renewalSpends: "expired",
    },
    interpret: (claims) => interpretSessionClaims(claims),
    renew: (stale, renewal) => renewSession(context, stale, renewal),
    organizations: (of, { signal }) => offerOrganizations(context, of, signal),
    selectOrganization: (pending, organizationId, origin) =>
      selectOrganization(context, pending, organizationId, origin),
    switchOrganization: (stale, organizationId, origin) =>
      switchOrganization(context, stale, organizationId, origin),
    describeInvitation: (token, { signal }) => describeInvitation(context, token, signal),
    joinOrganization: (of, invitationToken, origin) => joinOrganization(context, of, invitationToken, origin),
    async endSession(target, { signal }) {
      assertNotAborted(signal);
      await revoke(context, target, events.own);
      return {};
    },
    ...(policy !== undefined && { policy: async () => policy }),
    profile: (of, { signal }) => readProfile(context, of, signal),
    async ping({ signal }) {
      assertNotAborted(signal);
      await context.records.ping();
    },
    onInvalidated: (listener) => invalidations.listen(listener),
    hearInvalidation: (target) => invalidations.hear(target),
    onEvent: (listener) => events.listen(listener),
  };
}

async function offerOrganizations(
  context: AuthorityContext,
  of: PendingAuthentication | MemberSession,
  signal: AbortSignal,
): Promise<OrganizationChoice[]> {
  assertNotAborted(signal);
  const { userId } =
    "pendingAuthenticationToken" in of
      ? await requirePending(context, of.pendingAuthenticationToken)
      : (await readLiveSession(context, of.id)).value;
  return listOrganizationChoices(context, userId);
}

async function selectOrganization(
  context: AuthorityContext,
  { pendingAuthenticationToken }: PendingAuthentication,
  organizationId: string,
  { signal, ipAddress, userAgent }: StoreContext,
): Promise<Outcome> {
  assertNotAborted(signal);
  const selection = { pendingAuthenticationToken, organizationId, ipAddress, userAgent };
  return toOutcome(authenticateWithOrganizationSelection(context, selection));
}

async function switchOrganization(
  context: AuthorityContext,
  stale: StaleCredential,
  organizationId: string,
  { signal, ipAddress, userAgent }: StoreContext,
): Promise<Outcome> {
  assertNotAborted(signal);
  const named = readStaleSession(stale);
  if (named === undefined || !isRenewable(context, stale, named)) {
    return { status: "refused", code: "session_revoked", reason: "credential_mismatch" };
  }
  return toOutcome(replaceSession(context, named, { organizationId, request: { ipAddress, userAgent } }));
}

async function describeInvitation(
  context: AuthorityContext,
  token: string,
  signal: AbortSignal,
): Promise<InvitationView | undefined> {
  assertNotAborted(signal);
  const invitation = await readInvitation(context, token);
  if (invitation === undefined) return undefined;
  const { organizationId, organizationName, emailAddress, expiresAt } = invitation;
  return { organization: { id: organizationId, name: organizationName }, emailAddress, expiresAt };
}

/** Accepts an invitation for the user who is signing in or signed in, and continues in its organization. */
async function joinOrganization(
  context: AuthorityContext,
  of: PendingAuthentication | StaleCredential,
  invitationToken: string,
  { signal, ipAddress, userAgent }: StoreContext,
): Promise<Outcome> {
  assertNotAborted(signal);
  const origin = { ipAddress, userAgent };
  if ("pendingAuthenticationToken" in of) {
    const { pendingAuthenticationToken } = of;
    return toOutcome(acceptPending(context, { ...origin, pendingAuthenticationToken, invitationToken }));
  }
  const named = readStaleSession(of);
  if (named === undefined || !isRenewable(context, of, named)) {
    return { status: "refused", code: "session_revoked", reason: "credential_mismatch" };
  }
  return toOutcome(replaceSession(context, named, { invitationToken, request: origin }));
}

async function acceptPending(
  context: AuthorityContext,
  input: Omit<AuthenticateWithOrganizationSelectionInput, "organizationId"> & {
    readonly invitationToken: string;
  },
): Promise<AuthenticationResult> {
  const invitation = await readInvitation(context, input.invitationToken);
  if (invitation === undefined) throw new OrgateError("sign_in_failed", { reason: "invitation_invalid" });
  const { organizationId } = invitation;
  return authenticateWithOrganizationSelection(context, { ...input, organizationId });
}

async function readProfile(
  context: AuthorityContext,
  of: StaleCredential,
  signal: AbortSignal,
): Promise<AuthorityProfile | undefined> {
  assertNotAborted(signal);
  const named = readStaleSession(of);
  const record = named && (await readUnlessEnded(context, named.sessionId));
  if (record === undefined) return undefined;
  const claimed = of.claims === undefined ? record.organizationId : of.claims["org_id"];
  const organizationId = typeof claimed === "string" ? claimed : undefined;
  const subject = await loadSubject(context, record.userId, organizationId, record.authenticationFactors);
  return typeof subject === "string" ? undefined : toProfile(subject);
}

async function readUnlessEnded(
  context: AuthorityContext,
  sessionId: string,
): Promise<SessionRecord | undefined> {
  try {
    return (await readLiveSession(context, sessionId)).value;
  } catch (error) {
    if (isOrgateError(error) && error.code === "session_revoked") return undefined;
    throw error;
  }
}

/** Turns a refusal into an outcome; everything else stays as it was thrown. */
async function toOutcome(authentication: Promise<AuthenticationResult>): Promise<Outcome> {
  try {
    const {
      memberSession: _session,
      member: _member,
      organization: _organization,
      ...credential
    } = await authentication;
    return { status: "authenticated", credential };
  } catch (error) {
    const outcome = isOrgateError(error) ? (toStepUp(error) ?? toRefusal(error)) : undefined;
    if (outcome === undefined) throw error;
    return outcome;
  }
}

function toStepUp(error: OrgateError): Outcome | undefined {
  if (error.code !== "reauthentication_required") return undefined;
  const { reason, details, pendingAuthenticationToken: token }: Partial<StepUpRequiredError> = error;
  return {
    status: "step_up_required",
    reason: reason ?? error.code,
    ...(details !== undefined && { details }),
    ...(token !== undefined && { pending: { pendingAuthenticationToken: token } }),
  };
}

function toRefusal({ code, reason }: OrgateError): Outcome | undefined {
  switch (code) {
    case "organization_not_available":
    case "invalid_pending_authentication":
    case "sign_in_failed":
    case "session_revoked":
      return { status: "refused", code, ...(reason !== undefined && { reason }) };
    // What cannot be the id of any organization is not one of the user's.
    case "invalid_request":
      return { status: "refused", code: "organization_not_available" };
    case "invalid_token":
      return { status: "refused", code: "session_revoked", reason: "credential_mismatch" };
    default:
      return undefined;
  }
}
