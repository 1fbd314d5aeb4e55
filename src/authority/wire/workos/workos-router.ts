import type { IncomingMessage } from "node:http";
import type { Policy } from "../../../policy/policy.ts";
import type { AuthorityContext } from "../../options.ts";
import type { WireClient } from "../../wire-client.ts";
import { type Fields, readOptionalText, readText } from "../read-fields.ts";
import {
  type WireMiddleware,
  type WireRoute,
  createWireRouter,
  isSameSecret,
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
import { createDialect } from "./bodies.ts";
import { notFound, oauthError, refuseWorkos, unauthorized } from "./errors.ts";
import { answerGrant } from "./grants.ts";
import {
  answerLogout,
  answerMemberships,
  answerOrganization,
  answerRevoke,
  answerSessions,
  answerUser,
} from "./management.ts";
import { type WorkosRouterOptions, checkWorkosOptions } from "./workos-options.ts";

/** Middleware that speaks WorkOS's protocol, and the application's side of `authorize`. */
export interface WorkosRouter extends WireMiddleware {
  /** What the client asked for; throws `invalid_request` for a token that is unknown or has expired. */
  readAuthorization(token: string): Promise<AuthorizationRequest>;
  /**
   * Answers an authorization request for the user whom the application has authenticated: redirect the browser to
   * `redirectTo`. Once only; throws `invalid_request`.
   */
  completeAuthorization(token: string, subject: AuthorizationSubject): Promise<AuthorizationAnswer>;
  /** Answers an authorization request with an error. Once only; throws `invalid_request`. */
  refuseAuthorization(token: string, refusal?: AuthorizationRefusal): Promise<AuthorizationAnswer>;
}

/**
 * Serves the authority over WorkOS's wire protocol, so that WorkOS's SDKs work against it unchanged.
 *
 * Access tokens are signed by RS256, with a key made for it where the authority keeps its own.
 *
 * @throws `ConfigurationError` with every mistake in the options
 */
export function createWorkosRouter(
  context: AuthorityContext,
  policy: Policy | undefined,
  given: WorkosRouterOptions,
): WorkosRouter {
  const options = checkWorkosOptions(given, context.issuer.require("RS256"));
  const router = createWireRouter({
    routes: [...listOpenRoutes(context, policy, options), ...listKeyedRoutes(context, options)],
    refuse: refuseWorkos,
  });
  return Object.assign(router, {
    readAuthorization: async (token: string) =>
      describeRequest(token, await openRequest(context, token, options.clientId)),
    completeAuthorization: (token: string, subject: AuthorizationSubject) =>
      completeAuthorization(context, options, token, subject),
    refuseAuthorization: (token: string, refusal?: AuthorizationRefusal) =>
      refuseAuthorization(context, options, token, refusal),
  });
}

/** What browsers and clients reach without the API key. */
function listOpenRoutes(
  context: AuthorityContext,
  policy: Policy | undefined,
  options: WorkosRouterOptions,
): readonly WireRoute[] {
  const dialectFor = createDialect(options, policy);
  const routes: readonly WireRoute[] = [
    {
      method: "POST",
      path: "/user_management/authenticate",
      handle: (call) => answerGrant(context, { options, dialectFor }, call),
    },
    {
      method: "GET",
      path: "/sso/jwks/:",
      cacheControl: "public, max-age=60",
      handle: async ({ segments: [clientId] }) => {
        if (clientId !== options.clientId) throw notFound("Client");
        const { keys } = await context.issuer.jwks();
        return { status: 200, body: { keys: keys.filter(({ alg }) => alg === "RS256") } };
      },
    },
    {
      method: "GET",
      path: "/user_management/sessions/logout",
      handle: (call) => answerLogout(context, options, call),
    },
  ];
  if (options.signIn === undefined) return routes;
  const path = "/user_management/authorize";
  return [...routes, { method: "GET", path, handle: (call) => answerAuthorize(context, options, call) }];
}

/** What the holder of the API key reaches. */
function listKeyedRoutes(context: AuthorityContext, options: WorkosRouterOptions): readonly WireRoute[] {
  const routes: readonly WireRoute[] = [
    {
      method: "POST",
      path: "/user_management/sessions/revoke",
      handle: (call) => answerRevoke(context, call),
    },
    {
      method: "GET",
      path: "/user_management/users/:",
      handle: (call) => answerUser(context, call),
    },
    {
      method: "GET",
      path: "/organizations/:",
      // Applications have pages at such a path.
      isFor: (request) => holdsApiKey(options, request),
      handle: (call) => answerOrganization(context, call),
    },
    {
      method: "GET",
      path: "/user_management/users/:/sessions",
      handle: (call) => answerSessions(context, call),
    },
    {
      method: "GET",
      path: "/user_management/organization_memberships",
      handle: (call) => answerMemberships(context, call),
    },
  ];
  return routes.map((route) => ({
    ...route,
    handle: async (call) => {
      requireApiKey(options, call.request);
      return route.handle(call);
    },
  }));
}

/**
 * Says who asks for a grant (RFC 6749 section 2.3): the client by its secret, in the body, in the header or in both, or a
 * public client by its name alone. Throws `invalid_client`.
 */
export function authenticateClient(
  { clientId, apiKey }: WorkosRouterOptions,
  request: IncomingMessage,
  fields: Fields,
): WireClient {
  const isKnown = isSameSecret(readText(fields, "client_id"), clientId);
  const secrets = [readOptionalText(fields, "client_secret"), readBearer(request)].filter(
    (secret) => secret !== undefined,
  );
  // All are compared, so that the time tells nothing of which was wrong.
  const wrong = secrets.filter((secret) => !isSameSecret(secret, apiKey));
  if (!isKnown) throw oauthError("invalid_client", "Invalid client ID.");
  if (wrong.length > 0) throw oauthError("invalid_client", "Invalid client secret.");
  return { id: clientId, isPublic: secrets.length === 0 };
}

/** Lets only the holder of the API key through. */
export function requireApiKey(options: WorkosRouterOptions, request: IncomingMessage): void {
  if (!holdsApiKey(options, request)) throw unauthorized();
}

/** Whether a request comes from the holder of the API key. */
export function holdsApiKey({ apiKey }: WorkosRouterOptions, request: IncomingMessage): boolean {
  const given = readBearer(request);
  return given !== undefined && isSameSecret(given, apiKey);
}
