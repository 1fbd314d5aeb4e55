import type { EventSink } from "../../events.ts";
import { createPolicySource } from "../../policy/policy-source.ts";
import type { Capabilities, SessionStore, StoreContext, TokenProfile } from "../../store.ts";
import { createKeySet } from "../../tokens/key-set.ts";
import { createTokenVerifier } from "../../tokens/verify-token.ts";
import { remoteKeys } from "../remote-keys.ts";
import {
  type JwtDesk,
  type StytchAuthenticateJwtInput,
  type StytchAuthenticateJwtResult,
  authenticateJwt,
} from "./authenticate-jwt.ts";
import { SESSION_CLAIM, interpretClaims } from "./claims.ts";
import { type StytchClient, createStytchClient } from "./client.ts";
import { type StytchOptions, type StytchSettings, resolveStytchOptions } from "./options.ts";
import { listOrganizations, selectOrganization, switchOrganization } from "./organizations.ts";
import { type StytchOutcome, type StytchResponse, continueDiscovery } from "./outcome.ts";
import { type PolicyLoader, createPolicyLoader } from "./project-policy.ts";
import { endPresented, endSession, renewCredential } from "./sessions.ts";

/** Stytch B2B as a session store, and its operations for handlers of your own. */
export type StytchStore = SessionStore &
  StytchOperations &
  Required<
    Pick<
      SessionStore,
      "organizations" | "selectOrganization" | "switchOrganization" | "endSession" | "endPresented" | "policy"
    >
  >;

/** Operations of Stytch's for handlers of your own. */
export interface StytchOperations {
  /**
   * Authenticates a session JWT outside the middleware: here while it is fresh; by Stytch, with the member and the
   * organization in full, when it is expired or as old as `maxTokenAgeSeconds`, and only then. Forged, malformed and
   * denied ones cost no call.
   *
   * Rejects with an `OrgateError`: `invalid_token`, `session_revoked`, `organization_mismatch`, `permission_denied`,
   * `invalid_request`; or with a `StoreUnavailableError` where it cannot be known.
   */
  authenticateJwt(input: StytchAuthenticateJwtInput): Promise<StytchAuthenticateJwtResult>;
  /**
   * Like `fromStytch`, for the `discovery.authenticate` calls: a member of exactly one organization is signed in to it
   * without having to choose.
   */
  continueDiscovery(response: StytchResponse, context?: Partial<StoreContext>): Promise<StytchOutcome>;
}

/** What Stytch's sessions can answer. */
const CAPABILITIES: Capabilities = {
  factors: true,
  authenticationTime: true,
  impersonation: true,
  permissions: false,
  renewsBareToken: true,
  renewalSpends: false,
  // Whoever is in two organizations is two members.
  switchKeepsSubject: false,
};

const NO_EVENTS: EventSink = { wants: () => false, emit: () => undefined };

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
  const settings = resolveStytchOptions(options);
  const client = createStytchClient(settings);
  const tokens = describeTokens(settings);
  const loadPolicy = createPolicyLoader(client);
  const desk = openJwtDesk(client, tokens, loadPolicy);
  return {
    tokens,
    credential: { opaqueCookieName: settings.opaqueCookieName },
    capabilities: { ...CAPABILITIES, policyByOrganization: settings.organizationPolicies },
    interpret: interpretClaims,
    renew: (stale, context) => renewCredential(client, stale, context),
    organizations: (of, context) => listOrganizations(client, of, context),
    selectOrganization: (pending, organizationId, context) =>
      selectOrganization(client, pending, organizationId, context),
    switchOrganization: (stale, organizationId, context) =>
      switchOrganization(desk, stale, organizationId, context),
    endSession: (target, context) => endSession(client, target, context),
    endPresented: (of, scope, context) => endPresented(client, of, scope, context),
    policy: (organizationId, { signal }) => loadPolicy(organizationId, signal),
    authenticateJwt: (input) => authenticateJwt(desk, input),
    continueDiscovery: (response, context = {}) =>
      continueDiscovery(client, response, { signal: new AbortController().signal, ...context }),
  };
}

function describeTokens({ baseUrl, projectId, issuers, unknownKey, fetch }: StytchSettings): TokenProfile {
  return {
    keys: remoteKeys(`${baseUrl}/v1/b2b/sessions/jwks/${projectId}`, fetch === undefined ? {} : { fetch }),
    issuers,
    audience: [projectId],
    algorithms: ["RS256"],
    types: ["JWT"],
    sessionClaim: SESSION_CLAIM,
    unknownKey,
  };
}

function openJwtDesk(client: StytchClient, tokens: TokenProfile, loadPolicy: PolicyLoader): JwtDesk {
  const { clock, organizationPolicies } = client.settings;
  const keys = createKeySet(tokens.keys, { clock, events: NO_EVENTS });
  const policies = createPolicySource({
    storePolicy: (organizationId, { signal }) => loadPolicy(organizationId, signal),
    byOrganization: organizationPolicies,
    clock,
    events: NO_EVENTS,
  });
  return { client, verifier: createTokenVerifier(tokens, keys), policies, flights: new Map() };
}
