import type { IncomingMessage } from "node:http";
import { randomUUID } from "node:crypto";
import { formatTime } from "../../../lib/clock.ts";
import { isSameSecret } from "../../../lib/crypto.ts";
import { readGiven } from "../../../lib/problems.ts";
import type { Authority } from "../../authority.ts";
import { type WireAuthority, requireWireAuthority } from "../../wire-access.ts";
import {
  type RouteOptions,
  type WireAnswer,
  type WireMiddleware,
  type WireRoute,
  createWireRouter,
  get,
  post,
  readBearer,
} from "../router.ts";
import {
  type AuthorizationAnswer,
  type AuthorizationRefusal,
  type AuthorizationRequest,
  type AuthorizationSubject,
  answerAuthorize,
  completeAuthorization,
  describeRequest,
  openRequest,
  refuseAuthorization,
} from "./authorize.ts";
import { createWorkosBodies } from "./bodies.ts";
import { refuseWorkos, unauthorized } from "./errors.ts";
import { answerGrant } from "./grants.ts";
import {
  answerClientKeys,
  answerLogout,
  answerMemberships,
  answerOrganization,
  answerSessionRevoke,
  answerUser,
  answerUserSessions,
} from "./management.ts";
import {
  type WorkosEnvironment,
  type WorkosRouterOptions,
  checkWorkosOptions,
  createWorkosDialect,
} from "./workos-options.ts";

/** Middleware that serves WorkOS's protocol, and the application's side of `authorize`. */
export interface WorkosRouter extends WireMiddleware {
  /** Reads an authorization request; throws `invalid_request` for a token that is unknown or has expired. */
  readAuthorization(token: string): Promise<AuthorizationRequest>;
  /**
   * Answers an authorization request, once, for the user whom the application has authenticated. Redirect the browser to
   * `redirectTo`. Throws `invalid_request`.
   */
  completeAuthorization(token: string, subject: AuthorizationSubject): Promise<AuthorizationAnswer>;
  /** Answers an authorization request with an error, once. Throws `invalid_request`. */
  refuseAuthorization(token: string, refusal?: AuthorizationRefusal): Promise<AuthorizationAnswer>;
}

type Route = WireRoute<WorkosEnvironment, WireAnswer | undefined>;

/** Requires the API key. */
const WITH_API_KEY: RouteOptions<WorkosEnvironment> = {
  authorize(environment, request) {
    if (!holdsApiKey(environment, request)) throw unauthorized();
  },
};

const ROUTES: readonly Route[] = [
  post("/user_management/authenticate", answerGrant),
  get("/user_management/authorize", answerAuthorize, {
    isFor: ({ options }) => options.signIn !== undefined,
  }),
  get("/user_management/sessions/logout", answerLogout),
  get("/sso/jwks/:", answerClientKeys, { cacheControl: "public, max-age=60" }),
  get("/user_management/users/:", answerUser, WITH_API_KEY),
  get("/user_management/users/:/sessions", answerUserSessions, WITH_API_KEY),
  post("/user_management/sessions/revoke", answerSessionRevoke, WITH_API_KEY),
  get("/user_management/organization_memberships", answerMemberships, WITH_API_KEY),
  // Applications have pages at this path: a request without the key is for them.
  get("/organizations/:", answerOrganization, { isFor: holdsApiKey }),
];

/**
 * Serves an authority over WorkOS's wire protocol, so that WorkOS's SDKs work against it unchanged.
 *
 * Access tokens are signed by RS256. If the authority makes its own keys, it makes one for that.
 *
 * @throws `ConfigurationError` with every problem in the options, and for an authority that `createAuthority` did not make
 */
export function workosRouter(authority: Authority, options: WorkosRouterOptions): WorkosRouter {
  return readGiven("workosRouter", () => makeWorkosRouter(requireWireAuthority(authority), options));
}

function makeWorkosRouter({ context }: WireAuthority, given: WorkosRouterOptions): WorkosRouter {
  const options = checkWorkosOptions(given, context.issuer.require("RS256"));
  const environment = {
    context,
    options,
    bodies: createWorkosBodies(formatTime(context.clock())),
    dialectFor: createWorkosDialect(options, context.policy),
  };
  const router = createWireRouter({
    routes: ROUTES,
    service: environment,
    makeRequestId: () => `req_${randomUUID()}`,
    toAnswer: (answer) => answer,
    refuse: refuseWorkos,
  });
  return Object.assign(router, {
    readAuthorization: async (token: string) =>
      describeRequest(token, await openRequest(context, token, options.clientId)),
    completeAuthorization: (token: string, subject: AuthorizationSubject) =>
      completeAuthorization(environment, token, subject),
    refuseAuthorization: (token: string, refusal?: AuthorizationRefusal) =>
      refuseAuthorization(environment, token, refusal),
  });
}

function holdsApiKey({ options }: WorkosEnvironment, request: IncomingMessage): boolean {
  const token = readBearer(request);
  return token !== undefined && isSameSecret(token, options.apiKey);
}
