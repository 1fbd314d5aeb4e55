import { isOrgateError } from "../errors.ts";
import type { MemberSession, OrganizationChoice } from "../model.ts";
import type {
  Capabilities,
  EndSessionTarget,
  Outcome,
  PendingAuthentication,
  Profile,
  SessionStore,
  StaleCredential,
  StoreContext,
  TokenProfile,
} from "../store.ts";
import { interpretClaims } from "./access-token.ts";
import type { AuthenticationResult } from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import type { AuthorityOptions } from "./options.ts";
import { assertInTime, isRenewable, nameSession, renewCredential } from "./renew.ts";
import { replaceSession } from "./replace-session.ts";
import { toCredential } from "./results.ts";
import { revoke } from "./revoke.ts";
import { readLiveSession } from "./sessions.ts";
import { authenticateWithOrganizationSelection, listOrganizations, readPending } from "./sign-in.ts";
import { loadSubject, toFullMember, toFullOrganization } from "./subject.ts";

/** The session store that every authority is: what it cannot do is only to send browsers to a sign-in page of its own. */
export type AuthorityStore = SessionStore &
  Required<
    Pick<
      SessionStore,
      | "organizations"
      | "selectOrganization"
      | "switchOrganization"
      | "endSession"
      | "profile"
      | "onInvalidated"
      | "onEvent"
    >
  >;

/** Makes the session store's side of an authority. */
export function createAuthorityStore(
  context: AuthorityContext,
  tokens: TokenProfile,
  policy: AuthorityOptions["policy"],
): AuthorityStore {
  const capabilities: Capabilities = {
    factors: true,
    authenticationTime: true,
    impersonation: true,
    renewsBareToken: context.settings.expiredTokenRenewal > 0,
  };
  return {
    tokens,
    capabilities,
    interpret: (claims) => interpretClaims(claims),
    renew: (stale, renewal) => renewCredential(context, stale, renewal),
    organizations: (of, { signal }) => offerOrganizations(context, of, signal),
    selectOrganization: (pending, organizationId, origin) =>
      selectOrganization(context, pending, { organizationId, origin }),
    switchOrganization: (stale, organizationId, origin) =>
      switchOrganization(context, stale, { organizationId, origin }),
    endSession: (target, { signal }) => endSession(context, target, signal),
    ...(policy !== undefined && { policy: async () => policy }),
    profile: (of, { signal }) => readProfile(context, of, signal),
    onInvalidated: (listener) => context.invalidations.listen(listener),
    onEvent: (listener) => context.events.listen(listener),
  };
}

async function offerOrganizations(
  context: AuthorityContext,
  of: PendingAuthentication | MemberSession,
  signal: AbortSignal,
): Promise<OrganizationChoice[]> {
  assertInTime(signal);
  const { userId } =
    "pendingAuthenticationToken" in of
      ? await readPending(context, of.pendingAuthenticationToken)
      : (await readLiveSession(context, of.id)).record;
  return listOrganizations(context, userId);
}

async function selectOrganization(
  context: AuthorityContext,
  { pendingAuthenticationToken }: PendingAuthentication,
  { organizationId, origin }: { organizationId: string; origin: StoreContext },
): Promise<Outcome> {
  assertInTime(origin.signal);
  const { ipAddress, userAgent } = origin;
  const selection = { pendingAuthenticationToken, organizationId, ipAddress, userAgent };
  return toOutcome(authenticateWithOrganizationSelection(context, selection));
}

async function switchOrganization(
  context: AuthorityContext,
  stale: StaleCredential,
  { organizationId, origin }: { organizationId: string; origin: StoreContext },
): Promise<Outcome> {
  assertInTime(origin.signal);
  const named = nameSession(stale);
  if (named === undefined || !isRenewable(context, stale, named)) {
    return { status: "refused", code: "session_revoked", reason: "credential_mismatch" };
  }
  const { ipAddress, userAgent } = origin;
  const session = { ...named, userId: stale.claims?.sub ?? stale.sealed?.user?.id };
  return toOutcome(replaceSession(context, session, { organizationId, request: { ipAddress, userAgent } }));
}

async function endSession(
  context: AuthorityContext,
  target: EndSessionTarget,
  signal: AbortSignal,
): Promise<Record<string, never>> {
  assertInTime(signal);
  await revoke(context, target, context.events.own);
  return {};
}

async function readProfile(
  context: AuthorityContext,
  of: StaleCredential,
  signal: AbortSignal,
): Promise<Profile | undefined> {
  assertInTime(signal);
  const named = nameSession(of);
  if (named === undefined) return undefined;
  const record = await readLiveSession(context, named.sessionId).then(
    (found) => found.record,
    (error: unknown) => ignoreEnding(error),
  );
  if (record === undefined) return undefined;
  const organizationId =
    of.claims?.["org_id"] ?? (of.claims === undefined ? record.organizationId : undefined);
  const subject = await loadSubject(
    context.directory,
    record.userId,
    typeof organizationId === "string" ? organizationId : undefined,
  );
  if (typeof subject === "string") return undefined;
  const organization = toFullOrganization(subject);
  return { member: toFullMember(subject), ...(organization !== undefined && { organization }) };
}

function ignoreEnding(error: unknown): undefined {
  if (isOrgateError(error) && error.code === "session_revoked") return undefined;
  throw error;
}

/** A refusal is an outcome; everything else stays what it was thrown as. */
async function toOutcome(result: Promise<AuthenticationResult>): Promise<Outcome> {
  try {
    return { status: "authenticated", credential: toCredential(await result) };
  } catch (error) {
    if (!isOrgateError(error)) throw error;
    const reason = error.reason === undefined ? {} : { reason: error.reason };
    switch (error.code) {
      case "organization_not_available":
      case "invalid_pending_authentication":
      case "sign_in_failed":
      case "session_revoked":
        return { status: "refused", code: error.code, ...reason };
      // What cannot be the id of any organization is none of theirs.
      case "invalid_request":
        return { status: "refused", code: "organization_not_available" };
      case "invalid_token":
        return { status: "refused", code: "session_revoked", reason: "credential_mismatch" };
      default:
        throw error;
    }
  }
}
