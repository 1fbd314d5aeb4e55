import type { IncomingMessage, ServerResponse } from "node:http";
import { ConfigurationError } from "./errors.ts";
import type { Invalidation } from "./fleet/coordinator.ts";
import type { PermissionPair } from "./guards/authorize.ts";
import { type GuardOptions, type Middleware, refuseUncalled } from "./guards/guard.ts";
import { type CheckedVerdict, checkPermission, requirePermission } from "./guards/permissions.ts";
import {
  type RecentAuthOptions,
  denyImpersonation,
  requireAuth,
  requireFactor,
  requireOrganization,
  requireRecentAuth,
  requireRole,
} from "./guards/requirements.ts";
import { onNextTurn } from "./lib/event-loop.ts";
import type { AuthState, DetachedState, SignedIn } from "./model.ts";
import { type OrgateOptions, resolveOptions } from "./options/options.ts";
import type { ActionOf, PolicyShape, ResourceOf } from "./policy/policy.ts";
import { authenticateRequest } from "./request/authenticate.ts";
import { type Instance, createInstance } from "./request/instance.ts";
import { authenticateDetached, sessionOf, stateOfRequest } from "./request/inspect.ts";
import { invalidateNamed } from "./request/invalidations.ts";
import { profileOf } from "./request/profile.ts";
import { type Authentication, type EstablishOptions, establish } from "./sign-in/establish.ts";
import {
  type CallbackOptions,
  type SignInOptions,
  createCallback,
  createSignIn,
} from "./sign-in/hosted-sign-in.ts";
import { type UnfinishedAuthentication, pendingAuthenticationOf } from "./sign-in/pending.ts";
import { type OrganizationSelectionOptions, createOrganizationSelection } from "./sign-in/selection.ts";
import { type SignOutOptions, createSignOut } from "./sign-in/sign-out.ts";
import { type SwitchOrganizationOptions, createSwitchOrganization } from "./sign-in/switch-organization.ts";
import type { Profile } from "./store.ts";

/**
 * Makes the middleware: `app.use(auth)` finds out who is asking and attaches it, `auth.requirePermission(...)` and its kin
 * guard the routes.
 *
 * @throws ConfigurationError that lists every mistake in the options.
 */
export function orgate<Shape extends PolicyShape = PolicyShape>(
  options: OrgateOptions<Shape>,
): Orgate<Shape> {
  const instance = createInstance(resolveOptions(options));
  /** Binds a maker of middleware to the instance. Passed to a route without being called, it fails the request. */
  const bind =
    <Given extends unknown[]>(name: string, make: (instance: Instance, ...given: Given) => Middleware) =>
    (...given: Given): Middleware =>
      refuseUncalled(name, given) ? NO_MIDDLEWARE : make(instance, ...given);
  // The methods are written for any policy; `Shape` narrows their parameters for the caller.
  const methods: Methods = {
    requireAuth: bind("requireAuth", requireAuth),
    requireOrganization: bind("requireOrganization", requireOrganization),
    requirePermission: bind(
      "requirePermission",
      (_, resource: string, action: string, given?: GuardOptions) =>
        requirePermission(instance, "requirePermission", [[resource, action]], given),
    ),
    requireAnyPermission: bind(
      "requireAnyPermission",
      (_, pairs: readonly PermissionPair[], given?: GuardOptions) =>
        requirePermission(instance, "requireAnyPermission", Array.isArray(pairs) ? pairs : [], given),
    ),
    requireRole: bind("requireRole", requireRole),
    requireRecentAuth: bind("requireRecentAuth", requireRecentAuth),
    requireFactor: bind("requireFactor", requireFactor),
    denyImpersonation: bind("denyImpersonation", denyImpersonation),

    establish: (...given) => establish(instance, ...given),
    organizationSelection: bind("organizationSelection", createOrganizationSelection),
    switchOrganization: bind("switchOrganization", createSwitchOrganization),
    signOut: bind("signOut", createSignOut),
    signIn: bind("signIn", createSignIn),
    callback: bind("callback", createCallback),

    authenticate: (request, response) => authenticateDetached(instance, request, response),
    check: (request: IncomingMessage, resource: string, action: string) =>
      checkPermission(instance, request, [resource, action]),
    session: (request) => sessionOf(instance, request),
    profile: (request) => profileOf(instance, request),
    pendingAuthentication: (request) => pendingAuthenticationOf(instance, request),
    state: (request) => stateOfRequest(instance, request),
    invalidate: (target) => invalidateNamed(instance, target),
    close: () => instance.close(),
  };
  return Object.assign(createMiddleware(instance), methods);
}

/** Everything of {@link Orgate} but the middleware itself. */
type Methods = Pick<Orgate<Record<string, string>>, keyof Orgate>;

const NO_MIDDLEWARE: Middleware = () => undefined;

function createMiddleware(instance: Instance): Middleware {
  return function orgateMiddleware(request, response, next) {
    if (typeof next !== "function") {
      throw new ConfigurationError([
        {
          code: "middleware_called",
          option: "auth",
          message: "was called without a request, a response and next.",
          suggestion: "It is the middleware itself: write app.use(auth).",
        },
      ]);
    }
    const authenticated = authenticateRequest(instance, request, response);
    // A handler that throws must end up where other handlers' errors do, not as this promise's rejection.
    if (authenticated instanceof Promise) void authenticated.then(() => onNextTurn(next));
    else next();
  };
}

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
