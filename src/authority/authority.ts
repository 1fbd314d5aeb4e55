import { once } from "../lib/concurrency.ts";
import { readGiven } from "../lib/problems.ts";
import { createWarner, isProduction } from "../lib/warnings.ts";
import type { JsonWebKeySet, TokenProfile } from "../store.ts";
import { createTokenCheck, interpretSessionClaims } from "./access-token.ts";
import {
  type AuthenticateJwtInput,
  type AuthenticateJwtResult,
  type AuthenticateSessionInput,
  type AuthenticateSessionResult,
  authenticateJwt,
  authenticateSession,
} from "./authenticate-session.ts";
import type { AuthenticationResult } from "./authentication-result.ts";
import { type AuthorityStore, createAuthorityStore } from "./authority-store.ts";
import type { AuthorityContext } from "./context.ts";
import { checkedDirectory } from "./directory.ts";
import {
  type AcceptInvitationInput,
  type AcceptedInvitation,
  acceptInvitation,
} from "./accept-invitation.ts";
import { type AuthorityEvents, RecentInvalidations, createAuthorityEvents } from "./invalidations.ts";
import {
  type Invitation,
  type InvitationSummary,
  type InvitationsTarget,
  type InviteInput,
  type ReadableInvitation,
  type ResendOptions,
  invite,
  listInvitations,
  readInvitation,
  resendInvitation,
  revokeInvitation,
} from "./invitations.ts";
import { Issuer, type RotatedKey } from "./issuer.ts";
import { createStoredKeyRing, sharingOf } from "./key-ring.ts";
import { type AuthorityOptions, resolveSettings } from "./options.ts";
import { createRecords } from "./records.ts";
import { type AuthenticateWithRefreshTokenInput, authenticateWithRefreshToken } from "./renew.ts";
import { type ExchangeInput, type StepUpInput, exchangeSession, stepUp } from "./replace-session.ts";
import { type Repository, memoryRepository } from "./repository.ts";
import {
  type RevokeTarget,
  type SessionSummary,
  type SessionsTarget,
  listSessions,
  revoke,
} from "./revoke.ts";
import {
  type AuthenticateInput,
  type AuthenticateWithOrganizationSelectionInput,
  authenticate,
  authenticateWithOrganizationSelection,
} from "./sign-in.ts";
import { wireAccess } from "./wire-access.ts";

/**
 * A session authority in this process: it issues the tokens, keeps the sessions, rotates refresh tokens and serves the JWKS.
 *
 * It is a session store, ready for `orgate({ store })`. Every refusal is an `OrgateError` with a stable code. A failure of the
 * directory or the repository is a `StoreUnavailableError`, and never a refusal.
 */
export interface Authority<Role extends string = string> extends AuthorityStore {
  /**
   * Signs in a user whom the application has authenticated. With one membership it signs in at once, with none
   * without an organization.
   *
   * @throws `OrganizationSelectionRequiredError` for a user of several organizations, unless one is named or invited to;
   * `StepUpRequiredError` where the organization's rules or `signInRules` demand more; `organization_not_available`,
   * `sign_in_failed` (`user_not_found`, `invitation_invalid`, `invitation_cannot_be_used_for_email`), `invalid_request`,
   * `invalid_pending_authentication`, `session_too_large`
   */
  authenticate(input: AuthenticateInput): Promise<AuthenticationResult>;
  /**
   * Completes a pending authentication, once. A wrong choice or a failure does not spend the token. If the repository carries out the
   * write that spends it, and then does not answer again, the token is spent: the user signs in again.
   *
   * @throws `invalid_pending_authentication`, `StepUpRequiredError`, `organization_not_available`, `sign_in_failed`
   */
  authenticateWithOrganizationSelection(
    input: AuthenticateWithOrganizationSelectionInput,
  ): Promise<AuthenticationResult>;
  /**
   * Exchanges a refresh token for a new pair. A token that was exchanged before yields the same refresh token again, until that
   * one is in use and `refreshGrace` is over; after that it ends the session (RFC 9700 section 4.14.2).
   *
   * @throws `invalid_token`, `session_revoked` (`revoked`, `expired`, `idle`, `reuse_detected`, `membership_removed`,
   * `user_removed`), `reauthentication_required` for a session that does not meet the rules any more, `organization_not_available`
   */
  authenticateWithRefreshToken(input: AuthenticateWithRefreshTokenInput): Promise<AuthenticationResult>;
  /**
   * Authenticates a session JWT: locally while it is fresh, by the store if it is expired or too old.
   *
   * @throws `invalid_token`, `token_expired`, `session_revoked`, `reauthentication_required`, `permission_denied`,
   * `organization_mismatch`
   */
  authenticateJwt(input: AuthenticateJwtInput): Promise<AuthenticateJwtResult>;
  /** Authenticates a session token, always by the store. Throws like `authenticateJwt`. */
  authenticateSession(input: AuthenticateSessionInput): Promise<AuthenticateSessionResult>;
  /**
   * Continues a session in another organization under a new id; the old one ends in the same step.
   *
   * @throws `organization_not_available`, `StepUpRequiredError`, `session_revoked`, `invalid_token`, `token_expired`,
   * `invalid_request`
   */
  exchange(input: ExchangeInput): Promise<AuthenticationResult>;
  /** Adds a factor that the application has checked, under a new session id, and moves the time of authentication. */
  stepUp(input: StepUpInput): Promise<AuthenticationResult>;
  /**
   * Invites an e-mail address to an organization; needs `directory.addMembership`. Only roles of the policy are accepted.
   *
   * @throws `invalid_request` (`role_unknown`, `organization_not_found`, `already_member`, `invitations_not_allowed`,
   * `invitation_domain_not_allowed`)
   */
  invite(input: InviteInput<Role>): Promise<Invitation>;
  /** Reads a pending invitation for the page on which it is accepted, without spending it; `undefined` if the token is not good. */
  readInvitation(token: string): Promise<ReadableInvitation | undefined>;
  /** Lists the pending invitations, newest first. Pass one of `organizationId` and `emailAddress`. */
  listInvitations(target: InvitationsTarget): Promise<readonly InvitationSummary[]>;
  /** Issues a pending invitation again, with a new token. Throws like `invite`, and `invalid_request` (`invitation_not_found`). */
  resendInvitation(invitationId: string, options?: ResendOptions): Promise<Invitation>;
  /** Revokes a pending invitation. */
  revokeInvitation(invitationId: string): Promise<void>;
  /**
   * Accepts an invitation without signing in. Makes the user, by `directory.createUser`, where none has the address.
   *
   * @throws `sign_in_failed` (`invitation_invalid`, `invitation_cannot_be_used_for_email`, `user_not_found`)
   */
  acceptInvitation(input: AcceptInvitationInput): Promise<AcceptedInvitation>;
  /** Lists the live sessions of a user or of a member: pass exactly one of them. */
  listSessions(target: SessionsTarget): Promise<readonly SessionSummary[]>;
  /** Ends sessions. Pass one of `sessionId`, `memberId` (also sessions that act as another member by now) and `userId`. */
  revoke(target: RevokeTarget): Promise<void>;
  /** Returns the public keys (RFC 7517 section 5), for other services that verify the tokens. */
  jwks(): Promise<JsonWebKeySet>;
  /**
   * Makes a new key for every process. It is published at once, and signs as soon as every process has it: after 60 seconds, or at
   * once with a `memoryRepository` and with `keys`. The keys before it continue to verify until the last token they signed can no
   * longer renew: `accessTokenLifetime` + `expiredTokenRenewal` + 60 seconds. All keys are sealed anew by the newest
   * `keyEncryption`.
   */
  rotateKeys(): Promise<RotatedKey>;
  /** Stops listening and reporting; closes the repository unless it was passed in. */
  close(): Promise<void>;
}

/** The largest clock tolerance, in seconds, of a middleware that verifies the tokens. */
const MAX_CLOCK_TOLERANCE = 60;

/**
 * Makes a session authority. Synchronous: keys are made when they are first needed.
 *
 * @throws `ConfigurationError` with every mistake in the options
 */
export function createAuthority<Role extends string = string>(
  options: AuthorityOptions<Role>,
): Authority<Role> {
  return readGiven("createAuthority", () => makeAuthority(options));
}

function makeAuthority<Role extends string>(options: AuthorityOptions<Role>): Authority<Role> {
  const { clock, fleet, ...settings } = resolveSettings(options);
  const { accessTokenLifetime, expiredTokenRenewal } = settings;
  const retention = accessTokenLifetime + expiredTokenRenewal + MAX_CLOCK_TOLERANCE;
  const events = createAuthorityEvents(options.events);
  const repository = options.repository ?? memoryRepository({ clock });
  const records = createRecords(repository, { clock, events, timeout: fleet.repositoryTimeout });
  const ring = createStoredKeyRing({
    storage: records.keys,
    sharing: sharingOf(repository, options.repository === undefined),
    passwords: fleet.keyEncryption,
    refusesUnsealed: repository.durability === "shared",
    clock,
    events,
  });
  const issuer = new Issuer({ keys: options.keys, ring, retention, clock });
  const profile = createTokenProfile(issuer, settings.issuer);
  const invalidations = new RecentInvalidations({ clock, events }, accessTokenLifetime);
  const tokens = createTokenCheck(profile, { clock, events }, interpretSessionClaims);
  const context: AuthorityContext = {
    settings,
    clock,
    events,
    directory: checkedDirectory(options.directory, events),
    records,
    issuer,
    tokens,
    invalidations,
    policy: options.policy,
    signInRules: options.signInRules,
  };
  if (options.policy !== undefined) options.directory.acceptRoles?.(options.policy.roles);
  const closers: (() => void)[] = [];
  reportSetUp(options, fleet, { repository, events });
  const stopListening = options.directory.onChanged?.((change) => invalidations.announce(change));
  return {
    ...wireAccess({ context, onClose: (close) => void closers.push(close) }),
    ...createAuthorityStore(context, profile),
    authenticate: (input) => authenticate(context, input),
    authenticateWithOrganizationSelection: (input) => authenticateWithOrganizationSelection(context, input),
    authenticateWithRefreshToken: (input) => authenticateWithRefreshToken(context, input),
    authenticateJwt: (input) => authenticateJwt(context, input),
    authenticateSession: (input) => authenticateSession(context, input),
    exchange: (input) => exchangeSession(context, input),
    stepUp: (input) => stepUp(context, input),
    invite: (input) => invite(context, input),
    readInvitation: (token) => readInvitation(context, token),
    listInvitations: (target) => listInvitations(context, target),
    resendInvitation: (invitationId, resend) => resendInvitation(context, invitationId, resend),
    revokeInvitation: (invitationId) => revokeInvitation(context, invitationId),
    acceptInvitation: (input) => acceptInvitation(context, input),
    listSessions: (target) => listSessions(context, target),
    revoke: (target) => revoke(context, target),
    jwks: () => issuer.jwks(),
    rotateKeys: () => issuer.rotate(),
    close: once(async () => {
      stopListening?.();
      tokens.close();
      invalidations.close();
      for (const close of closers) close();
      if (options.repository === undefined) await records.close();
    }),
  };
}

/** Reports once what works, but not as it should in production. */
function reportSetUp(
  { keys }: Pick<AuthorityOptions, "keys">,
  { keyEncryption, warnings }: ReturnType<typeof resolveSettings>["fleet"],
  { repository, events }: { readonly repository: Repository; readonly events: AuthorityEvents },
): void {
  const { durability } = repository;
  const warn = createWarner();
  const report = (reason: string): void => {
    const event = { type: "misconfigured", reason } as const;
    events.emitToAll(event);
    if (warnings) warn(event);
  };
  const isUnsealed = durability === undefined && keys === undefined && keyEncryption === undefined;
  if (isUnsealed) report("keys_not_sealed");
  if (durability === "memory" && isProduction()) report("memory_in_production");
}

function createTokenProfile(issuer: Issuer, name: string): TokenProfile {
  return {
    keys: issuer.keySource,
    issuers: [name],
    get algorithms() {
      return issuer.algorithms;
    },
    types: ["JWT"],
    sessionClaim: "sid",
  };
}
