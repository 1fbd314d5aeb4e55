import type { Capabilities, SessionStore, StaleCredential, StoreContext, TokenProfile } from "../../store.ts";
import { remoteKeys } from "../remote-keys.ts";
import { interpretClaims } from "./claims.ts";
import { type WorkosClient, createWorkosClient } from "./client.ts";
import { type WorkosGrants, createGrants, selectOrganization } from "./grants.ts";
import { type WorkosOptions, type WorkosSettings, resolveWorkosOptions } from "./options.ts";
import { type PendingLists, createPendingLists, listOrganizations, readProfile } from "./organizations.ts";
import { type WorkosOutcome, refuse, toOutcome } from "./outcome.ts";
import { type RefreshDesk, nameStale, openRefreshDesk, renewCredential } from "./renew.ts";
import { beginSignIn, completeSignIn, endPresented, endSession } from "./sign-in.ts";

/** WorkOS AuthKit as a session store, and its grants for sign-in forms of your own. */
export type WorkosStore = SessionStore &
  WorkosGrants &
  Required<
    Pick<
      SessionStore,
      | "organizations"
      | "selectOrganization"
      | "switchOrganization"
      | "beginSignIn"
      | "completeSignIn"
      | "endSession"
      | "endPresented"
      | "profile"
    >
  >;

/** What WorkOS's sessions can answer. */
const CAPABILITIES: Capabilities = {
  factors: false,
  authenticationTime: true,
  impersonation: true,
  permissions: true,
  renewsBareToken: false,
  switchKeepsSessionId: true,
};

/** Seconds for which a choice goes on when nobody waits: made again, it finds the pending token spent. */
const SELECTION_LINGER = 20;

/**
 * Makes the session store for WorkOS AuthKit. It reads and writes the cookie of WorkOS's own SDKs (`wos-session`), and
 * asks WorkOS only for tokens that are stale.
 *
 * @throws ConfigurationError with every mistake in the options.
 */
export function workos(options: WorkosOptions): WorkosStore {
  const settings = resolveWorkosOptions(options);
  const client = createWorkosClient(settings);
  const lists = createPendingLists(settings.clock);
  const context: WorkosContext = { client, lists, desk: openRefreshDesk(client) };
  const grants = createGrants(context);
  return {
    ...grants,
    tokens: describeTokens(settings),
    // WorkOS's SDKs know one password, under this id.
    credential: { cookieName: "wos-session", passwordId: "1" },
    capabilities: CAPABILITIES,
    interpret: interpretClaims,
    renew: (stale, renewal) => renewCredential(context.desk, stale, renewal),
    organizations: (of, call) => listOrganizations(context, of, call),
    selectOrganization: ({ pendingAuthenticationToken }, organizationId, call) =>
      selectOrganization(context, { pendingAuthenticationToken, organizationId, ...call }, SELECTION_LINGER),
    switchOrganization: (stale, organizationId, call) =>
      switchOrganization(context, stale, organizationId, call),
    beginSignIn: (request) => beginSignIn(settings, request),
    completeSignIn: (query, state, call) => completeSignIn(grants, query, state, call),
    endSession: (target, call) => endSession(client, target, call),
    endPresented: (of, scope, call) => endPresented(client, of, scope, call),
    profile: (of, call) => readProfile(client, of, call),
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

/** Refreshes into another organization; what others sealed beside the session stays. */
async function switchOrganization(
  { desk }: WorkosContext,
  stale: StaleCredential,
  organizationId: string,
  origin: StoreContext,
): Promise<WorkosOutcome> {
  const named = nameStale(stale);
  if (named === undefined) return refuse("session_revoked", "no_refresh_token");
  const reply = await desk.refresh({ ...named, organizationId, mayShare: true, origin });
  const outcome = toOutcome(reply, "switch");
  if (outcome.status !== "authenticated") return outcome;
  return { ...outcome, credential: { ...stale.sealed, ...outcome.credential, organizationId } };
}

/** What the operations of one store share. */
export interface WorkosContext {
  readonly client: WorkosClient;
  readonly desk: RefreshDesk;
  readonly lists: PendingLists;
}
