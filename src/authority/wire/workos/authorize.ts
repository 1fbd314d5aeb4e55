import { NO_STORE } from "../../../lib/http.ts";
import { OrgateError, isOrgateError } from "../../../errors.ts";
import { toCamelCase } from "../../../lib/case.ts";
import { isSameSecret, sha256 } from "../../../lib/crypto.ts";
import { absentOr, isFiniteNumber, isText, objectWith } from "../../../lib/values.ts";
import type { AuthenticationResult } from "../../authentication-result.ts";
import { type RequestOrigin, cleanOrigin, invalidRequest } from "../../check-input.ts";
import type { AuthorityContext } from "../../context.ts";
import type { CodeRecord } from "../../records.ts";
import { decryptJson, encrypt, makeSecret } from "../../secrets.ts";
import { endStolenSession } from "../../sessions.ts";
import { type AuthenticateInput, checkSignIn, signIn as openSession } from "../../sign-in.ts";
import type { Fields } from "../read-fields.ts";
import type { WireAnswer, WireRefusal } from "../router.ts";
import { oauthError, workosError } from "./errors.ts";
import type { WorkosEnvironment, WorkosHandler } from "./workos-options.ts";

/** Characters of the URL; a header may have about 16,000. */
const MAX_URL_LENGTH = 6144;

/**
 * `GET /user_management/authorize`: leads to the application's own sign-in.
 *
 * The client and the redirect URI are checked first: an error in one of them must not be sent to the redirect URI (RFC 6749
 * section 4.1.2.1). Every other error is.
 */
export const answerAuthorize: WorkosHandler = async ({ context, options }, { request, response, query }) => {
  const { clientId, redirectUris = [], signIn } = options;
  if ((request.url ?? "").length > MAX_URL_LENGTH) {
    throw oauthError("invalid_request", "The request is too long.");
  }
  if (!isSameSecret(query.text("client_id"), clientId)) {
    throw oauthError("invalid_client", "Invalid client ID.");
  }
  const redirectUri = query.text("redirect_uri");
  if (!redirectUris.includes(redirectUri)) {
    throw oauthError("invalid_redirect_uri", "The redirect URI is not one of this client's.");
  }
  const state = query.optionalText("state");
  const problem = findProblem(query) ?? (await findOrganizationProblem(context, query));
  if (problem !== undefined) return redirectTo(addressOf({ redirectUri, state }, problem));
  const parameters = readOptionalParameters(query);
  const authorization = await sealRequest(context, { ...parameters, clientId, redirectUri });
  if (typeof signIn === "function") {
    response.setHeader("Cache-Control", NO_STORE);
    await signIn(authorization, request, response);
    return undefined;
  }
  const page = new URL(signIn?.path ?? "/", "http://localhost");
  page.searchParams.set("authorization_request", authorization.token);
  return redirectTo(page.pathname + page.search);
};

type Parameters = Readonly<Record<string, string>>;

/** Adds an answer to the redirect URI (RFC 6749 section 4.1.2), whose own query stays. */
function addressOf(
  { redirectUri, state }: { readonly redirectUri: string; readonly state?: string | undefined },
  answer: Parameters,
): string {
  const parameters = new URLSearchParams({ ...answer, ...(state !== undefined && { state }) });
  return `${redirectUri}${redirectUri.includes("?") ? "&" : "?"}${parameters.toString()}`;
}

function redirectTo(location: string): WireAnswer {
  return { status: 302, headers: { Location: location } };
}

const OPTIONAL_PARAMETERS = [
  "state",
  "code_challenge",
  "organization_id",
  "provider",
  "connection_id",
  "login_hint",
  "domain_hint",
  "screen_hint",
  "prompt",
  "invitation_token",
];

function readOptionalParameters(query: Fields): Partial<SealedRequest> {
  const given = OPTIONAL_PARAMETERS.flatMap((name) => {
    const value = query.optionalText(name);
    return value === undefined ? [] : [[toCamelCase(name), value]];
  });
  const maxAge = query.optionalText("max_age");
  return { ...Object.fromEntries(given), ...(maxAge !== undefined && { maxAge: Number(maxAge) }) };
}

function findProblem(query: Fields): Parameters | undefined {
  const get = (name: string): string | undefined => query.optionalText(name);
  if (get("response_type") !== "code") {
    return describeProblem("unsupported_response_type", "response_type must be code.");
  }
  const [challenge, method] = [get("code_challenge"), get("code_challenge_method")];
  if (challenge === undefined ? method !== undefined : method !== "S256" || !/^[\w-]{43}$/.test(challenge)) {
    const description = "code_challenge must be there with code_challenge_method S256.";
    return describeProblem("invalid_request", description);
  }
  if (!/^\d{0,9}$/.test(get("max_age") ?? "")) {
    return describeProblem("invalid_request", "max_age must be a number of seconds.");
  }
  const [provider, connection, organization] = ["provider", "connection_id", "organization_id"].map(get);
  if ((provider ?? connection ?? organization) === undefined) {
    const description = "One of provider, connection_id and organization_id is required.";
    return describeProblem("invalid_connection_selector", description);
  }
  if (connection !== undefined && (provider ?? organization) !== undefined) {
    return describeProblem("ambiguous_connection_selector", "connection_id stands alone.");
  }
  return undefined;
}

async function findOrganizationProblem(
  { directory }: AuthorityContext,
  query: Fields,
): Promise<Parameters | undefined> {
  const organizationId = query.optionalText("organization_id");
  if (organizationId === undefined || (await directory.organization(organizationId)) !== undefined) {
    return undefined;
  }
  return describeProblem("organization_invalid", "There is no such organization.");
}

function describeProblem(error: string, description: string): Parameters {
  return { error, error_description: description };
}

/** Whom the application has authenticated for an authorization request, and how. */
export type AuthorizationSubject = Omit<AuthenticateInput, "session" | "pendingAuthenticationToken">;

/** Why the application refuses an authorization request. */
export interface AuthorizationRefusal {
  /** A code of the protocol. @defaultValue `access_denied` */
  readonly error?: string | undefined;
  /** For the client's developers; printable ASCII without quotes. */
  readonly errorDescription?: string | undefined;
}

/** Where the browser goes next. */
export interface AuthorizationAnswer {
  readonly redirectTo: string;
}

/**
 * Answers an authorization request with a code for the user, once.
 *
 * The code is stored by its hash, and is bound to the client, the redirect URI and the code challenge.
 */
export async function completeAuthorization(
  { context, options }: WorkosEnvironment,
  token: string,
  subject: AuthorizationSubject,
): Promise<AuthorizationAnswer> {
  const { clientId, codeLifetime } = options;
  const { codes } = context.records;
  const request = await openRequest(context, token, clientId);
  const asked = checkSignIn(context, subject);
  const { redirectUri, codeChallenge } = request;
  const code = await codes.issue({
    version: 1,
    clientId,
    redirectUri,
    ...(codeChallenge !== undefined && { codeChallenge }),
    signIn: {
      ...asked,
      organizationId: asked.organizationId ?? request.organizationId,
      invitationToken: asked.invitationToken ?? request.invitationToken,
    },
    expiresAt: context.clock() + codeLifetime,
  });
  if (!(await codes.answerRequest(request.id, request.expiresAt))) {
    await codes.discard(code);
    throw alreadyAnswered();
  }
  return { redirectTo: addressOf(request, { code }) };
}

/** Answers an authorization request with an error, once. */
export async function refuseAuthorization(
  { context, options }: WorkosEnvironment,
  token: string,
  { error = "access_denied", errorDescription }: AuthorizationRefusal = {},
): Promise<AuthorizationAnswer> {
  const request = await openRequest(context, token, options.clientId);
  if (!/^[a-z_]{1,64}$/.test(error)) throw invalidRequest("error must be a code of the protocol.");
  const { codes } = context.records;
  if (!(await codes.answerRequest(request.id, request.expiresAt))) throw alreadyAnswered();
  const description = errorDescription === undefined ? {} : { error_description: errorDescription };
  return { redirectTo: addressOf(request, { error, ...description }) };
}

function alreadyAnswered(): Error {
  return invalidRequest("The authorization request was answered before.", "authorization_request_spent");
}

/** A code, and the parameters that a client sends with it. */
export interface CodeExchange extends RequestOrigin {
  readonly code: string;
  readonly codeVerifier: string | undefined;
  readonly redirectUri: string | undefined;
  readonly invitationToken: string | undefined;
}

/**
 * Exchanges a code, once, whatever comes of it (RFC 6749 section 4.1.3).
 *
 * A code that is exchanged again ends the session that it was exchanged for (section 4.1.2). If the store is unavailable, the
 * code stays valid.
 */
export async function exchangeCode(
  context: AuthorityContext,
  exchange: CodeExchange,
): Promise<AuthenticationResult> {
  const { codes } = context.records;
  const { code } = exchange;
  const attempt = makeSecret();
  const found = await codes.read(code);
  if (found === undefined || !(await codes.spend(code, found, attempt))) {
    const sessionId = await codes.readExchange(code);
    if (sessionId !== undefined) await endStolenSession(context, sessionId);
    throw codeInvalid();
  }
  const record = found.value;
  assertMeantFor(context, record, exchange);
  const { evidence, invitationToken, ...who } = record.signIn;
  try {
    const result = await openSession(
      context,
      {
        ...who,
        invitationToken: exchange.invitationToken ?? invitationToken,
        evidence: { ...evidence, ...cleanOrigin(exchange) },
      },
      {},
    );
    await codes.recordExchange(code, result.memberSession.id, record.expiresAt);
    return result;
  } catch (error) {
    if (isOrgateError(error) && error.code === "store_unavailable")
      await codes.restore(code, record, attempt);
    throw error;
  }
}

/** Refuses a code of another client, for another redirect URI, or without the proof of its code challenge. */
function assertMeantFor({ wire }: AuthorityContext, record: CodeRecord, exchange: CodeExchange): void {
  const { redirectUri = record.redirectUri, codeVerifier } = exchange;
  if (record.clientId !== wire?.client?.id || redirectUri !== record.redirectUri) throw codeInvalid();
  if (record.codeChallenge !== undefined) {
    if (!isSameSecret(challengeOf(codeVerifier ?? ""), record.codeChallenge)) throw codeInvalid();
  } else if (codeVerifier !== undefined) {
    // Somebody took the challenge out of the authorization request (RFC 9700 section 2.1.1).
    throw workosError("code_challenge_not_found", "The code was issued without a code challenge.");
  }
}

/** RFC 7636 section 4.2, by S256. */
function challengeOf(verifier: string): string {
  return /^[\w.~-]{43,128}$/.test(verifier) ? sha256(verifier) : "";
}

function codeInvalid(): WireRefusal {
  return oauthError("invalid_grant", "The code has expired or is invalid.");
}

/** An authorization request of a client, as the application's sign-in page sees it. */
export interface AuthorizationRequest {
  /** Names the request to `completeAuthorization`. Valid for ten minutes and one completion. */
  readonly token: string;
  readonly clientId: string;
  /** One of the `redirectUris`. */
  readonly redirectUri: string;
  readonly organizationId?: string;
  readonly provider?: string;
  readonly connectionId?: string;
  readonly loginHint?: string;
  readonly domainHint?: string;
  readonly screenHint?: string;
  readonly prompt?: string;
  readonly invitationToken?: string;
  /** The longest time since the last authentication that the client accepts, in seconds. */
  readonly maxAge?: number;
}

/** A request with what only the router reads. */
export interface SealedRequest extends Omit<AuthorizationRequest, "token"> {
  /** Marks the request as answered, once it is. */
  readonly id: string;
  readonly expiresAt: number;
  readonly state?: string;
  /** RFC 7636 section 4.2, by S256. */
  readonly codeChallenge?: string;
}

/** Seconds within which the user must sign in. */
const REQUEST_LIFETIME = 600;
const PURPOSE = "orgate authorization request";

/**
 * Encrypts a request into the token that stands for it.
 *
 * Nothing is stored until the user has signed in: anybody may call `authorize`, and must not be able to fill the repository.
 */
export async function sealRequest(
  { issuer, clock }: AuthorityContext,
  asked: Omit<SealedRequest, "id" | "expiresAt">,
): Promise<AuthorizationRequest> {
  const request = { ...asked, id: makeSecret(18), expiresAt: clock() + REQUEST_LIFETIME };
  const [key] = await issuer.secrets(PURPOSE);
  return describeRequest(encrypt(key, JSON.stringify(request)), request);
}

/** Decrypts a request that has not expired; throws `invalid_request` for anything else. */
export async function openRequest(
  { issuer, clock }: AuthorityContext,
  token: string,
  clientId: string,
): Promise<SealedRequest> {
  let cause: unknown;
  for (const key of await issuer.secrets(PURPOSE)) {
    try {
      const request: unknown = decryptJson(key, token);
      if (!isSealedRequest(request)) continue;
      if (request.clientId === clientId && clock() < request.expiresAt) return request;
    } catch (error) {
      // Encrypted by another key, or not by us.
      cause = error;
    }
  }
  const message = "The authorization request is unknown or has expired.";
  throw new OrgateError("invalid_request", { message, reason: "authorization_request_invalid", cause });
}

/** Describes a request to the application. */
export function describeRequest(token: string, request: SealedRequest): AuthorizationRequest {
  const { id: _id, expiresAt: _expiresAt, state: _state, codeChallenge: _codeChallenge, ...rest } = request;
  return { token, ...rest };
}

const isSealedRequest = objectWith<SealedRequest>({
  id: isText,
  expiresAt: isFiniteNumber,
  clientId: isText,
  redirectUri: isText,
  state: absentOr(isText),
  codeChallenge: absentOr(isText),
  organizationId: absentOr(isText),
  provider: absentOr(isText),
  connectionId: absentOr(isText),
  loginHint: absentOr(isText),
  domainHint: absentOr(isText),
  screenHint: absentOr(isText),
  prompt: absentOr(isText),
  invitationToken: absentOr(isText),
  maxAge: absentOr(isFiniteNumber),
});
