import type { IncomingMessage, ServerResponse } from "node:http";
import { isConfidential } from "../../../lib/json-client.ts";
import {
  flag,
  listOf,
  must,
  optional,
  readOptions,
  required,
  schema,
  seconds,
  text,
} from "../../../lib/options.ts";
import { isObject, isString } from "../../../lib/predicates.ts";
import type { Policy } from "../../../policy/policy.ts";
import { type AuthorityContext, PRINTABLE, requireRsaKey } from "../../options.ts";
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
  options: WorkosRouterOptions,
): WorkosRouter {
  checkWorkosOptions(options, context.issuer.require("RS256"));
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

/** What `authority.workosRouter()` is made of. */
export interface WorkosRouterOptions {
  /** Names the one client that is served; part of the path of its JWKS. */
  readonly clientId: string;
  /** The client's secret, and the key of the management endpoints (`sk_...`). */
  readonly apiKey: string;
  /**
   * `iss` of the access tokens. Tokens of another issuer than the authority's are not sessions to the authority's own
   * middleware. @defaultValue the authority's `issuer`
   */
  readonly issuer?: string | undefined;
  /** Whether tokens carry what the policy grants, as `resource:action` slugs. @defaultValue `true` */
  readonly permissions?: boolean | undefined;
  /** Where `authorize` may send a code to, compared as exact strings (RFC 9700 section 2.1). Needed with `signIn`. */
  readonly redirectUris?: readonly string[] | undefined;
  /** Where `logout` may send the browser to, as exact strings; the first is the default. */
  readonly signOutRedirects?: readonly string[] | undefined;
  /**
   * Where `authorize` leads: the path of the application's sign-in page, which is given `?authorization_request=`, or a
   * handler that answers itself. @defaultValue `authorize` is not served
   */
  readonly signIn?: { readonly path: string } | WorkosSignInHandler | undefined;
  /** Seconds that a code can be exchanged for, 60 to 600. @defaultValue 600 */
  readonly codeLifetime?: number | undefined;
}

/** Answers an authorization request, for example with the application's sign-in page. */
export type WorkosSignInHandler = (
  authorization: AuthorizationRequest,
  request: IncomingMessage,
  response: ServerResponse,
) => void | Promise<void>;

const secret = text("at least 16 characters without spaces", /^[!-~]{16,512}$/, "Use a random one.");
const redirectUris = listOf(
  "https URIs without a fragment",
  isRedirectUri,
  "http is for loopback addresses only.",
);

/** How the options of `workosRouter()` are read. */
export const WORKOS_ROUTER_OPTIONS = schema<WorkosRouterOptions>()({
  clientId: required(text("a name without spaces", PRINTABLE, "Set it."), "Choose a name without spaces."),
  apiKey: required(secret, "Use a random one, of at least 16 characters."),
  issuer: optional(text("a string without spaces", PRINTABLE, "Leave it out for the authority's.")),
  permissions: optional(flag, true),
  redirectUris: optional(redirectUris),
  signOutRedirects: optional(redirectUris),
  signIn: optional(must("{ path } or a function", isSignIn, 'Pass { path: "/sign-in" }.')),
  codeLifetime: optional(seconds({ min: 60, max: 600 }, "Leave it out for 600."), 600),
});

/**
 * Checks the options of `workosRouter()`.
 *
 * @throws ConfigurationError with every problem; secrets are not quoted
 */
export function checkWorkosOptions(options: WorkosRouterOptions, canSign: boolean): void {
  const reading = readOptions(WORKOS_ROUTER_OPTIONS, options, "workosRouter", "Pass { clientId, apiKey }.");
  const { read, problems } = reading;
  const isServed = read.signIn !== undefined || problems.has("signIn");
  if (isServed && !read.redirectUris?.length && !problems.has("redirectUris")) {
    problems.missing("redirectUris", "List where authorize may send codes to.");
  }
  requireRsaKey(canSign, problems);
  reading.complete();
}

/** Native applications have schemes of their own (RFC 8252 section 7.1); a browser must not run what it is sent to. */
function isRedirectUri(value: unknown): value is string {
  if (!isString(value) || !/^[!-~]{1,2048}$/.test(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  if (value.includes("#")) return false;
  if (url.protocol === "http:") return isConfidential(url);
  return !["javascript:", "data:", "vbscript:", "blob:", "file:", "about:"].includes(url.protocol);
}

function isSignIn(value: unknown): value is NonNullable<WorkosRouterOptions["signIn"]> {
  if (typeof value === "function") return true;
  const path = isObject(value) ? value["path"] : undefined;
  return isString(path) && /^\/(?![/\\])[!-~]*$/.test(path) && !/[\\#]/.test(path);
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
