import type { IncomingMessage, ServerResponse } from "node:http";
import { isSameSecret } from "../../../lib/digest.ts";
import { type Problems, createProblems, isOptionObject, isSeconds } from "../../../lib/problems.ts";
import type { AuthorityContext } from "../../context.ts";
import type { WireClient } from "../../wire-client.ts";
import { type Fields, readOptionalText, readText } from "../read-fields.ts";
import { type WireMiddleware, type WireRoute, createWireRouter, readBearer } from "../router.ts";
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
export function createWorkosRouter(context: AuthorityContext, options: WorkosRouterOptions): WorkosRouter {
  checkWorkosOptions(options, context.issuer.require("RS256"));
  const router = createWireRouter({
    routes: [...listOpenRoutes(context, options), ...listKeyedRoutes(context, options)],
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
function listOpenRoutes(context: AuthorityContext, options: WorkosRouterOptions): readonly WireRoute[] {
  const dialectFor = createDialect(options, context.policy);
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

const KNOWN = [
  "clientId",
  "apiKey",
  "issuer",
  "permissions",
  "redirectUris",
  "signOutRedirects",
  "signIn",
  "codeLifetime",
] as const satisfies readonly (keyof WorkosRouterOptions)[];

/** Throws one `ConfigurationError` with every mistake in the options. Nothing of their values is quoted. */
export function checkWorkosOptions(options: WorkosRouterOptions, canSign: boolean): void {
  const problems = createProblems();
  if (!isOptionObject(options)) {
    problems.missing("workosRouter", "Pass { clientId, apiKey }.");
    problems.throwIfAny();
  }
  problems.unknown(options, KNOWN);
  if (!isToken(options.clientId)) problems.invalid("clientId", "must be a name without spaces.", "Set it.");
  if (!isToken(options.apiKey) || options.apiKey.length < 16) {
    problems.invalid("apiKey", "must be at least 16 characters without spaces.", "Use a random one.");
  }
  if (options.issuer !== undefined && !isToken(options.issuer)) {
    problems.invalid("issuer", "must be a string without spaces.", "Leave it out for the authority's.");
  }
  if (options.permissions !== undefined && typeof options.permissions !== "boolean") {
    problems.invalid("permissions", "must be a boolean.", "Leave it out for true.");
  }
  checkUris(problems, "redirectUris", options.redirectUris, isRedirectUri);
  checkUris(problems, "signOutRedirects", options.signOutRedirects, isRedirectUri);
  checkSignIn(problems, options);
  const { codeLifetime } = options;
  if (codeLifetime !== undefined && !(isSeconds(codeLifetime) && codeLifetime >= 60 && codeLifetime <= 600)) {
    problems.invalid("codeLifetime", "must be a number of seconds from 60 to 600.", "Leave it out for 600.");
  }
  if (!canSign) {
    problems.invalid(
      "keys",
      "of the authority hold no RSA key.",
      "Add an RS256 private JWK: the SDKs expect one.",
    );
  }
  problems.throwIfAny();
}

function checkSignIn(problems: Problems, { signIn, redirectUris }: WorkosRouterOptions): void {
  if (signIn === undefined) return;
  const isPath = isOptionObject(signIn) && typeof signIn["path"] === "string" && isLocalPath(signIn["path"]);
  if (typeof signIn !== "function" && !isPath) {
    problems.invalid("signIn", "must be { path } or a function.", 'Pass { path: "/sign-in" }.');
  }
  if (redirectUris === undefined || redirectUris.length === 0) {
    problems.missing("redirectUris", "List where authorize may send codes to.");
  }
}

function checkUris(
  problems: Problems,
  name: string,
  value: unknown,
  isGood: (uri: unknown) => boolean,
): void {
  if (value === undefined || (Array.isArray(value) && value.every(isGood))) return;
  problems.invalid(
    name,
    "must be a list of https URIs without a fragment.",
    "http is for loopback addresses only.",
  );
}

/** Native applications have schemes of their own (RFC 8252 section 7.1); what a browser would run is no address. */
function isRedirectUri(value: unknown): boolean {
  if (typeof value !== "string" || !/^[!-~]{1,2048}$/.test(value) || !URL.canParse(value)) return false;
  const { protocol, hostname, hash } = new URL(value);
  if (hash !== "" || value.includes("#")) return false;
  if (protocol === "http:") return ["127.0.0.1", "[::1]", "localhost"].includes(hostname);
  return !["javascript:", "data:", "vbscript:", "blob:", "file:", "about:"].includes(protocol);
}

function isLocalPath(path: string): boolean {
  return /^\/(?![/\\])[!-~]*$/.test(path) && !path.includes("\\") && !path.includes("#");
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[!-~]{1,512}$/.test(value);
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
