import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthState, DetachedState, SignedIn } from "./auth-state.ts";
import type { Invalidation } from "./coordination/coordinator.ts";
import type { CheckedVerdict } from "./guards/check-permission.ts";
import type { GuardOptions, Middleware } from "./guards/guard.ts";
import type { RecentAuthOptions } from "./guards/require-recent-auth.ts";
import type { EstablishOptions } from "./organization/establish.ts";
import type { UnfinishedAuthentication } from "./organization/pending-authentication.ts";
import type { Authentication } from "./organization/read-authentication.ts";
import type { OrganizationSelectionOptions } from "./organization/organization-selection.ts";
import type { SwitchOrganizationOptions } from "./organization/switch-organization.ts";
import type { CallbackOptions, SignInOptions } from "./organization/hosted-sign-in.ts";
import type { SignOutOptions } from "./organization/sign-out.ts";
import type { ActionOf, PolicyShape, ResourceOf } from "./policy/policy.ts";
import type { Profile } from "./stores/session-store.ts";

/**
 * The middleware, with its guards and handlers.
 *
 * As middleware it attaches and never rejects. `Shape` comes from the policy, so that a misspelt permission does not compile.
 */
export interface Orgate<Shape extends PolicyShape = PolicyShape> {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void;

  /** Lets a signed-in member through; 401 `unauthenticated` and its kin, 503 when that cannot be known. */
  requireAuth(options?: GuardOptions): Middleware;
  /** ...who has chosen an organization, and the right one if `options.organization` says which; 403 `organization_selection_required`, `organization_mismatch`. */
  requireOrganization(options?: GuardOptions): Middleware;
  /** ...whose roles grant the action on the resource; 403 `permission_denied`. Throws at construction for a pair that is not in the policy. */
  requirePermission<Resource extends ResourceOf<Shape>>(
    resource: Resource,
    action: ActionOf<Shape, Resource>,
    options?: GuardOptions,
  ): Middleware;
  /** ...whose roles grant one of the pairs. */
  requireAnyPermission(
    permissions: readonly {
      [Resource in ResourceOf<Shape>]: readonly [Resource, ActionOf<Shape, Resource>];
    }[ResourceOf<Shape>][],
    options?: GuardOptions,
  ): Middleware;
  /** ...whose session holds one of the roles; 403 `role_required`. */
  requireRole(role: string | readonly string[], options?: GuardOptions): Middleware;
  /** ...who authenticated within `maxAge` seconds (RFC 9470); 401 `reauthentication_required`. */
  requireRecentAuth(options: RecentAuthOptions): Middleware;
  /** ...whose session holds this authentication factor; 403 `factor_required`. */
  requireFactor(type: string, options?: GuardOptions): Middleware;
  /** ...who is not being impersonated; 403 `impersonation_denied`. */
  denyImpersonation(options?: GuardOptions): Middleware;

  /** Ends your sign-in handler: sets the cookie and redirects to `return_to`, or begins organization selection. JSON for JSON clients. */
  establish(
    request: IncomingMessage,
    response: ServerResponse,
    authentication: Authentication | Promise<Authentication>,
    options?: EstablishOptions,
  ): Promise<void>;
  /** The page on which an organization is chosen, and its POST. */
  organizationSelection(options?: OrganizationSelectionOptions): Middleware;
  /** POST `{ organization_id }`: continues the session in another organization. */
  switchOrganization(options?: SwitchOrganizationOptions): Middleware;
  /** POST: ends the session at the store, and clears every cookie. */
  signOut(options?: SignOutOptions): Middleware;
  /** For hosted stores: the redirect out. */
  signIn(options?: SignInOptions): Middleware;
  /** For hosted stores: the way back. */
  callback(options?: CallbackOptions): Middleware;

  /**
   * The state of a request that no middleware saw, a WebSocket upgrade say. Without a response no refresh token is spent;
   * `headers` must go out with the answer (`Set-Cookie`, also on a 101).
   */
  authenticate(request: IncomingMessage, response?: ServerResponse): Promise<DetachedState>;
  /**
   * A verdict without rejecting; nobody signed in is a plain denial. A promise only where the policy must be loaded first.
   * Throws with status 503 when who is asking or the policy cannot be known (`store_unavailable`, `clock_skew`), and a
   * `ConfigurationError` where orgate is not mounted.
   */
  check<Resource extends ResourceOf<Shape>>(
    request: IncomingMessage,
    resource: Resource,
    action: ActionOf<Shape, Resource>,
  ): CheckedVerdict | Promise<CheckedVerdict>;
  /** The signed-in member, organization and session; throws where no guard ran. */
  session(request: IncomingMessage): SignedIn;
  /** The member and organization in full, from the store's last answer or by asking. */
  profile(request: IncomingMessage): Promise<Profile>;
  /**
   * The authentication that was begun in this browser and is not finished, for the handler of a step that is due: MFA, a
   * further sign-in, ... It is finished by `auth.establish`, which goes on where it was begun. `undefined` for nothing.
   */
  pendingAuthentication(request: IncomingMessage): Promise<UnfinishedAuthentication | undefined>;
  /** Who is asking, as a union of what can be known. */
  state(request: IncomingMessage): AuthState;
  /** For webhooks: the target's next request asks the store, in every process. */
  invalidate(target: Invalidation): Promise<void>;
  /** Ends timers, channels and connections of ours. */
  close(): Promise<void>;
}
