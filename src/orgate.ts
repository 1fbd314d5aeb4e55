import type { IncomingMessage, ServerResponse } from "node:http";
import { ConfigurationError } from "./errors.ts";
import type { Invalidation } from "./fleet/coordinator.ts";
import {
  type AuthorizeQuestion,
  type Authorized,
  type AuthorizedInOrganization,
  type ErrorMiddleware,
  type OrganizationQuestion,
  authorizeRequest,
  createErrorHandler,
} from "./guards/authorize-request.ts";
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
import { onNextTurn } from "./lib/clock.ts";
import { readGiven } from "./lib/problems.ts";
import type { AuthState, DetachedState, SignedIn } from "./model.ts";
import { type OrgateOptions, resolveOptions } from "./options/options.ts";
import type { ActionOf, PolicyShape, ResourceOf } from "./policy/policy.ts";
import { authenticateRequest } from "./request/authenticate.ts";
import { type Health, createHealthCheck } from "./request/health.ts";
import {
  type AuthenticateOptions,
  authenticateDetached,
  profileOf,
  sessionOf,
  stateOfRequest,
} from "./request/inspect.ts";
import { type Instance, createInstance } from "./request/instance.ts";
import { invalidateNamed } from "./request/invalidations.ts";
import { type EstablishOptions, establish } from "./sign-in/establish.ts";
import type { Authentication } from "./sign-in/read-outcome.ts";
import {
  type CallbackOptions,
  type SignInOptions,
  createCallback,
  createSignIn,
} from "./sign-in/hosted-sign-in.ts";
import { type AcceptInvitationOptions, createAcceptInvitation } from "./sign-in/invitation.ts";
import { type UnfinishedAuthentication, pendingAuthenticationOf } from "./sign-in/pending.ts";
import { type OrganizationSelectionOptions, createOrganizationSelection } from "./sign-in/selection.ts";
import { type SignOutOptions, createSignOut } from "./sign-in/sign-out.ts";
import { type SwitchOrganizationOptions, createSwitchOrganization } from "./sign-in/switch-organization.ts";
import type { Profile } from "./store.ts";

/**
 * Makes the middleware: `app.use(auth)` finds out who is asking and attaches it; guards such as `auth.requirePermission(...)`
 * protect the routes.
 *
 * @throws ConfigurationError that lists every mistake in the options.
 */
export function orgate<
  Shape extends PolicyShape = PolicyShape,
  Role extends string = string,
  FullProfile extends Profile = Profile,
>(options: OrgateOptions<Shape, Role, FullProfile>): Orgate<Shape, Role, FullProfile> {
  const instance = readGiven("orgate", () => createInstance(resolveOptions(options)));
  instance.start();
  /** Binds a maker of middleware to the instance. Passed to a route without being called, it fails the request. */
  const bind =
    <Given extends unknown[]>(name: string, make: (instance: Instance, ...given: Given) => Middleware) =>
    (...given: Given): Middleware =>
      readGiven(name, () => (refuseUncalled(name, given) ? NO_MIDDLEWARE : make(instance, ...given)));
  // The methods are written for any policy; `Shape` narrows their parameters for the caller.
  const methods: Methods<FullProfile> = {
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
    acceptInvitation: bind("acceptInvitation", createAcceptInvitation),
    signOut: bind("signOut", createSignOut),
    signIn: bind("signIn", createSignIn),
    callback: bind("callback", createCallback),

    authorize: (request: IncomingMessage, question?: AuthorizeQuestion) =>
      authorizeRequest(instance, request, question) as Promise<AuthorizedInOrganization>,
    errorHandler: () => createErrorHandler(instance),

    authenticate: (
      request: IncomingMessage,
      response?: ServerResponse | AuthenticateOptions,
      asked?: AuthenticateOptions,
    ) => authenticateDetached(instance, request, response, asked),
    onInvalidated: (listener) => instance.invalidations.listen(listener),
    check: (request: IncomingMessage, resource: string, action: string) =>
      checkPermission(instance, request, [resource, action]),
    session: (request) => sessionOf(instance, request),
    // What the store answers has the store's type.
    profile: (request) => profileOf(instance, request) as Promise<FullProfile>,
    pendingAuthentication: (request) => pendingAuthenticationOf(instance, request),
    state: (request) => stateOfRequest(instance, request),
    invalidate: (target) => invalidateNamed(instance, target),
    health: createHealthCheck({ ...instance.options, ...instance }),
    close: () => instance.close(),
  };
  return Object.assign(createMiddleware(instance), methods);
}

/** The pairs of a resource and an action that a policy's type lists. */
type PermissionOf<Shape extends PolicyShape> = {
  readonly [Resource in ResourceOf<Shape>]: readonly [Resource, ActionOf<Shape, Resource>];
}[ResourceOf<Shape>];

/** Everything of {@link Orgate} but the middleware itself. */
type Methods<FullProfile extends Profile> = Pick<
  Orgate<Record<string, string>, string, FullProfile>,
  keyof Orgate
>;

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
 * As middleware it never rejects a request. `Shape` comes from the policy, so that a misspelt permission does not compile;
 * `FullProfile` comes from the store.
 */
export interface Orgate<
  Shape extends PolicyShape = PolicyShape,
  Role extends string = string,
  FullProfile extends Profile = Profile,
> {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): void;

  /** Requires a signed-in member; else 401 `unauthenticated` or a code that says more, and 503 when nobody can know. */
  requireAuth(options?: GuardOptions): Middleware;
  /** Requires a session in an organization, and in the one that `options.organization` names; else 403 `organization_selection_required` or `organization_mismatch`. */
  requireOrganization(options?: GuardOptions): Middleware;
  /** Requires a role that grants the action on the resource; else 403 `permission_denied`. Throws at construction for a pair that is not in the policy. */
  requirePermission<Resource extends ResourceOf<Shape>>(
    resource: Resource,
    action: ActionOf<Shape, Resource>,
    options?: GuardOptions,
  ): Middleware;
  /** Requires a role that grants one of the pairs. */
  requireAnyPermission(permissions: readonly PermissionOf<Shape>[], options?: GuardOptions): Middleware;
  /** Requires one of the roles; else 403 `role_required`. Throws at construction for a role that is not in the policy. */
  requireRole(role: Role | readonly Role[], options?: GuardOptions): Middleware;
  /** Requires an authentication within `maxAge` seconds (RFC 9470); else 401 `reauthentication_required`. */
  requireRecentAuth(options: RecentAuthOptions): Middleware;
  /** Requires an authentication factor; else 403 `factor_required`. */
  requireFactor(type: string, options?: GuardOptions): Middleware;
  /** Refuses impersonated sessions with 403 `impersonation_denied`. */
  denyImpersonation(options?: GuardOptions): Middleware;

  /** Ends your sign-in handler: sets the cookie and redirects to `return_to`, or begins organization selection. Programs get JSON. */
  establish(
    request: IncomingMessage,
    response: ServerResponse,
    authentication: Authentication | Promise<Authentication>,
    options?: EstablishOptions,
  ): Promise<void>;
  /** Handles organization selection: the page (GET) and the choice (POST). */
  organizationSelection(options?: OrganizationSelectionOptions): Middleware;
  /** Handles POST `{ organization_id }`: continues the session in another organization. */
  switchOrganization(options?: SwitchOrganizationOptions): Middleware;
  /** Handles invitations: the page (GET `?invitation_token=`) and the acceptance (POST `{ invitation_token }`). */
  acceptInvitation(options?: AcceptInvitationOptions): Middleware;
  /** Handles POST: ends the session at the store, and clears every cookie. */
  signOut(options?: SignOutOptions): Middleware;
  /** For hosted stores: redirects to the store's sign-in page. */
  signIn(options?: SignInOptions): Middleware;
  /** For hosted stores: handles the return from the store's sign-in page. */
  callback(options?: CallbackOptions): Middleware;

  /**
   * Asks about a request what guards ask, for code that is no middleware: resolvers, procedures, sockets. Returns who was
   * authorized, with the organization where the question implies one. Throws an `OrgateError` with the code that a guard would
   * answer with.
   */
  authorize(
    request: IncomingMessage,
    question: OrganizationQuestion<PermissionOf<Shape>, Role>,
  ): Promise<AuthorizedInOrganization>;
  authorize(
    request: IncomingMessage,
    question?: AuthorizeQuestion<PermissionOf<Shape>, Role>,
  ): Promise<Authorized>;
  /**
   * Creates Express error middleware that answers an `OrgateError` exactly as a guard would. Other errors go on to your own error
   * handler, which stands behind it.
   */
  errorHandler(): ErrorMiddleware;

  /**
   * Authenticates a request that no middleware saw, such as a WebSocket upgrade. Without a response no refresh token is spent.
   * `headers` must go out with the response (`Set-Cookie`, also on a 101). With `again: true` it asks anew about a long-lived
   * connection, by the credential that the connection began with.
   */
  authenticate(request: IncomingMessage, options: AuthenticateOptions): Promise<DetachedState>;
  authenticate(
    request: IncomingMessage,
    response?: ServerResponse,
    options?: AuthenticateOptions,
  ): Promise<DetachedState>;
  /**
   * Calls the listener when sessions end or must be asked about, here or in another process: look for connections of theirs, and
   * ask again or close them. Returns a function that stops it.
   */
  onInvalidated(listener: (target: Invalidation) => void): () => void;
  /**
   * Returns a verdict without refusing the request; nobody signed in is a plain denial. A promise only where the policy must be
   * loaded first. Throws with status 503 when nobody can know who is asking or what the policy says (`store_unavailable`,
   * `clock_skew`), and a `ConfigurationError` where orgate is not mounted.
   */
  check<Resource extends ResourceOf<Shape>>(
    request: IncomingMessage,
    resource: Resource,
    action: ActionOf<Shape, Resource>,
  ): CheckedVerdict | Promise<CheckedVerdict>;
  /**
   * Returns the signed-in member, organization and session of a request that a guard admits. Throws a `ConfigurationError` where
   * no middleware ran, and an `OrgateError` where nobody is signed in.
   */
  session(request: IncomingMessage): SignedIn;
  /** Returns the member and organization in full, as the store describes them: from its last answer, or by asking it. */
  profile(request: IncomingMessage): Promise<FullProfile>;
  /**
   * Returns the unfinished authentication of this browser, for the handler of a step that is due: MFA, a further sign-in, ...
   * `auth.establish` finishes it and continues where it began. `undefined` if there is none.
   */
  pendingAuthentication(request: IncomingMessage): Promise<UnfinishedAuthentication | undefined>;
  /** Returns who is asking, as a union. */
  state(request: IncomingMessage): AuthState;
  /** Makes the target's next requests ask the store, in every process. For webhooks. */
  invalidate(target: Invalidation): Promise<void>;
  /**
   * Tells whether the store, its keys and the coordinator answer: for a health route and for alerts. Asks each at most once a
   * second, for at most two seconds, and never rejects. Leave a process in the load balancer while it is `unavailable`: sessions
   * with a fresh token are served, and other processes have the same trouble.
   */
  health(): Promise<Health>;
  /**
   * Ends orgate's timers, channels and connections, after the renewals under way (at most five seconds). Close the HTTP server
   * first. Calling it again changes nothing.
   */
  close(): Promise<void>;
}
