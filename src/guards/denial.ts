import type { IncomingMessage, ServerResponse } from "node:http";
import { ERROR_TABLE, type ErrorCode } from "../errors.ts";
import { findCookie, ownCookieAttributes, ownCookieName, setCookieLine } from "../lib/cookies.ts";
import { sha256 } from "../lib/crypto.ts";
import { type Html, html } from "../lib/html.ts";
import {
  type Challenge,
  acceptsHtml,
  isNavigation,
  isPrefetch,
  pathOf,
  redirect,
  requestedUrl,
  sanitizeReturnTo,
  sendProblem,
  wantsPage,
} from "../lib/http.ts";
import { isString } from "../lib/values.ts";
import type { AuthState, Denial } from "../model.ts";
import { toLabel } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { RequestAuth } from "../request/request-auth.ts";
import { reportOnDenied, showPage } from "./pages.ts";

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
  /** For the event alone: a client learns no more than the code. @defaultValue the `reason` of `extensions`, which clients get */
  readonly reason?: string | undefined;
  /** For the event alone: what the guard required. */
  readonly required?: { readonly role: string } | { readonly factor: string };
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** RFC 9470: the oldest acceptable authentication, in seconds. */
  readonly maxAge?: number;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
  /** Where the store wants the browser to sign in. */
  readonly signInUrl?: string;
  /** The organization that demands a new sign-in. */
  readonly organizationId?: string | undefined;
  /** The single sign-on connection that must be used. */
  readonly connectionId?: string | undefined;
  /** Where the browser comes back to. @defaultValue the requested URL; `/` after a form */
  readonly returnTo?: string;
  /** Whether a browser may be redirected. @defaultValue `true` */
  readonly redirects?: boolean;
  /**
   * A page also for scripts that accept HTML: orgate's, or one that this function sends.
   * @defaultValue orgate's page, for navigations and posted forms alone
   */
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

/** Answers a denial whose event was emitted already. */
export function answerDenial(context: HandlerContext, init: DenialInit): void {
  const { instance, request, response, next, auth } = context;
  auth.markUsed();
  const denial = createDenial(context, init);
  const { onDenied } = instance.options;
  if (onDenied === undefined) denial.respond();
  // What the application's own code throws goes to its error handler, on Express 4 as well.
  else void (async () => onDenied(denial, request, response, next))().catch(reportOnDenied(context));
}

/** Emits the event of a denial. */
export function emitDenied({ events }: Instance, { code, reason, required, extensions }: DenialInit): void {
  if (!events.wants("denied")) return;
  const { resource, action, reason: told } = extensions ?? {};
  // The word of a store, or of an error that the application made, may be anything.
  const label = toLabel(reason ?? told, "");
  events.emit({
    type: "denied",
    code,
    ...(label !== "" && { reason: label }),
    ...(isString(resource) && { resource }),
    ...(isString(action) && { action }),
    ...required,
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

/** The headers that belong to a denial. */
export function denialHeaders({ instance, auth }: RequestContext, init: DenialInit): Record<string, string> {
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

function redirectTarget(context: HandlerContext, init: DenialInit): string | undefined {
  const { instance, request } = context;
  const { code, redirects, signInUrl } = init;
  if (redirects === false || !isNavigation(request)) return undefined;
  if (code === "reauthentication_required" && signInUrl !== undefined) return signInUrl;
  const isSelection = code === "organization_selection_required";
  const target = isSelection ? selectionAddress(context, init) : signInTarget(context, init);
  if (target === undefined || (!isSelection && ERROR_TABLE[code].status !== 401)) return undefined;
  const { selectionPath, signInPath } = instance.options;
  return pathOf(request) === (isSelection ? selectionPath : signInPath) ? undefined : target;
}

/** Where the browser comes back to: what it asked for, unless that was the target of a form. */
function returnTarget({ request }: HandlerContext, { returnTo }: DenialInit): string {
  return returnTo ?? (request.method === "POST" ? "/" : sanitizeReturnTo(requestedUrl(request)));
}

/** The application's sign-in, with what the denial asks of it. */
function signInTarget(context: HandlerContext, init: DenialInit): string | undefined {
  const { signInPath } = context.instance.options;
  if (signInPath === undefined) return undefined;
  const { maxAge, organizationId, connectionId } = init;
  const query = new URLSearchParams({ return_to: returnTarget(context, init) });
  if (maxAge !== undefined) query.set("max_age", String(maxAge));
  if (organizationId !== undefined) query.set("organization_id", organizationId);
  if (connectionId !== undefined) query.set("connection_id", connectionId);
  return `${signInPath}?${query.toString()}`;
}

function selectionAddress(context: HandlerContext, init: DenialInit): string {
  const query = new URLSearchParams({ return_to: returnTarget(context, init) });
  return `${context.instance.options.selectionPath}?${query.toString()}`;
}

function respond(context: HandlerContext, denial: Denial, init: DenialInit): void {
  const { request, response } = context;
  const { page } = init;
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(denial.headers)) response.setHeader(name, value);
  if (denial.redirectTo !== undefined) {
    redirectUnlessLooping(context, denial, denial.redirectTo);
  } else if (page === undefined ? !wantsPage(request) : !acceptsHtml(request)) {
    sendProblem(response, denial.status, problemOf(denial));
  } else if (typeof page === "function") {
    page(denial);
  } else {
    const step = dueStepOf(denial);
    const { title, detail } = { ...denial, detail: PAGE_DETAILS[denial.code], ...step };
    const link = wayOn(context, init, step?.link);
    showPage(context, { ...denial, title, body: denialBody(title, detail, link) });
  }
}

/** What to do next, where the reason of a denial names it. */
function dueStepOf({ code, extensions: { reason } }: Denial): StepText | undefined {
  return code === "reauthentication_required" && isString(reason) ? STEPS.get(reason) : undefined;
}

interface Link {
  readonly href: string;
  readonly text: string;
}

function linkTo(href: string | undefined, text: string): Link | undefined {
  return href === undefined ? undefined : { href, text };
}

/** What the person can do next. Leads only to what is mounted. */
function wayOn(context: HandlerContext, init: DenialInit, stepText = "Sign in again"): Link | undefined {
  const { instance, request } = context;
  const { code, signInUrl } = init;
  const { selectionPath, signInPath, namesSelectionPath } = instance.options;
  const isAt = (path: string | undefined): boolean => pathOf(request) === path;
  const hasSelection = namesSelectionPath || instance.handlers.has("organizationSelection");
  const selection = hasSelection ? selectionAddress(context, init) : undefined;
  const signIn = isAt(signInPath) && isNavigation(request) ? undefined : signInTarget(context, init);
  // The page with the form that was posted.
  const form = isAt(selectionPath) ? selection : isAt(signInPath) ? signIn : undefined;
  switch (code) {
    case "reauthentication_required":
      return linkTo(signInUrl ?? signIn, stepText);
    case "unauthenticated":
      return linkTo(signIn, "Sign in");
    case "factor_required":
      return linkTo(signIn, "Sign in again");
    case "organization_selection_required":
      return linkTo(selection, "Choose an organization");
    case "organization_mismatch":
    case "permission_denied":
    case "role_required":
    case "organization_not_available":
      return linkTo(selection && `${selection}&choose=1`, "Choose another organization");
    case "store_unavailable":
    case "clock_skew":
      return linkTo(isNavigation(request) ? sanitizeReturnTo(requestedUrl(request)) : form, "Try again");
    case "sign_in_failed":
      return linkTo(signIn, "Try again");
    default:
      return ERROR_TABLE[code].status === 401 ? linkTo(signIn, "Sign in again") : linkTo(form, "Try again");
  }
}

function problemOf({ code, status, title, detail, extensions }: Denial): string {
  return JSON.stringify({ type: `urn:orgate:error:${code}`, title, status, detail, code, ...extensions });
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
  token_too_old: "The access token is older than this route accepts, and it cannot be renewed.",
  session_too_large: "The session is too large to be sent in cookies.",
  request_timeout: "The request body did not arrive within ten seconds.",
};

/** What a page says of each code: the person needs other words than a program. */
const PAGE_DETAILS: Readonly<Record<ErrorCode, string>> = {
  unauthenticated: "You are not signed in.",
  invalid_token: "Your session was refused. Sign in again.",
  token_expired: "Your session has expired. Sign in again.",
  session_revoked: "Your session has ended. Sign in again.",
  invalid_session: "Your session was refused. Sign in again.",
  ambiguous_credential: "Your browser sent two different sessions. Sign in again to keep one.",
  invalid_pending_authentication: "It took too long, was completed already, or was begun in another browser.",
  reauthentication_required: "This page asks you to sign in again, even though you are signed in.",
  permission_denied: "Your roles in this organization do not allow it. Ask an administrator for access.",
  organization_mismatch: "You are signed in to another organization than the one this page belongs to.",
  organization_selection_required: "You are signed in, but not to an organization yet.",
  organization_not_available: "You cannot sign in to this organization.",
  role_required: "Your roles in this organization are not enough. Ask an administrator for access.",
  factor_required: "This page requires a further step when you sign in, such as a code.",
  impersonation_denied: "This page is closed while you act for somebody else.",
  cross_site_request: "Another site sent this request, so nothing was changed. Start again from this site.",
  invalid_request: "Something was missing from the request. Nothing was changed.",
  sign_in_failed: "You are not signed in. Try again, or sign in another way.",
  method_not_allowed: "This address cannot be opened as a page.",
  payload_too_large: "More was sent than this address accepts. Nothing was changed.",
  store_unavailable: "We cannot check your session right now. You are not signed out. Try again in a moment.",
  clock_skew: "We cannot check your session right now. You are not signed out. Try again in a moment.",
  configuration_invalid: "Something is wrong on our side. Nothing was changed.",
  token_too_old: "It is too long ago that your session was confirmed. Sign in again.",
  session_too_large: "Your session is too large for your browser. Nothing was changed.",
  request_timeout: "Not everything that was sent arrived in time. Nothing was changed.",
};

interface StepText {
  readonly title: string;
  readonly detail: string;
  readonly link: string;
}

const CODE_STEP: StepText = {
  title: "Enter your code to continue",
  detail: "This sign-in needs a second step: a code from your authenticator app or your phone.",
  link: "Enter the code",
};
const METHOD_STEP: StepText = {
  title: "Sign in another way to continue",
  detail: "Your organization does not accept the way you signed in.",
  link: "Sign in another way",
};
const CONFIRM_STEP: StepText = {
  title: "Confirm that it is you",
  detail: "This sign-in needs one more check before you can continue.",
  link: "Continue",
};

/** The steps that a store may require, by its reason. */
const STEPS: ReadonlyMap<string, StepText> = new Map([
  ["mfa_challenge", CODE_STEP],
  ["mfa_verification", CODE_STEP],
  ["mfa_required", CODE_STEP],
  [
    "mfa_enrollment",
    {
      title: "Set up a second step to continue",
      detail: "Your organization requires a second step when you sign in, such as an authenticator app.",
      link: "Set it up",
    },
  ],
  [
    "email_verification_required",
    {
      title: "Verify your email address to continue",
      detail: "Enter the code that was sent to your email address.",
      link: "Verify your email address",
    },
  ],
  [
    "sso_required",
    {
      title: "Sign in with single sign-on",
      detail: "Your organization requires its own sign-in.",
      link: "Continue to single sign-on",
    },
  ],
  [
    "authentication_too_old",
    {
      title: "Sign in again to continue",
      detail: "It has been a while since you signed in, and this page asks for it again.",
      link: "Sign in again",
    },
  ],
  [
    "authentication_time_unknown",
    {
      title: "Sign in again to continue",
      detail: "This page asks for a recent sign-in, and it is not known when you signed in.",
      link: "Sign in again",
    },
  ],
  ["primary_required", METHOD_STEP],
  ["organization_authentication_methods_required", METHOD_STEP],
  ["authentication_method_not_allowed", METHOD_STEP],
  ["radar_challenge", CONFIRM_STEP],
  ["radar_sign_up_challenge", CONFIRM_STEP],
  ["radar_email_challenge", CONFIRM_STEP],
  ["radar_sms_challenge", CONFIRM_STEP],
  ["step_up_required", CONFIRM_STEP],
]);

function denialBody(title: string, detail: string, link: Link | undefined): Html {
  const button = link === undefined ? "" : html`<a class="button" href="${link.href}">${link.text}</a>`;
  return html`<h1>${title}</h1>
    <p role="alert">${detail}</p>
    ${button}`;
}

/** Seconds after a sign-in within which a redirect from the same page is a loop. */
const LOOP_WINDOW = 10;

/** Seconds that a sign-in may take, from the redirect on. */
const SIGN_IN_TIME = 600;

/** The cookie that remembers where the browser was last redirected from: `page.time`, and `.time` of the sign-in that followed. */
export function loopCookieName(secure: boolean): string {
  return ownCookieName(secure, "bounce");
}

interface RedirectedRequest {
  readonly instance: Instance;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly auth: RequestAuth;
}

/**
 * Redirects the browser. One that has signed in since, and is to be redirected from the same page again, gets a page that
 * explains the loop.
 */
function redirectUnlessLooping(
  context: RedirectedRequest,
  { status, code, title }: Denial,
  target: string,
): void {
  const { instance, request, response } = context;
  const page = sha256(requestedUrl(request)).slice(0, 16);
  const [lastPage, , signedInAt] = readLoopCookie(context);
  const age = instance.options.clock() - Number(signedInAt);
  if (lastPage === page && age >= 0 && age < LOOP_WINDOW) {
    const body = html`<h1>${title}</h1>
      <p role="alert">
        You have just signed in, and this page asks for it again. ${PAGE_DETAILS[code]} Check that your
        browser accepts cookies from this site.
      </p>
      <a class="button" href="${target}">Continue</a>`;
    showPage(context, { status, code, title, body });
    return;
  }
  // Nobody has seen a page that was only prefetched.
  if (!isPrefetch(request)) {
    setLoopCookie(context, `${page}.${Math.floor(instance.options.clock())}`, SIGN_IN_TIME);
  }
  redirect(response, target);
}

/** Notes that the browser has signed in since it was redirected: another redirect from the same page is a loop. */
export function noteSignInForLoops(context: RequestContext): void {
  const [page, redirectedAt] = readLoopCookie(context);
  if (
    page === undefined ||
    redirectedAt === undefined ||
    !/^[\w-]{16}\.\d{1,15}$/.test(`${page}.${redirectedAt}`)
  )
    return;
  const now = Math.floor(context.instance.options.clock());
  setLoopCookie(context, `${page}.${redirectedAt}.${now}`, LOOP_WINDOW);
}

function readLoopCookie({ instance, request }: ReceivedRequest): string[] {
  const found = findCookie(request.headers.cookie, loopCookieName(instance.options.secure));
  return found.status === "found" ? found.value.split(".") : [];
}

function setLoopCookie({ instance, auth }: RequestContext, value: string, maxAge: number): void {
  const { cookie, secure } = instance.options;
  const name = loopCookieName(secure);
  const { sameSite } = cookie.attributes;
  // As the session's where that is sent in frames; a strict one would not come back from the store's sign-in page.
  const attributes = { ...ownCookieAttributes(secure), ...(sameSite === "none" && { sameSite }) };
  auth.queueCookie(name, setCookieLine(name, value, attributes, maxAge));
}
