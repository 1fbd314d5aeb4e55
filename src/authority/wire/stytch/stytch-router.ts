import { OrgateError, StoreUnavailableError } from "../../../errors.ts";
import { isSameSecret } from "../../../lib/crypto.ts";
import { readGiven } from "../../../lib/problems.ts";
import type { JsonWebKey } from "../../../store.ts";
import type { AuthenticateSessionResult } from "../../authenticate-session.ts";
import type { Authority } from "../../authority.ts";
import type { AuthorityContext } from "../../context.ts";
import { revoke } from "../../revoke.ts";
import { makeSessionToken } from "../../secrets.ts";
import { type AuthenticateInput, authenticate } from "../../sign-in.ts";
import { type WireAuthority, requireWireAuthority } from "../../wire-access.ts";
import { findOrganization } from "../find-organization.ts";
import {
  type RouteOptions,
  type WireMiddleware,
  type WireRoute,
  createWireRouter,
  get,
  post,
  readBasic,
} from "../router.ts";
import { toStytchPolicy } from "./bodies.ts";
import { answerDiscovery, answerExchange, answerIntermediateExchange } from "./discovery.ts";
import {
  createRequestIds,
  organizationNotFound,
  refuseStytch,
  stytchError,
  unauthorizedCredentials,
} from "./errors.ts";
import { createSessionJwtCheck, createStytchDialect } from "./session-jwt.ts";
import { answerAuthenticate, answerMemberSessions, answerRevoke } from "./sessions.ts";
import {
  type Body,
  type StytchHandler,
  type StytchProject,
  type StytchRouterOptions,
  checkStytchOptions,
} from "./stytch-options.ts";

/** `GET /v1/b2b/sessions/jwks/:project_id`: the public keys that sign the session JWTs. */
export const answerProjectKeys: StytchHandler = async ({ context, options }, { segments: [projectId] }) => {
  if (projectId !== options.projectId) {
    throw stytchError(404, "project_not_found", "Project could not be found.");
  }
  const { keys } = await context.issuer.jwks();
  return { keys: keys.filter(({ alg }) => alg === "RS256").map(toStytchKey) };
};

/** Stytch's SDKs name the thumbprint of the certificate in two ways, and RFC 7517 in a third. */
function toStytchKey(key: JsonWebKey): Body {
  const thumbprint = key["x5t#S256"];
  return { ...key, key_ops: ["verify"], x5tS256: thumbprint, x5t_s256: thumbprint };
}

/** `GET /v1/b2b/rbac/policy` */
export const answerPolicy: StytchHandler = async ({ context }) => {
  const body = toStytchPolicy(context.policy);
  // Without a policy the answer is unknown; an empty one would deny everything.
  if (body === undefined) throw new StoreUnavailableError({ reason: "policy_missing" });
  return { policy: body };
};

/** `GET /v1/b2b/rbac/organizations/:id`: no organization has roles of its own. */
export const answerOrganizationPolicy: StytchHandler = async ({ context }, { segments: [name = ""] }) => {
  if ((await findOrganization(context, name)) === undefined) throw organizationNotFound();
  return { org_policy: { roles: [] } };
};

/** Middleware that serves Stytch's B2B protocol, and the application's side of signing in. */
export interface StytchRouter extends WireMiddleware {
  /**
   * Signs in a user whom the application has authenticated, and returns the session JWT and the session token for Stytch's
   * cookies. Throws like `authority.authenticate`; if an organization must be chosen, the error's
   * `pendingAuthenticationToken` is the intermediate session token.
   */
  authenticate(input: Omit<AuthenticateInput, "session">): Promise<AuthenticateSessionResult>;
}

/** Requires the project id and its secret (RFC 7617). */
const WITH_SECRET: RouteOptions<StytchProject> = {
  authorize({ options }, request) {
    const { user = "", password = "" } = readBasic(request) ?? {};
    const isKnown = isSameSecret(user, options.projectId);
    const isRight = isSameSecret(password, options.secret);
    if (!isKnown || !isRight) throw unauthorizedCredentials();
  },
};

const ROUTES: readonly WireRoute<StytchProject, Body>[] = [
  get("/v1/b2b/sessions/jwks/:", answerProjectKeys, { cacheControl: "public, max-age=60" }),
  get("/v1/b2b/sessions", answerMemberSessions, WITH_SECRET),
  post("/v1/b2b/sessions/authenticate", answerAuthenticate, WITH_SECRET),
  post("/v1/b2b/sessions/exchange", answerExchange, WITH_SECRET),
  post("/v1/b2b/sessions/revoke", answerRevoke, WITH_SECRET),
  post("/v1/b2b/discovery/organizations", answerDiscovery, WITH_SECRET),
  post("/v1/b2b/discovery/intermediate_sessions/exchange", answerIntermediateExchange, WITH_SECRET),
  get("/v1/b2b/rbac/policy", answerPolicy, WITH_SECRET),
  get("/v1/b2b/rbac/organizations/:", answerOrganizationPolicy, WITH_SECRET),
];

/**
 * Serves an authority over Stytch's wire protocol, so that Stytch's B2B SDKs work against it unchanged.
 *
 * Session JWTs are signed by RS256. If the authority makes its own keys, it makes one for that.
 *
 * @throws `ConfigurationError` with every problem in the options, and for an authority that `createAuthority` did not make
 */
export function stytchRouter(authority: Authority, options: StytchRouterOptions): StytchRouter {
  return readGiven("stytchRouter", () => makeStytchRouter(requireWireAuthority(authority), options));
}

function makeStytchRouter(authority: WireAuthority, given: StytchRouterOptions): StytchRouter {
  const options = checkStytchOptions(given, authority.context.issuer.require("RS256"));
  const { projectId } = options;
  const context = { ...authority.context, wire: createStytchDialect(projectId) };
  const jwts = createSessionJwtCheck(context, projectId);
  authority.onClose(() => jwts.close());
  const router = createWireRouter<StytchProject, Body>({
    routes: ROUTES,
    service: { context, options, jwts },
    makeRequestId: createRequestIds(projectId),
    toAnswer: (body, requestId) => ({
      status: 200,
      body: { ...body, request_id: requestId, status_code: 200 },
    }),
    refuse: refuseStytch,
  });
  return Object.assign(router, {
    authenticate: (input: Omit<AuthenticateInput, "session">) => signIn(context, input),
  });
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
  return { memberSession, sessionJwt: accessToken, sessionToken, member, organization };
}
