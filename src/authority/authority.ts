import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor } from "../model.ts";
import type { JsonWebKeySet, TokenProfile } from "../store.ts";
import { authenticateJwt, authenticateSession, createTokenCheck } from "./authenticate-jwt.ts";
import { type AuthorityStore, createAuthorityStore } from "./authority-store.ts";
import { dependOnDirectory, dependOnRepository } from "./directory.ts";
import { invite } from "./invitations.ts";
import { createIssuer } from "./issuer.ts";
import type {
  AuthenticateInput,
  AuthenticateJwtInput,
  AuthenticateJwtResult,
  AuthenticateSessionInput,
  AuthenticateSessionResult,
  AuthenticateWithOrganizationSelectionInput,
  AuthenticateWithRefreshTokenInput,
  AuthenticationResult,
  ExchangeInput,
  Invitation,
  InviteInput,
  RevokeTarget,
  SessionSummary,
  SessionsTarget,
  StepUpInput,
} from "./operations.ts";
import {
  type AuthorityContext,
  type AuthorityOptions,
  type AuthoritySettings,
  resolveSettings,
} from "./options.ts";
import { authenticateWithRefreshToken } from "./renew.ts";
import { exchangeSession, stepUp } from "./replace-session.ts";
import { memoryRepository } from "./repository.ts";
import { createAuthorityEvents, createRecentInvalidations, listSessions, revoke } from "./revoke.ts";
import { authenticate, authenticateWithOrganizationSelection } from "./sign-in.ts";
import type { StytchRouterOptions } from "./wire/stytch/stytch-options.ts";
import { type StytchRouter, createStytchRouter } from "./wire/stytch/stytch-router.ts";
import type { WorkosRouterOptions } from "./wire/workos/workos-options.ts";
import { type WorkosRouter, createWorkosRouter } from "./wire/workos/workos-router.ts";

/**
 * A session authority in this process: it issues the tokens, keeps the sessions, rotates refresh tokens and serves the JWKS.
 *
 * It is a session store, ready for `orgate({ store })`. Every refusal is an `OrgateError` with a stable code;
 * trouble of the directory or the repository is a `StoreUnavailableError`, and never a refusal.
 */
export interface Authority extends AuthorityStore {
  /**
   * Signs in a user whom the application has authenticated. A single membership signs in at once, none signs in without an
   * organization.
   *
   * @throws `OrganizationSelectionRequiredError` for a user of several organizations, unless one is named or invited to;
   * `organization_not_available`, `sign_in_failed` (`user_not_found`, `invitation_invalid`,
   * `invitation_cannot_be_used_for_email`), `invalid_request`, `session_too_large`
   */
  authenticate(input: AuthenticateInput): Promise<AuthenticationResult>;
  /**
   * Completes a pending authentication, once. A wrong choice, or trouble, does not spend the token.
   *
   * @throws `invalid_pending_authentication`, `organization_not_available`, `sign_in_failed`
   */
  authenticateWithOrganizationSelection(
    input: AuthenticateWithOrganizationSelectionInput,
  ): Promise<AuthenticationResult>;
  /**
   * Exchanges a refresh token for a new pair; a lost answer is given again, a token kept for too long ends the session
   * (RFC 9700 section 4.14.2).
   *
   * @throws `invalid_token`, `session_revoked` (`revoked`, `expired`, `idle`, `reuse_detected`, `membership_removed`,
   * `user_removed`), `organization_not_available`
   */
  authenticateWithRefreshToken(input: AuthenticateWithRefreshTokenInput): Promise<AuthenticationResult>;
  /**
   * Authenticates a session JWT: locally while it is fresh, by the store when it is expired or too old.
   *
   * @throws `invalid_token`, `token_expired`, `session_revoked`, `permission_denied`, `organization_mismatch`
   */
  authenticateJwt(input: AuthenticateJwtInput): Promise<AuthenticateJwtResult>;
  /** Authenticates a session token, always by the store. Throws like `authenticateJwt`. */
  authenticateSession(input: AuthenticateSessionInput): Promise<AuthenticateSessionResult>;
  /**
   * Continues a session in another organization under a new id; the old one ends in the same step.
   *
   * @throws `organization_not_available`, `session_revoked`, `invalid_token`, `token_expired`, `invalid_request`
   */
  exchange(input: ExchangeInput): Promise<AuthenticationResult>;
  /** Adds a factor that the application has checked, under a new session id, and moves the time of authentication. */
  stepUp(input: StepUpInput): Promise<AuthenticationResult>;
  /** Invites an e-mail address to an organization; needs `directory.addMembership`. */
  invite(input: InviteInput): Promise<Invitation>;
  /** Live sessions of a user, or of a member: exactly one of them. */
  listSessions(target: SessionsTarget): Promise<readonly SessionSummary[]>;
  /** Ends sessions: exactly one of `sessionId`, `memberId` (also those that act elsewhere by now) and `userId`. */
  revoke(target: RevokeTarget): Promise<void>;
  /** The public keys (RFC 7517 section 5), for others who verify the tokens. */
  jwks(): Promise<JsonWebKeySet>;
  /**
   * Puts a new key in force. Those before it go on verifying until the last token they signed has expired and may no longer
   * renew: `accessTokenLifetime` + `expiredTokenRenewal` + 60 seconds.
   */
  rotateKeys(): Promise<{ readonly kid: string }>;
  /** Middleware that serves the authority to WorkOS's SDKs. Throws `ConfigurationError`. */
  workosRouter(options: WorkosRouterOptions): WorkosRouter;
  /** Middleware that serves the authority to Stytch's B2B SDKs. Throws `ConfigurationError`. */
  stytchRouter(options: StytchRouterOptions): StytchRouter;
  /** Stops listening and telling; closes the repository unless it was passed in. */
  close(): Promise<void>;
}

/** The largest tolerance of a middleware that verifies the tokens. */
const MAX_CLOCK_TOLERANCE = 60;

/**
 * Makes a session authority. Synchronous: keys are made when they are first needed.
 *
 * @throws `ConfigurationError` with every mistake in the options
 */
export function createAuthority(options: AuthorityOptions): Authority {
  const context = createContext(options);
  const profile = profileOf(context);
  const tokens = createTokenCheck(profile, context);
  const { policy } = options;
  const tools = { tokens, policy };
  const closers: (() => void)[] = [];
  const onClose = (close: () => void): unknown => closers.push(close);
  const stopHearing = options.directory.onChanged?.((change) => context.invalidations.announce(change));
  return {
    ...createAuthorityStore(context, profile, policy),
    authenticate: (input) => authenticate(context, input),
    authenticateWithOrganizationSelection: (input) => authenticateWithOrganizationSelection(context, input),
    authenticateWithRefreshToken: (input) => authenticateWithRefreshToken(context, input),
    authenticateJwt: (input) => authenticateJwt(context, tools, input),
    authenticateSession: (input) => authenticateSession(context, tools, input),
    exchange: (input) => exchangeSession(context, tokens, input),
    stepUp: (input) => stepUp(context, input),
    invite: (input) => invite(context, input),
    listSessions: (target) => listSessions(context, target),
    revoke: (target) => revoke(context, target),
    jwks: () => context.issuer.jwks(),
    rotateKeys: () => context.issuer.rotate(),
    workosRouter: (wire) => createWorkosRouter(context, policy, wire),
    stytchRouter: (wire) => createStytchRouter({ context, tokens, policy, onClose }, wire),
    async close() {
      stopHearing?.();
      tokens.close();
      context.invalidations.close();
      for (const close of closers) close();
      if (options.repository === undefined) await context.repository.close();
    },
  };
}

function createContext(options: AuthorityOptions): AuthorityContext {
  const { clock, ...settings } = resolveSettings(options);
  const repository = options.repository ?? memoryRepository({ clock });
  const invalidations = createRecentInvalidations(clock, settings.accessTokenLifetime);
  return {
    settings,
    clock,
    events: createAuthorityEvents(options.events),
    directory: dependOnDirectory(options.directory),
    repository: dependOnRepository(repository),
    issuer: createIssuer({ keys: options.keys, retention: retentionOf(settings), clock }),
    invalidations,
  };
}

/** In this process the keys cost nothing to look at, so a rotation is seen at once. */
function profileOf({ issuer, settings }: AuthorityContext): TokenProfile {
  return {
    keys: { load: () => issuer.jwks(), revision: () => issuer.revision(), maxAge: 30, cooldown: 0 },
    issuers: [settings.issuer],
    get algorithms() {
      return issuer.algorithms;
    },
    types: ["JWT"],
    sessionClaim: "sid",
  };
}

function retentionOf({ accessTokenLifetime, expiredTokenRenewal }: AuthoritySettings): number {
  return accessTokenLifetime + expiredTokenRenewal + MAX_CLOCK_TOLERANCE;
}

type FactorKind = Pick<AuthenticationFactor, "type" | "deliveryMethod">;

const oauth = (provider: string): FactorKind => ({ type: "oauth", deliveryMethod: `oauth_${provider}` });

/** Which factor each authentication method is. A method that does not say how it was delivered has no delivery method. */
const FACTORS: ReadonlyMap<string, FactorKind> = new Map([
  ["SSO", { type: "sso" }],
  ["Password", { type: "password", deliveryMethod: "knowledge" }],
  ["Passkey", { type: "webauthn", deliveryMethod: "webauthn_registration" }],
  ["MagicAuth", { type: "email_otp", deliveryMethod: "email" }],
  ["AppleOAuth", oauth("apple")],
  ["BitbucketOAuth", oauth("bitbucket")],
  ["DiscordOAuth", oauth("discord")],
  ["GitHubOAuth", oauth("github")],
  ["GitLabOAuth", oauth("gitlab")],
  ["GoogleOAuth", oauth("google")],
  ["IntuitOAuth", oauth("intuit")],
  ["LinkedInOAuth", oauth("linkedin")],
  ["MicrosoftOAuth", oauth("microsoft")],
  ["SalesforceOAuth", oauth("salesforce")],
  ["SlackOAuth", oauth("slack")],
  ["VercelOAuth", oauth("vercel")],
  ["VercelMarketplaceOAuth", oauth("vercel_marketplace")],
  ["XeroOAuth", oauth("xero")],
  ["CrossAppAuth", oauth("access_token_exchange")],
  ["ExternalAuth", { type: "trusted_auth_token", deliveryMethod: "trusted_token_exchange" }],
  ["Impersonation", { type: "impersonated", deliveryMethod: "impersonation" }],
  ["MigratedSession", { type: "imported" }],
  ["magic_link", { type: "magic_link", deliveryMethod: "email" }],
  ["email_otp", { type: "email_otp", deliveryMethod: "email" }],
  ["password", { type: "password", deliveryMethod: "knowledge" }],
  ["totp", { type: "totp", deliveryMethod: "authenticator_app" }],
  ["recovery_codes", { type: "recovery_codes", deliveryMethod: "recovery_code" }],
  ["impersonated", { type: "impersonated", deliveryMethod: "impersonation" }],
  ["trusted_auth_token", { type: "trusted_auth_token", deliveryMethod: "trusted_token_exchange" }],
]);

/**
 * The factor of an authentication method, authenticated at `now`.
 *
 * A method that the table does not list is a factor of its own name.
 */
export function factorOf(method: string, now: number): AuthenticationFactor {
  return {
    ...(FACTORS.get(method) ?? { type: method }),
    lastAuthenticatedAt: formatTime(now),
    sequenceOrder: "PRIMARY",
  };
}
