import type { IncomingMessage } from "node:http";
import { authenticateRequest } from "./engine/authenticate-request.ts";
import { createEngine, type Engine } from "./engine/engine.ts";
import { ConfigurationError } from "./errors.ts";
import { onNextTurn } from "./event-loop.ts";
import {
  authenticateDetached,
  invalidateTarget,
  profileOf,
  sessionOf,
  stateOfRequest,
} from "./engine/inspect.ts";
import { denyImpersonation } from "./guards/deny-impersonation.ts";
import { checkPermission } from "./guards/check-permission.ts";
import { refuseUncalled, type Middleware } from "./guards/guard.ts";
import { requireAuth } from "./guards/require-auth.ts";
import { requireFactor } from "./guards/require-factor.ts";
import { requireOrganization } from "./guards/require-organization.ts";
import { requirePermission } from "./guards/require-permission.ts";
import { requireRecentAuth } from "./guards/require-recent-auth.ts";
import { requireRole } from "./guards/require-role.ts";
import type { OrgateOptions } from "./options/orgate-options.ts";
import { resolveOptions } from "./options/resolve-options.ts";
import type { Orgate } from "./orgate-instance.ts";
import { establish } from "./organization/establish.ts";
import { createCallback, createSignIn } from "./organization/hosted-sign-in.ts";
import { createOrganizationSelection } from "./organization/organization-selection.ts";
import { pendingAuthenticationOf } from "./organization/pending-authentication.ts";
import { createSignOut } from "./organization/sign-out.ts";
import { createSwitchOrganization } from "./organization/switch-organization.ts";
import type { PolicyShape } from "./policy/policy.ts";

/**
 * Makes the middleware: `app.use(auth)` finds out who is asking and attaches it, `auth.requirePermission(...)` and its kin
 * guard the routes.
 *
 * @throws ConfigurationError that lists every mistake in the options.
 */
export function orgate<Shape extends PolicyShape = PolicyShape>(
  options: OrgateOptions<Shape>,
): Orgate<Shape> {
  const engine = createEngine(resolveOptions(options));
  const methods = { ...guardsOf(engine), ...handlersOf(engine), ...inspectionOf(engine) };
  // The methods are written for any policy; `Shape` narrows their parameters for the caller.
  return Object.assign(createMiddleware(engine), methods);
}

function createMiddleware(engine: Engine): Middleware {
  return function orgateMiddleware(request, response, next) {
    if (typeof next !== "function") throw calledAtOnce();
    const authenticated = authenticateRequest(engine, request, response);
    if (authenticated instanceof Promise) {
      // A handler that throws must end up where other handlers' errors do, not as this promise's rejection.
      void authenticated.then(() => onNextTurn(next));
      return;
    }
    next();
  };
}

function calledAtOnce(): ConfigurationError {
  return new ConfigurationError([
    {
      code: "middleware_called",
      option: "auth",
      message: "was called without a request, a response and next.",
      suggestion: "It is the middleware itself: write app.use(auth).",
    },
  ]);
}

type Guards = Pick<
  Orgate<Record<string, string>>,
  | "requireAuth"
  | "requireOrganization"
  | "requirePermission"
  | "requireAnyPermission"
  | "requireRole"
  | "requireRecentAuth"
  | "requireFactor"
  | "denyImpersonation"
>;

const UNCALLED: Middleware = () => undefined;

function guardsOf(engine: Engine): Guards {
  return {
    requireAuth: (...given) => called("requireAuth", given, () => requireAuth(engine, ...given)),
    requireOrganization: (...given) =>
      called("requireOrganization", given, () => requireOrganization(engine, ...given)),
    requirePermission: (...given) =>
      called("requirePermission", given, () => {
        const [resource, action, options] = given;
        return requirePermission(engine, "requirePermission", [[resource, action]], options);
      }),
    requireAnyPermission: (...given) =>
      called("requireAnyPermission", given, () => {
        const [pairs, options] = given;
        return requirePermission(engine, "requireAnyPermission", Array.isArray(pairs) ? pairs : [], options);
      }),
    requireRole: (...given) => called("requireRole", given, () => requireRole(engine, ...given)),
    requireRecentAuth: (...given) =>
      called("requireRecentAuth", given, () => requireRecentAuth(engine, ...given)),
    requireFactor: (...given) => called("requireFactor", given, () => requireFactor(engine, ...given)),
    denyImpersonation: (...given) =>
      called("denyImpersonation", given, () => denyImpersonation(engine, ...given)),
  };
}

function called(name: string, given: readonly unknown[], make: () => Middleware): Middleware {
  return refuseUncalled(name, given) ? UNCALLED : make();
}

type Handlers = Pick<
  Orgate,
  "establish" | "organizationSelection" | "switchOrganization" | "signOut" | "signIn" | "callback"
>;

function handlersOf(engine: Engine): Handlers {
  return {
    establish: (request, response, authentication, options) =>
      establish(engine, request, response, authentication, options),
    organizationSelection: (...given) =>
      called("organizationSelection", given, () => createOrganizationSelection(engine, ...given)),
    switchOrganization: (...given) =>
      called("switchOrganization", given, () => createSwitchOrganization(engine, ...given)),
    signOut: (...given) => called("signOut", given, () => createSignOut(engine, ...given)),
    signIn: (...given) => called("signIn", given, () => createSignIn(engine, ...given)),
    callback: (...given) => called("callback", given, () => createCallback(engine, ...given)),
  };
}

type Inspection = Pick<
  Orgate<Record<string, string>>,
  | "authenticate"
  | "check"
  | "session"
  | "profile"
  | "pendingAuthentication"
  | "state"
  | "invalidate"
  | "close"
>;

function inspectionOf(engine: Engine): Inspection {
  return {
    authenticate: (request, response) => authenticateDetached(engine, request, response),
    check: (request: IncomingMessage, resource: string, action: string) =>
      checkPermission(engine, request, [resource, action]),
    session: (request) => sessionOf(engine, request),
    profile: (request) => profileOf(engine, request),
    pendingAuthentication: (request) => pendingAuthenticationOf(engine, request),
    state: (request) => stateOfRequest(engine, request),
    invalidate: (target) => invalidateTarget(engine, target),
    close: () => engine.close(),
  };
}
