import { randomBytes } from "node:crypto";
import type { AuthorityContext } from "../../context.ts";
import { isSameSecret } from "../client-secret.ts";
import { fieldsOfQuery, readOptionalText, readText } from "../read-fields.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer, WireCall } from "../router.ts";
import { describeRequest, REQUEST_LIFETIME, sealRequest } from "./authorization-request.ts";
import type { SealedRequest } from "./authorization-request.ts";
import { oauthError } from "./errors.ts";
import type { WorkosRouterOptions } from "./workos-router-options.ts";

/** Where the answer to an authorization request goes, whatever it is. */
export interface ReturnAddress {
  readonly redirectUri: string;
  readonly state?: string | undefined;
}

/** Characters of all parameters together; a header may have about 16,000. */
const MAX_QUERY = 6144;

const HINTS = {
  provider: "provider",
  connectionId: "connection_id",
  loginHint: "login_hint",
  domainHint: "domain_hint",
  screenHint: "screen_hint",
  prompt: "prompt",
  invitationToken: "invitation_token",
} as const;

/**
 * `GET /user_management/authorize`: leads to the application's own sign-in.
 *
 * Who asks and where the answer goes are checked first: a mistake there is told to nobody's browser but this one
 * (RFC 6749 section 4.1.2.1). Every other goes to the redirect URI.
 */
export async function answerAuthorize(
  context: AuthorityContext,
  options: WorkosRouterOptions,
  { request, response, query }: WireCall,
): Promise<WireAnswer | undefined> {
  const asked = fieldsOfQuery(query);
  const to = readReturnAddress(options, query, asked);
  const error = findProblem(asked) ?? (await findOrganizationProblem(context, asked));
  if (error !== undefined) return redirectWith(to, error);
  const authorization = describe(context, options, to, asked);
  const token = await sealRequest(context, authorization);
  const { signIn } = options;
  if (typeof signIn === "function") {
    response.setHeader("Cache-Control", "no-store");
    await signIn(describeRequest(token, authorization), request, response);
    return undefined;
  }
  const location = new URL(signIn?.path ?? "/", "http://localhost");
  location.searchParams.set("authorization_request", token);
  return { status: 302, headers: { Location: location.pathname + location.search } };
}

/** Redirects to the client with an answer: a code, or an error (RFC 6749 section 4.1.2). */
export function redirectWith(to: ReturnAddress, answer: Readonly<Record<string, string>>): WireAnswer {
  return { status: 302, headers: { Location: addressOf(to, answer) } };
}

/** The redirect URI with an answer. What its own query holds stays. */
export function addressOf(
  { redirectUri, state }: ReturnAddress,
  answer: Readonly<Record<string, string>>,
): string {
  const parameters = new URLSearchParams({ ...answer, ...(state !== undefined && { state }) });
  return `${redirectUri}${redirectUri.includes("?") ? "&" : "?"}${parameters.toString()}`;
}

function readReturnAddress(
  { clientId, redirectUris = [] }: WorkosRouterOptions,
  query: URLSearchParams,
  asked: Fields,
): ReturnAddress {
  if (query.toString().length > MAX_QUERY) throw oauthError("invalid_request", "The request is too long.");
  if (!isSameSecret(readText(asked, "client_id"), clientId)) {
    throw oauthError("invalid_client", "Invalid client ID.");
  }
  const redirectUri = readText(asked, "redirect_uri");
  if (!redirectUris.includes(redirectUri)) {
    throw oauthError("invalid_redirect_uri", "The redirect URI is not one of this client's.");
  }
  return { redirectUri, state: readOptionalText(asked, "state") };
}

function findProblem(asked: Fields): Record<string, string> | undefined {
  const get = (name: string): string | undefined => readOptionalText(asked, name);
  if (get("response_type") !== "code") {
    return problem("unsupported_response_type", "response_type must be code.");
  }
  const [challenge, method] = [get("code_challenge"), get("code_challenge_method")];
  if (challenge === undefined ? method !== undefined : method !== "S256" || !/^[\w-]{43}$/.test(challenge)) {
    return problem("invalid_request", "code_challenge must be there with code_challenge_method S256.");
  }
  const maxAge = get("max_age");
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) {
    return problem("invalid_request", "max_age must be a number of seconds.");
  }
  const [provider, connection, organization] = [
    get("provider"),
    get("connection_id"),
    get("organization_id"),
  ];
  if (provider === undefined && connection === undefined && organization === undefined) {
    return problem(
      "invalid_connection_selector",
      "One of provider, connection_id and organization_id is required.",
    );
  }
  if (connection !== undefined && (provider !== undefined || organization !== undefined)) {
    return problem("ambiguous_connection_selector", "connection_id stands alone.");
  }
  return undefined;
}

async function findOrganizationProblem(
  { directory }: AuthorityContext,
  asked: Fields,
): Promise<Record<string, string> | undefined> {
  const organizationId = readOptionalText(asked, "organization_id");
  if (organizationId === undefined || (await directory.organization(organizationId)) !== undefined) {
    return undefined;
  }
  return problem("organization_invalid", "There is no such organization.");
}

function problem(error: string, description: string): Record<string, string> {
  return { error, error_description: description };
}

function describe(
  { clock }: AuthorityContext,
  { clientId }: WorkosRouterOptions,
  { redirectUri, state }: ReturnAddress,
  asked: Fields,
): SealedRequest {
  const hints = Object.entries(HINTS).map(([name, parameter]) => [name, readOptionalText(asked, parameter)]);
  const organizationId = readOptionalText(asked, "organization_id");
  const codeChallenge = readOptionalText(asked, "code_challenge");
  const maxAge = readOptionalText(asked, "max_age");
  return {
    ...Object.fromEntries(hints.filter(([, value]) => value !== undefined)),
    id: randomBytes(18).toString("base64url"),
    expiresAt: clock() + REQUEST_LIFETIME,
    clientId,
    redirectUri,
    ...(state !== undefined && { state }),
    ...(organizationId !== undefined && { organizationId }),
    ...(codeChallenge !== undefined && { codeChallenge }),
    ...(maxAge !== undefined && { maxAge: Number(maxAge) }),
  };
}
