import { readGiven } from "../../lib/problems.ts";
import type { Capabilities, TokenProfile } from "../../store.ts";
import { SELECTION_ABORT_GRACE, type StoreWith } from "../hosted-store.ts";
import { remoteKeys } from "../remote-keys.ts";
import { interpretWorkosClaims } from "./claims.ts";
import { createWorkosClient } from "./client.ts";
import { type WorkosGrants, createGrants, selectWorkosOrganization } from "./grants.ts";
import { type WorkosOptions, type WorkosSettings, resolveWorkosOptions } from "./options.ts";
import { createPendingLists, listWorkosOrganizations, switchWorkosOrganization } from "./organizations.ts";
import { type WorkosProfile, readProfile } from "./profile.ts";
import { createRefreshExchange, renewWorkosCredential } from "./renew.ts";
import {
  beginWorkosSignIn,
  completeWorkosSignIn,
  endPresentedToWorkos,
  endWorkosSession,
  workosLogoutUrl,
} from "./sign-in.ts";

/** WorkOS AuthKit as a session store, and its grants for the application's own sign-in forms. */
export type WorkosStore = WorkosGrants &
  StoreWith<
    | "beginSignIn"
    | "completeSignIn"
    | "organizations"
    | "selectOrganization"
    | "switchOrganization"
    | "profile"
    | "endSession"
    | "endPresented"
    | "logoutUrl",
    WorkosProfile
  >;

const WORKOS_CAPABILITIES: Capabilities = {
  factors: false,
  authenticationTime: true,
  impersonation: true,
  permissions: true,
  renewsBareToken: false,
  switchKeepsSessionId: true,
};

/**
 * Makes the session store for WorkOS AuthKit. It reads and writes the cookie of WorkOS's own SDKs (`wos-session`), and
 * asks WorkOS only for tokens that are stale.
 *
 * @throws ConfigurationError with every mistake in the options.
 */
export function workos(options: WorkosOptions): WorkosStore {
  const settings = readGiven("workos", () => resolveWorkosOptions(options));
  const client = createWorkosClient(settings);
  const exchange = createRefreshExchange(client);
  const pendingLists = createPendingLists(settings.clock);
  const grantContext = { client, exchange, pendingLists };
  const grants = createGrants(grantContext);
  return {
    ...grants,
    tokens: describeTokens(settings),
    // WorkOS's SDKs know one password, under this id.
    credential: { cookieName: "wos-session", passwordId: "1" },
    capabilities: WORKOS_CAPABILITIES,
    interpret: (claims, sealed) => interpretWorkosClaims(settings.clientId, claims, sealed),
    beginSignIn: (request) => beginWorkosSignIn(settings, request),
    completeSignIn: (query, state, context) => completeWorkosSignIn(grants, query, state, context),
    organizations: (of, context) => listWorkosOrganizations(client, pendingLists, of, context),
    selectOrganization: ({ pendingAuthenticationToken }, organizationId, context) =>
      selectWorkosOrganization(
        grantContext,
        { pendingAuthenticationToken, organizationId, ...context },
        SELECTION_ABORT_GRACE,
      ),
    renew: (stale, context) => renewWorkosCredential(exchange, stale, context),
    switchOrganization: (stale, organizationId, context) =>
      switchWorkosOrganization(client, exchange, stale, organizationId, context),
    profile: (of, context) => readProfile(client, of, context),
    endSession: (target, context) => endWorkosSession(client, target, context),
    endPresented: (of, scope, context) => endPresentedToWorkos(client, of, scope, context),
    logoutUrl: (of, target) => workosLogoutUrl(settings, of, target),
  };
}

function describeTokens({ baseUrl, clientId, issuers, audience, fetch }: WorkosSettings): TokenProfile {
  return {
    keys: remoteKeys(`${baseUrl}/sso/jwks/${clientId}`, fetch === undefined ? {} : { fetch }),
    issuers,
    ...(audience !== undefined && { audience }),
    algorithms: ["RS256"],
    // AuthKit's tokens name no type, or this one.
    types: ["", "JWT"],
    sessionClaim: "sid",
  };
}
