import type { IncomingMessage, ServerResponse } from "node:http";
import { ERROR_TABLE, type ErrorCode, OrgateError, StoreUnavailableError } from "../errors.ts";
import { findCookie, ownCookieAttributes, ownCookieName, setCookieLine } from "../lib/cookies.ts";
import { sha256 } from "../lib/crypto.ts";
import { html, renderPage, sendPage } from "../lib/html.ts";
import {
  type Challenge,
  acceptsHtml,
  isNavigation,
  pathOf,
  redirect,
  requestedUrl,
  sanitizeReturnTo,
  sendProblem,
} from "../lib/http.ts";
import { isString } from "../lib/values.ts";
import type { AuthState, Denial } from "../model.ts";
import type { Instance } from "../request/instance.ts";
import type { RequestAuth } from "../request/request-auth.ts";

/** A request, and the instance of orgate that handles it. */
export interface ReceivedRequest {
  readonly instance: Instance;
  readonly request: IncomingMessage;
}

/** A request whose credential was read. */
export interface RequestContext extends ReceivedRequest {
  readonly auth: RequestAuth;
}

/** A request at a guard or at one of orgate's handlers, and how it is answered. */
export interface HandlerContext extends RequestContext {
  readonly response: ServerResponse;
  readonly next: (error?: unknown) => void;
}

/** What a denial says beyond its code. */
export interface DenialInit {
  readonly code: ErrorCode;
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** RFC 9470: the oldest acceptable authentication, in seconds. */
  readonly maxAge?: number;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
  /** Where the store wants the browser to sign in. */
  readonly signInUrl?: string;
  /** The organization that demands a new sign-in. */
  readonly organizationId?: string | undefined;
  /** Where the browser comes back to. @defaultValue the requested URL */
  readonly returnTo?: string;
  /** Whether a browser may be redirected. @defaultValue `true` */
  readonly redirects?: boolean;
  /** What takes the place of a problem for clients that accept HTML: orgate's page, or one that this function sends. */
  readonly page?: true | ((denial: Denial) => void);
}

/** Returns the denial of a state that is not signed in. Even a signed-in state is denied: this never lets anybody through. */
export function denialOf(state: AuthState): DenialInit {
  switch (state.status) {
    case "anonymous":
    case "authenticated":
      return { code: "unauthenticated" };
    case "rejected": {
      const { code, reason, signInUrl, organizationId } = state;
      if (code !== "reauthentication_required") return { code };
      const url = signInUrl === undefined ? {} : { signInUrl };
      return { code, extensions: { ...(reason !== undefined && { reason }) }, ...url, organizationId };
    }
    default:
      return { code: state.code, retryAfter: state.retryAfter };
  }
}

/** Emits the event of a denial and answers it, through `onDenied` if the application has one. */
export function deny(context: HandlerContext, init: DenialInit): void {
  emitDenied(context.instance, init);
  answerDenial(context, init);
}

/** What is known of denials that were thrown, so that they are answered as a guard would answer them. */
const thrownDenials = new WeakMap<OrgateError, DenialInit>();

/** Makes the error of a denial, for code that throws in place of answering. */
export function toDenialError(context: RequestContext, init: DenialInit): OrgateError {
  const { code, retryAfter, extensions } = init;
  const reason = extensions?.["reason"];
  const parts = { headers: denialHeaders(context, init), ...(isString(reason) && { reason }) };
  const error =
    code === "store_unavailable"
      ? new StoreUnavailableError({ ...parts, retryAfter })
      : new OrgateError(code, parts);
  thrownDenials.set(error, init);
  return error;
}

/** Answers an error as a guard would answer a denial of its code. */
export function denyError(context: HandlerContext, error: OrgateError): void {
  const thrown = thrownDenials.get(error);
  if (thrown !== undefined) {
    answerDenial(context, thrown);
    return;
  }
  const { state } = context.auth;
  const { code, reason, headers } = error;
  const { "Retry-After": wait } = headers;
  if (state.status !== "authenticated" && denialOf(state).code === code) deny(context, denialOf(state));
  else {
    deny(context, {
      code,
      ...(wait !== undefined && { retryAfter: Number(wait) }),
      ...(reason !== undefined && { extensions: { reason } }),
    });
  }
}

function answerDenial(context: HandlerContext, init: DenialInit): void {
  const { instance, request, response, next, auth } = context;
  auth.markUsed();
  const denial = createDenial(context, init);
  const { onDenied } = instance.options;
  if (onDenied === undefined) {
    denial.respond();
    return;
  }
  // What the application's own code throws goes to its error handler, on Express 4 as well.
  void (async () => onDenied(denial, request, response, next))().catch(next);
}

/** Emits the event of a denial. */
export function emitDenied({ events }: Instance, { code, extensions }: DenialInit): void {
  if (!events.wants("denied")) return;
  const { resource, action } = extensions ?? {};
  events.emit({
    type: "denied",
    code,
    ...(isString(resource) && { resource }),
    ...(isString(action) && { action }),
  });
}

function createDenial(context: HandlerContext, init: DenialInit): Denial {
  const { code } = init;
  const redirectTo = redirectTarget(context, init);
  const denial: Denial = {
    code,
    ...ERROR_TABLE[code],
    detail: DENIAL_DETAILS[code],
    headers: denialHeaders(context, init),
    extensions: extensionsOf(context, init),
    ...(redirectTo !== undefined && { redirectTo }),
    respond: () => respond(context, denial, init),
  };
  return Object.freeze(denial);
}

const NO_EXTENSIONS: Denial["extensions"] = Object.freeze({});

function extensionsOf(
  { instance: { options } }: HandlerContext,
  { code, extensions, signInUrl, organizationId }: DenialInit,
): Denial["extensions"] {
  const own = signInAddress(options.signInPath, organizationId);
  const url = code === "reauthentication_required" ? (signInUrl ?? own) : undefined;
  if (url !== undefined) return Object.freeze({ ...extensions, sign_in_url: url });
  return extensions === undefined ? NO_EXTENSIONS : Object.freeze({ ...extensions });
}

/** The application's sign-in, for the organization that demands it: it may have a single sign-on of its own. */
function signInAddress(path: string | undefined, organizationId: string | undefined): string | undefined {
  if (path === undefined || organizationId === undefined) return path;
  return `${path}?${new URLSearchParams({ organization_id: organizationId }).toString()}`;
}

function denialHeaders({ instance, auth }: RequestContext, init: DenialInit): Record<string, string> {
  const needed = challengeFor(auth, init);
  const { retryAfter } = init;
  return {
    ...(needed !== undefined && { "WWW-Authenticate": instance.challenge(needed) }),
    ...(retryAfter !== undefined && { "Retry-After": String(retryAfter) }),
  };
}

function challengeFor(auth: RequestAuth, { code, maxAge }: DenialInit): Challenge | undefined {
  if (code === "permission_denied") return { error: "insufficient_scope" };
  if (ERROR_TABLE[code].status !== 401) return undefined;
  if (code === "reauthentication_required") {
    return { error: "insufficient_user_authentication", ...(maxAge !== undefined && { maxAge }) };
  }
  const { state } = auth;
  return state.status === "rejected" && state.via === "bearer" ? { error: "invalid_token" } : {};
}

function redirectTarget(
  { instance: { options }, request }: HandlerContext,
  { code, redirects, signInUrl, returnTo, maxAge, organizationId }: DenialInit,
): string | undefined {
  const url = code === "reauthentication_required" ? signInUrl : undefined;
  const path = pathFor(options, code);
  if ((url ?? path) === undefined || redirects === false || !isNavigation(request)) return undefined;
  if (url !== undefined) return url;
  if (path === undefined || pathOf(request) === path) return undefined;
  const query = new URLSearchParams({ return_to: returnTo ?? sanitizeReturnTo(requestedUrl(request)) });
  if (maxAge !== undefined) query.set("max_age", String(maxAge));
  if (organizationId !== undefined) query.set("organization_id", organizationId);
  return `${path}?${query.toString()}`;
}

function pathFor({ signInPath, selectionPath }: Instance["options"], code: ErrorCode): string | undefined {
  if (code === "organization_selection_required") return selectionPath;
  return ERROR_TABLE[code].status === 401 ? signInPath : undefined;
}

function respond(context: HandlerContext, denial: Denial, { page, returnTo }: DenialInit): void {
  const { instance, request, response } = context;
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(denial.headers)) response.setHeader(name, value);
  if (denial.redirectTo !== undefined) {
    redirectUnlessLooping(context, denial, denial.redirectTo);
  } else if (page === undefined || !acceptsHtml(request)) {
    sendProblem(response, denial.status, problemOf(denial));
  } else if (page === true) {
    sendDenialPage(response, denial, wayOn(instance.options, denial, returnTo));
  } else {
    page(denial);
  }
}

/** The link on orgate's page of a denial. */
function wayOn(
  { signInPath, selectionPath }: Instance["options"],
  { status, extensions }: Denial,
  returnTo = "/",
): { readonly href: string; readonly text: string } | undefined {
  const { sign_in_url: signInUrl } = extensions;
  const query = new URLSearchParams({ return_to: returnTo }).toString();
  if (isString(signInUrl)) {
    const [path, own] = signInUrl.split("?", 2);
    const href = `${signInUrl}${own === undefined ? "?" : "&"}${query}`;
    return { href: path === signInPath ? href : signInUrl, text: "Sign in again" };
  }
  if (status === 401 || status === 400) {
    return signInPath === undefined ? undefined : { href: `${signInPath}?${query}`, text: "Sign in" };
  }
  return status === 403 || status === 503 ? { href: selectionPath, text: "Try again" } : undefined;
}

/** Serialized problems that say nothing beyond their code: a flood of bad credentials costs no serialization. */
const plainProblems = new Map<ErrorCode, string>();

function problemOf({ code, status, title, detail, extensions }: Denial): string {
  const known = extensions === NO_EXTENSIONS ? plainProblems.get(code) : undefined;
  if (known !== undefined) return known;
  const problem = { type: `urn:orgate:error:${code}`, title, status, detail, code, ...extensions };
  const json = JSON.stringify(problem);
  if (extensions === NO_EXTENSIONS) plainProblems.set(code, json);
  return json;
}

/** Explains each code to the person who reads the answer. Never says what would have helped to get in. */
export const DENIAL_DETAILS: Readonly<Record<ErrorCode, string>> = {
  unauthenticated: "No credential was sent with the request.",
  invalid_token: "The access token was refused.",
  token_expired: "The access token has expired and cannot be renewed. Sign in again.",
  session_revoked: "The session has ended. Sign in again.",
  invalid_session: "The session cookie was refused. Sign in again.",
  ambiguous_credential: "The request carries more than one credential of the same kind, and they differ.",
  invalid_pending_authentication:
    "The sign-in has expired, was completed already, or was begun in another browser.",
  reauthentication_required: "The member must authenticate again.",
  permission_denied: "The member's roles do not allow this action.",
  organization_mismatch: "The organization of the request is not the one that the session is signed in to.",
  organization_selection_required: "The session has no organization yet.",
  organization_not_available: "The organization is not among those that can be chosen.",
  role_required: "The session does not hold the role that this route requires.",
  factor_required: "The session does not hold the authentication factor that this route requires.",
  impersonation_denied: "This route is closed to impersonated sessions.",
  cross_site_request:
    "A request with a session cookie must come from the application's own pages, at its base URL.",
  invalid_request: "The request could not be understood.",
  sign_in_failed: "The sign-in was refused.",
  method_not_allowed: "The method is not allowed here.",
  payload_too_large: "The request body is larger than this route reads.",
  store_unavailable:
    "Whether the session is valid cannot be checked right now. Nobody was signed out; try again.",
  clock_skew: "The token is not valid yet: the clocks of this server and of the issuer differ.",
  configuration_invalid: "The server is not configured correctly.",
  token_too_old:
    "The access token is older than this route accepts, and it cannot be renewed. Send a newer one.",
  session_too_large: "The session is too large to be sent in cookies.",
};

/** What a page says of a denial. */
interface DenialText {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
}

/** Sends a page that says why something did not happen, and offers a way on. */
export function sendDenialPage(
  response: ServerResponse,
  { status, title, detail }: DenialText,
  link?: { readonly href: string; readonly text: string },
): void {
  const linkTo = link === undefined ? "" : html`<a class="button" href="${link.href}">${link.text}</a>`;
  const body = html`<h1>${title}</h1>
    <p role="alert">${detail}</p>
    ${linkTo}`;
  sendPage(response, status, renderPage(title, body));
}

/** Seconds within which a second redirect from the same page is a loop. */
const LOOP_WINDOW = 10;

/** The cookie that remembers where the browser was last redirected from. */
export function loopCookieName(secure: boolean): string {
  return ownCookieName(secure, "bounce");
}

interface RedirectedRequest {
  readonly instance: Instance;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly auth: RequestAuth;
}

/** Redirects the browser; one that was redirected from the same page a moment ago gets a page that explains the loop. */
export function redirectUnlessLooping(
  { instance, request, response, auth }: RedirectedRequest,
  { status, title, detail }: DenialText,
  target: string,
): void {
  const { cookie, secure, clock } = instance.options;
  const name = loopCookieName(secure);
  const page = sha256(requestedUrl(request)).slice(0, 16);
  const seen = findCookie(request.headers.cookie, name);
  const [lastPage, lastAt] = seen.status === "found" ? seen.value.split(".") : [];
  const age = clock() - Number(lastAt);
  if (lastPage === page && age >= 0 && age < LOOP_WINDOW) {
    const body = html`<h1>${title}</h1>
      <p>
        You were sent away from this page and came straight back. ${detail} If you have just signed in, check
        that your browser accepts cookies from this site.
      </p>
      <a class="button" href="${target}">Continue</a>`;
    sendPage(response, status, renderPage(title, body));
    return;
  }
  const attributes = { ...ownCookieAttributes(secure), sameSite: cookie.attributes.sameSite };
  auth.queueCookie(name, setCookieLine(name, `${page}.${Math.floor(clock())}`, attributes, LOOP_WINDOW));
  redirect(response, target);
}
