import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import { isOrgateError } from "../../../errors.ts";
import { checkId, checkOptionalId, invalidRequest } from "../../check-input.ts";
import type { AuthenticateInput, AuthenticationResult, RequestOrigin } from "../../operations.ts";
import type { AuthorityContext } from "../../options.ts";
import { recordOrigin, removeSession } from "../../sessions.ts";
import { type SignIn, checkEvidence, makeSingleUseToken, nameOfToken, signIn } from "../../sign-in.ts";
import { type Fields, type WireRefusal, fieldsOfQuery, readOptionalText, readText } from "../read-fields.ts";
import { type WireAnswer, type WireCall, isSameSecret } from "../router.ts";
import { oauthError, workosError } from "./errors.ts";
import type { WorkosRouterOptions } from "./workos-options.ts";

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
  const { signIn: handler } = options;
  if (typeof handler === "function") {
    response.setHeader("Cache-Control", "no-store");
    await handler(describeRequest(token, authorization), request, response);
    return undefined;
  }
  const location = new URL(handler?.path ?? "/", "http://localhost");
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

/** What the client asked for at `authorize`, for the application's sign-in page. */
export interface AuthorizationRequest {
  /** Names the request to `completeAuthorization`; good for ten minutes, and for one completion. */
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
  /** Seconds since the last authentication that the client accepts. */
  readonly maxAge?: number;
}

/** The request with what only the router reads. */
export interface SealedRequest extends Omit<AuthorizationRequest, "token"> {
  /** Marks the request as completed, once it is. */
  readonly id: string;
  readonly expiresAt: number;
  readonly state?: string;
  /** RFC 7636 section 4.2, by S256. */
  readonly codeChallenge?: string;
}

/** Seconds that a request waits for the user to sign in. */
export const REQUEST_LIFETIME = 600;

const PURPOSE = "orgate authorization request";
const IV_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Seals a request into the token that stands for it.
 *
 * Nothing is stored until somebody has signed in: anybody can ask to authorize, and must not be able to fill the repository.
 */
export async function sealRequest({ issuer }: AuthorityContext, request: SealedRequest): Promise<string> {
  const [key] = await issuer.secrets(PURPOSE);
  if (key === undefined) throw new TypeError("An issuer has at least one key.");
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const sealed = [cipher.update(JSON.stringify(request), "utf8"), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat([iv, ...sealed]).toString("base64url");
}

/** Opens a request that has not expired; throws `invalid_request` for everything else. */
export async function openRequest(
  { issuer, clock }: AuthorityContext,
  token: unknown,
  clientId: string,
): Promise<SealedRequest> {
  const bytes = Buffer.from(typeof token === "string" ? token : "", "base64url");
  for (const key of await issuer.secrets(PURPOSE)) {
    const request = decipher(bytes, key);
    if (request !== undefined && request.clientId === clientId && clock() < request.expiresAt) return request;
  }
  throw invalidRequest(
    "The authorization request is unknown or has expired.",
    "authorization_request_invalid",
  );
}

/** What the application may know of a request. */
export function describeRequest(token: string, request: SealedRequest): AuthorizationRequest {
  const { id: _id, expiresAt: _expiresAt, state: _state, codeChallenge: _codeChallenge, ...told } = request;
  return { token, ...told };
}

function decipher(bytes: Buffer, key: Buffer): SealedRequest | undefined {
  if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
  const opener = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES));
  opener.setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    const text = Buffer.concat([opener.update(bytes.subarray(IV_BYTES, -TAG_BYTES)), opener.final()]);
    const request: SealedRequest = JSON.parse(text.toString("utf8"));
    return request;
  } catch {
    return undefined;
  }
}

/** What a code stands for. It is stored under the code's hash. */
export interface CodeRecord {
  readonly version: 1;
  readonly clientId: string;
  readonly redirectUri: string;
  readonly codeChallenge?: string;
  readonly signIn: SignIn;
  readonly expiresAt: number;
}

/** What came with a code. */
export interface CodeExchange extends RequestOrigin {
  readonly code: string;
  readonly codeVerifier?: string | undefined;
  readonly redirectUri?: string | undefined;
  readonly invitationToken?: string | undefined;
}

/** Stores what a code stands for; answers with the code. */
export async function issueCode(
  { repository }: AuthorityContext,
  record: CodeRecord,
): Promise<{ code: string; name: string }> {
  const code = makeSingleUseToken();
  const name = `code:${nameOfToken(code) ?? ""}`;
  await repository.insert("authorizations", name, record, { expiresAt: record.expiresAt });
  return { code, name };
}

/**
 * Exchanges a code, once, whatever comes of it (RFC 6749 section 4.1.3).
 *
 * A code that comes back ends the session that it was exchanged for (section 4.1.2). Trouble of the store puts it back.
 */
export async function exchangeCode(
  context: AuthorityContext,
  exchange: CodeExchange,
): Promise<AuthenticationResult> {
  const hash = nameOfToken(exchange.code);
  const found =
    hash === undefined ? undefined : await context.repository.consume("authorizations", `code:${hash}`);
  if (hash === undefined || !isCodeRecord(found) || context.clock() >= found.expiresAt) {
    if (hash !== undefined) await endReplayed(context, hash);
    throw codeInvalid();
  }
  assertMeantFor(context, found, exchange);
  const { evidence, ...who } = found.signIn;
  const keep = { expiresAt: found.expiresAt };
  const invitationToken = exchange.invitationToken ?? who.invitationToken;
  try {
    const origin = { ...evidence, ...recordOrigin(exchange) };
    const result = await signIn(context, { ...who, invitationToken, evidence: origin }, {});
    const spent = { sessionId: result.memberSession.id };
    await context.repository.insert("authorizations", `spent:${hash}`, spent, keep);
    return result;
  } catch (error) {
    if (isTrouble(error)) await context.repository.insert("authorizations", `code:${hash}`, found, keep);
    throw error;
  }
}

function assertMeantFor(
  { wire }: AuthorityContext,
  { clientId, redirectUri, codeChallenge }: CodeRecord,
  exchange: CodeExchange,
): void {
  if (clientId !== wire?.client?.id) throw codeInvalid();
  if (exchange.redirectUri !== undefined && exchange.redirectUri !== redirectUri) throw codeInvalid();
  if (codeChallenge === undefined) {
    // A verifier without a challenge: somebody took the challenge out of the authorization request (RFC 9700 section 2.1.1).
    if (exchange.codeVerifier !== undefined)
      throw workosError("code_challenge_not_found", "The code was issued without a code challenge.");
    return;
  }
  if (
    exchange.codeVerifier === undefined ||
    !isSameSecret(challengeOf(exchange.codeVerifier), codeChallenge)
  ) {
    throw codeInvalid();
  }
}

async function endReplayed(context: AuthorityContext, hash: string): Promise<void> {
  const spent = await context.repository.consume("authorizations", `spent:${hash}`);
  const sessionId: unknown =
    typeof spent === "object" && spent !== null ? Reflect.get(spent, "sessionId") : undefined;
  if (typeof sessionId !== "string") return;
  if (await removeSession(context, sessionId)) context.events.emit({ type: "reuse_detected", sessionId });
}

function challengeOf(verifier: string): string {
  return /^[\w.~-]{43,128}$/.test(verifier) ? createHash("sha256").update(verifier).digest("base64url") : "";
}

function codeInvalid(): WireRefusal {
  return oauthError("invalid_grant", "The code has expired or is invalid.");
}

function isTrouble(error: unknown): boolean {
  return isOrgateError(error) && error.code === "store_unavailable";
}

function isCodeRecord(value: unknown): value is CodeRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    Reflect.get(value, "version") === 1 &&
    typeof Reflect.get(value, "clientId") === "string" &&
    typeof Reflect.get(value, "redirectUri") === "string" &&
    typeof Reflect.get(value, "signIn") === "object" &&
    typeof Reflect.get(value, "expiresAt") === "number"
  );
}

/** Whom the application has authenticated for an authorization request, and how. */
export type AuthorizationSubject = Omit<AuthenticateInput, "session">;

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
  context: AuthorityContext,
  { clientId, codeLifetime = 600 }: WorkosRouterOptions,
  token: string,
  subject: AuthorizationSubject,
): Promise<AuthorizationAnswer> {
  const request = await openRequest(context, token, clientId);
  const userId = checkId("userId", subject.userId);
  const organizationId = checkOptionalId("organizationId", subject.organizationId) ?? request.organizationId;
  const invitationToken =
    checkOptionalId("invitationToken", subject.invitationToken) ?? request.invitationToken;
  const evidence = checkEvidence(context, subject);
  const { redirectUri, codeChallenge } = request;
  const issued = await issueCode(context, {
    version: 1,
    clientId,
    redirectUri,
    ...(codeChallenge !== undefined && { codeChallenge }),
    signIn: {
      userId,
      ...(organizationId !== undefined && { organizationId }),
      ...(invitationToken !== undefined && { invitationToken }),
      evidence,
    },
    expiresAt: context.clock() + codeLifetime,
  });
  if (!(await spendRequest(context, request))) {
    await context.repository.consume("authorizations", issued.name);
    throw requestIsSpent();
  }
  return { redirectTo: addressOf(request, { code: issued.code }) };
}

/** Answers an authorization request with an error, once. */
export async function refuseAuthorization(
  context: AuthorityContext,
  { clientId }: WorkosRouterOptions,
  token: string,
  { error = "access_denied", errorDescription }: AuthorizationRefusal = {},
): Promise<AuthorizationAnswer> {
  const request = await openRequest(context, token, clientId);
  if (!/^[a-z_]{1,64}$/.test(error)) throw invalidRequest("error must be a code of the protocol.");
  if (!(await spendRequest(context, request))) throw requestIsSpent();
  const description = errorDescription === undefined ? {} : { error_description: errorDescription };
  return { redirectTo: addressOf(request, { error, ...description }) };
}

/** Of several completions at once, exactly one is told `true`. */
function spendRequest({ repository }: AuthorityContext, { id, expiresAt }: SealedRequest): Promise<boolean> {
  return repository.insert("authorizations", `request:${id}`, { version: 1 }, { expiresAt });
}

function requestIsSpent(): Error {
  return invalidRequest("The authorization request was answered before.", "authorization_request_spent");
}
