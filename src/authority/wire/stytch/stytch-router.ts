import { OrgateError, StoreUnavailableError } from "../../../errors.ts";
import type { Policy } from "../../../policy/policy.ts";
import { makeSessionToken } from "../../access-token.ts";
import type { TokenCheck } from "../../authenticate-jwt.ts";
import type { AuthenticateInput, AuthenticateSessionResult } from "../../operations.ts";
import type { AuthorityContext } from "../../options.ts";
import { listSessions, revoke } from "../../revoke.ts";
import { authenticate } from "../../sign-in.ts";
import { fieldsOfQuery, readText } from "../read-fields.ts";
import {
  type WireAnswer,
  type WireCall,
  type WireMiddleware,
  type WireRoute,
  createWireRouter,
  isSameSecret,
  readBasic,
} from "../router.ts";
import {
  type Envelope,
  createEnvelope,
  organizationNotFound,
  stytchError,
  unauthorizedCredentials,
} from "./answers.ts";
import { toMemberSessionBody, toPolicyBody } from "./bodies.ts";
import { type SessionJwtCheck, createSessionJwtCheck, createStytchDialect } from "./claims.ts";
import { answerDiscovery, answerExchange, answerIntermediateExchange, isNamed } from "./discovery.ts";
import { answerAuthenticate, answerRevoke } from "./sessions.ts";
import { type StytchRouterOptions, checkStytchOptions } from "./stytch-options.ts";

/** Middleware that speaks Stytch's B2B protocol, and the application's side of signing in. */
export interface StytchRouter extends WireMiddleware {
  /**
   * Signs in a user whom the application has authenticated, and answers with the session JWT and the session token for
   * Stytch's cookies. Where an organization must be chosen, the error's `pendingAuthenticationToken` is the intermediate
   * session token. Throws like `authority.authenticate`.
   */
  authenticate(input: Omit<AuthenticateInput, "session">): Promise<AuthenticateSessionResult>;
}

/** What the router takes from its authority. */
export interface StytchSurroundings {
  readonly context: AuthorityContext;
  readonly tokens: TokenCheck;
  readonly policy: Policy | undefined;
  /** Called when the authority is closed. */
  readonly onClose: (close: () => void) => unknown;
}

/**
 * Serves the authority over Stytch's wire protocol, so that Stytch's B2B SDKs work against it unchanged.
 *
 * Session JWTs are signed by RS256, with a key made for it where the authority keeps its own.
 *
 * @throws `ConfigurationError` with every mistake in the options
 */
export function createStytchRouter(
  { context: native, tokens, policy, onClose }: StytchSurroundings,
  given: StytchRouterOptions,
): StytchRouter {
  const options = checkStytchOptions(given, native.issuer.require("RS256"));
  const context = { ...native, wire: createStytchDialect(options.projectId) };
  const jwts = createSessionJwtCheck(context, tokens, options.projectId);
  onClose(() => jwts.close());
  const envelope = createEnvelope(options.projectId);
  const tools: StytchTools = { context, policy, options, jwts, envelope };
  const keyed = listKeyedRoutes(tools).map((route) => requireCredentials(options, route));
  const router = createWireRouter({ routes: [describeKeys(tools), ...keyed], refuse: envelope.refuse });
  return Object.assign(router, {
    authenticate: (input: Omit<AuthenticateInput, "session">) => signIn(context, input),
  });
}

function listKeyedRoutes(tools: StytchTools): readonly WireRoute[] {
  const { context, policy, envelope } = tools;
  const post = (
    path: string,
    answer: (tools: StytchTools, call: WireCall) => Promise<WireAnswer>,
  ): WireRoute => ({
    method: "POST",
    path: `/v1/b2b/${path}`,
    handle: (call) => answer(tools, call),
  });
  return [
    post("sessions/authenticate", answerAuthenticate),
    post("sessions/exchange", answerExchange),
    post("sessions/revoke", answerRevoke),
    post("discovery/organizations", answerDiscovery),
    post("discovery/intermediate_sessions/exchange", answerIntermediateExchange),
    { method: "GET", path: "/v1/b2b/sessions", handle: (call) => answerSessions(tools, call) },
    {
      method: "GET",
      path: "/v1/b2b/rbac/policy",
      handle: async () => {
        const body = toPolicyBody(policy);
        // Without a policy nobody knows; an empty one would be a denial.
        if (body === undefined) throw new StoreUnavailableError({ reason: "policy_missing" });
        return envelope.succeed({ policy: body });
      },
    },
    {
      method: "GET",
      path: "/v1/b2b/rbac/organizations/:",
      handle: async ({ segments: [organizationId = ""] }) => {
        const organization = await context.directory.organization(organizationId);
        if (organization === undefined) throw organizationNotFound();
        return envelope.succeed({ org_policy: { roles: [] } });
      },
    },
  ];
}

/** The public keys; asked for without credentials. */
function describeKeys({ context, options, envelope }: StytchTools): WireRoute {
  return {
    method: "GET",
    path: "/v1/b2b/sessions/jwks/:",
    cacheControl: "public, max-age=60",
    handle: async ({ segments: [projectId] }) => {
      if (projectId !== options.projectId) {
        throw stytchError(404, "project_not_found", "Project could not be found.");
      }
      const { keys } = await context.issuer.jwks();
      const usable = keys
        .filter(({ alg }) => alg === "RS256")
        .map((key) => ({ ...key, key_ops: ["verify"] }));
      return envelope.succeed({ keys: usable });
    },
  };
}

/** `GET /v1/b2b/sessions` */
async function answerSessions({ context, envelope }: StytchTools, { query }: WireCall): Promise<WireAnswer> {
  const asked = fieldsOfQuery(query);
  const name = readText(asked, "organization_id");
  const sessions = await listSessions(context, { memberId: readText(asked, "member_id") });
  const [first] = sessions;
  const organization =
    first?.organizationId === undefined
      ? undefined
      : await context.directory.organization(first.organizationId);
  const isTheirs = organization !== undefined && isNamed(organization, name);
  return envelope.succeed({ member_sessions: isTheirs ? sessions.map(toMemberSessionBody) : [] });
}

/** Lets only the holder of the project's secret through (RFC 7617). */
function requireCredentials({ projectId, secret }: StytchRouterOptions, route: WireRoute): WireRoute {
  return {
    ...route,
    admit(request) {
      const { user = "", password = "" } = readBasic(request) ?? {};
      const isKnown = isSameSecret(user, projectId);
      const isRight = isSameSecret(password, secret);
      if (!isKnown || !isRight) throw unauthorizedCredentials();
    },
  };
}

async function signIn(
  context: AuthorityContext,
  input: Omit<AuthenticateInput, "session">,
): Promise<AuthenticateSessionResult> {
  const { memberSession, member, organization, accessToken } = await authenticate(context, input);
  if (organization === undefined) {
    // Every session of Stytch's is a member's, in an organization.
    await revoke(context, { sessionId: memberSession.id });
    throw new OrgateError("organization_not_available");
  }
  const sessionToken = await makeSessionToken(context.issuer, memberSession.id);
  if (sessionToken === undefined) throw new StoreUnavailableError({ reason: "session_unreadable" });
  return { memberSession, sessionJwt: accessToken, sessionToken, member, organization };
}

/** What every operation of one project works with. */
export interface StytchTools {
  /** Whose tokens are Stytch's. */
  readonly context: AuthorityContext;
  readonly policy: Policy | undefined;
  readonly options: StytchRouterOptions;
  readonly jwts: SessionJwtCheck;
  readonly envelope: Envelope;
}
