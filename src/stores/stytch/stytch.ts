import { readGiven } from "../../lib/problems.ts";
import type { Capabilities, StoreContext, TokenProfile } from "../../store.ts";
import type { StoreWith } from "../hosted-store.ts";
import { remoteKeys } from "../remote-keys.ts";
import {
  type StytchAuthenticateJwtInput,
  type StytchAuthenticateJwtResult,
  createAuthenticateJwt,
  createJwtVerifier,
} from "./authenticate-jwt.ts";
import { STYTCH_SESSION_CLAIM, interpretStytchClaims } from "./claims.ts";
import { createStytchClient } from "./client.ts";
import { type StytchOptions, type StytchSettings, resolveStytchOptions } from "./options.ts";
import {
  continueDiscovery,
  listStytchOrganizations,
  selectStytchOrganization,
  switchStytchOrganization,
} from "./organizations.ts";
import type { StytchOutcome, StytchResponse } from "./outcome.ts";
import type { StytchProfile } from "./profile.ts";
import { createPolicyLoader } from "./project-policy.ts";
import { endPresentedToStytch, endStytchSession, renewStytchCredential } from "./sessions.ts";

/** Stytch B2B as a session store, and operations for the application's own handlers. */
export type StytchStore = StytchOperations &
  StoreWith<
    "organizations" | "selectOrganization" | "switchOrganization" | "endSession" | "endPresented" | "policy",
    StytchProfile
  >;

/** Operations for the application's own handlers. */
export interface StytchOperations {
  /**
   * Authenticates a session JWT outside the middleware: locally while it is fresh. When it is expired, or as old as
   * `maxTokenAgeSeconds`, Stytch is asked, and returns the member and the organization in full. A JWT that is forged,
   * malformed or denied costs no call.
   *
   * Rejects with an `OrgateError`: `invalid_token`, `session_revoked`, `organization_mismatch`, `permission_denied`,
   * `invalid_request`; or with a `StoreUnavailableError` where the answer cannot be known.
   */
  authenticateJwt(input: StytchAuthenticateJwtInput): Promise<StytchAuthenticateJwtResult>;
  /**
   * Like `fromStytch`, for the `discovery.authenticate` calls: a member of exactly one organization is signed in to it
   * without having to choose.
   */
  continueDiscovery(response: StytchResponse, context?: Partial<StoreContext>): Promise<StytchOutcome>;
}

const STYTCH_CAPABILITIES: Capabilities = {
  factors: true,
  authenticationTime: true,
  impersonation: true,
  permissions: false,
  renewsBareToken: true,
  renewalSpends: false,
  // A user of two organizations is two members.
  switchKeepsSubject: false,
};

/**
 * Makes the session store for Stytch B2B. It verifies session JWTs by the project's keys, and asks Stytch only for those
 * that are stale.
 *
 * To read the cookies of Stytch's front ends, pass `credentials: ["bearer", { jwtCookie: "stytch_session_jwt" }]` to
 * `orgate()`: the session token's cookie is then read too, and both are written back when the session is renewed.
 *
 * @throws ConfigurationError with every mistake in the options.
 */
export function stytch(options: StytchOptions): StytchStore {
  const settings = readGiven("stytch", () => resolveStytchOptions(options));
  const client = createStytchClient(settings);
  const tokens = describeTokens(settings);
  const loadPolicy = createPolicyLoader(client);
  const verifyJwt = createJwtVerifier(client, tokens);
  return {
    tokens,
    credential: { opaqueCookieName: settings.opaqueCookieName },
    capabilities: { ...STYTCH_CAPABILITIES, policyByOrganization: settings.organizationPolicies },
    interpret: interpretStytchClaims,
    continueDiscovery: (response, context = {}) =>
      continueDiscovery(client, response, { signal: new AbortController().signal, ...context }),
    organizations: (of, context) => listStytchOrganizations(client, of, context),
    selectOrganization: (pending, organizationId, context) =>
      selectStytchOrganization(client, pending, organizationId, context),
    renew: (stale, context) => renewStytchCredential(client, stale, context),
    authenticateJwt: createAuthenticateJwt(client, verifyJwt, loadPolicy),
    policy: (organizationId, { signal }) => loadPolicy(organizationId, signal),
    switchOrganization: (stale, organizationId, context) =>
      switchStytchOrganization(client, verifyJwt, stale, organizationId, context),
    endSession: (target, context) => endStytchSession(client, target, context),
    endPresented: (of, scope, context) => endPresentedToStytch(client, of, scope, context),
  };
}

function describeTokens({ baseUrl, projectId, issuers, unknownKey, fetch }: StytchSettings): TokenProfile {
  return {
    keys: remoteKeys(`${baseUrl}/v1/b2b/sessions/jwks/${projectId}`, fetch === undefined ? {} : { fetch }),
    issuers,
    audience: [projectId],
    algorithms: ["RS256"],
    types: ["JWT"],
    sessionClaim: STYTCH_SESSION_CLAIM,
    unknownKey,
  };
}
