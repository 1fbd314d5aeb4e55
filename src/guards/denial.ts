import type { Challenge } from "../lib/challenge.ts";
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { ERROR_TABLE, type ErrorCode } from "../errors.ts";
import { findCookie, setCookieLine } from "../lib/cookies.ts";
import { html, renderPage, sendPage } from "../lib/html.ts";
import { isNavigation, pathOf, requestedUrl, sanitizeReturnTo } from "../lib/navigation.ts";
import { redirect, sendProblem } from "../lib/send.ts";
import type { AuthState, OrganizationChoice } from "../model.ts";
import type { VerifiedSession } from "../request/cache.ts";
import { callStore } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { currentCredential } from "../request/renew.ts";
import type { RequestAuth } from "../request/request-auth.ts";
import { setCookie } from "../request/respond.ts";

/** One exchange that may end in a denial. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestAuth;
}

/** What a denial says beyond its code. */
export interface DenialInit {
  readonly code: ErrorCode;
  readonly extensions?: Readonly<Record<string, unknown>>;
  /** RFC 9470: the oldest acceptable authentication, in seconds. */
  readonly maxAge?: number;
  readonly retryAfter?: number | undefined;
  /** Where the store wants the browser to go. */
  readonly signInUrl?: string;
  /** The organization that wants somebody to sign in again. */
  readonly organizationId?: string | undefined;
  /** Where the browser comes back to. @defaultValue the requested URL */
  readonly returnTo?: string;
  /** Whether a browser may be sent elsewhere. @defaultValue `true` */
  readonly redirects?: boolean;
  /** Takes the place of a problem as the default answer: a page, where a person waits for one. */
  readonly answer?: (denial: Denial) => void;
}

/** The denial that a state which is not signed in comes to. There is none that would let anybody through. */
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

/** Makes a denial with its default answer: a redirect for a browser that asks for a page, a problem (RFC 9457) for everything else. */
export function createDenial(instance: Instance, exchange: Exchange, init: DenialInit): Denial {
  const { code } = init;
  const { status, title } = ERROR_TABLE[code];
  const target = redirectTarget(instance, exchange, init);
  const denial: Denial = {
    code,
    status,
    title,
    detail: DENIAL_DETAILS[code],
    headers: denialHeaders(instance, exchange.record, init),
    extensions: extensionsOf(instance, init),
    ...(target !== undefined && { redirectTo: target }),
    respond: () => respond(instance, exchange, denial, init.answer),
  };
  return Object.freeze(denial);
}

const NO_EXTENSIONS: Denial["extensions"] = Object.freeze({});

function extensionsOf(
  { options }: Instance,
  { code, extensions, signInUrl, organizationId }: DenialInit,
): Denial["extensions"] {
  const own = signInAddress(options.signInPath, organizationId);
  const url = code === "reauthentication_required" ? (signInUrl ?? own) : undefined;
  if (url !== undefined) return Object.freeze({ ...extensions, sign_in_url: url });
  return extensions === undefined ? NO_EXTENSIONS : Object.freeze({ ...extensions });
}

/** The application's sign-in, for the organization that wants it: its own single sign-on may be what is due. */
function signInAddress(path: string | undefined, organizationId: string | undefined): string | undefined {
  if (path === undefined || organizationId === undefined) return path;
  return `${path}?${new URLSearchParams({ organization_id: organizationId }).toString()}`;
}

/** Tells of a denial and answers it, by `onDenied` if the application has one. */
export function deny(
  instance: Instance,
  exchange: Exchange,
  init: DenialInit,
  next: (error?: unknown) => void,
): void {
  exchange.record.used = true;
  tellDenied(instance, init);
  const denial = createDenial(instance, exchange, init);
  const { onDenied } = instance.options;
  if (onDenied === undefined) {
    denial.respond();
    return;
  }
  // The application's own code: what it throws goes the way of its other errors, on Express 4 as well.
  void (async () => onDenied(denial, exchange.request, exchange.response, next))().catch(next);
}

function tellDenied({ events }: Instance, { code, extensions }: DenialInit): void {
  if (!events.wants("denied")) return;
  const { resource, action } = extensions ?? {};
  events.emit({
    type: "denied",
    code,
    ...(typeof resource === "string" && { resource }),
    ...(typeof action === "string" && { action }),
  });
}

function denialHeaders(
  { challenge }: Instance,
  record: RequestAuth,
  init: DenialInit,
): Record<string, string> {
  const headers: Record<string, string> = {};
  const needed = challengeFor(record, init);
  if (needed !== undefined) {
    headers["WWW-Authenticate"] = challenge(needed);
  }
  if (init.retryAfter !== undefined) headers["Retry-After"] = String(init.retryAfter);
  return headers;
}

function challengeFor(record: RequestAuth, { code, maxAge }: DenialInit): Challenge | undefined {
  if (code === "permission_denied") return { error: "insufficient_scope" };
  if (ERROR_TABLE[code].status !== 401) return undefined;
  if (code === "reauthentication_required") {
    return { error: "insufficient_user_authentication", ...(maxAge !== undefined && { maxAge }) };
  }
  const isBearer = record.state?.status === "rejected" && record.state.via === "bearer";
  return isBearer ? { error: "invalid_token" } : {};
}

function redirectTarget({ options }: Instance, { request }: Exchange, init: DenialInit): string | undefined {
  const url = init.code === "reauthentication_required" ? init.signInUrl : undefined;
  const path = pathFor(options, init.code);
  if (url === undefined && path === undefined) return undefined;
  if (init.redirects === false || !isNavigation(request)) return undefined;
  if (url !== undefined) return url;
  if (path === undefined || pathOf(request) === path) return undefined;
  const query = new URLSearchParams({ return_to: init.returnTo ?? sanitizeReturnTo(requestedUrl(request)) });
  if (init.maxAge !== undefined) query.set("max_age", String(init.maxAge));
  if (init.organizationId !== undefined) query.set("organization_id", init.organizationId);
  return `${path}?${query.toString()}`;
}

function pathFor({ signInPath, selectionPath }: Instance["options"], code: ErrorCode): string | undefined {
  if (code === "organization_selection_required") return selectionPath;
  return ERROR_TABLE[code].status === 401 ? signInPath : undefined;
}

function respond(instance: Instance, exchange: Exchange, denial: Denial, answer: DenialInit["answer"]): void {
  const { response } = exchange;
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(denial.headers)) response.setHeader(name, value);
  if (denial.redirectTo !== undefined) {
    bounce(instance, exchange, denial, denial.redirectTo);
    return;
  }
  if (answer !== undefined) {
    answer(denial);
    return;
  }
  sendProblem(response, denial.status, problemOf(denial));
}

/** Problems that say nothing beyond their code, written out once: whoever floods a server with bad credentials pays for no more. */
const plainProblems = new Map<ErrorCode, string>();

function problemOf({ code, status, title, detail, extensions }: Denial): string {
  const known = extensions === NO_EXTENSIONS ? plainProblems.get(code) : undefined;
  if (known !== undefined) return known;
  const problem = { type: `urn:orgate:error:${code}`, title, status, detail, code, ...extensions };
  const json = JSON.stringify(problem);
  if (extensions === NO_EXTENSIONS) plainProblems.set(code, json);
  return json;
}

/** Why a request does not reach its handler, and the answer it would get. */
export interface Denial {
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Response headers that belong to the answer (`WWW-Authenticate`, `Retry-After`). */
  readonly headers: Readonly<Record<string, string>>;
  /** Members of the problem beside the standard ones: `resource`, `action`, `organizations`, ... */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Where a browser is sent instead, if anywhere. */
  readonly redirectTo?: string;
  /** Gives the default answer. */
  respond(): void;
}

/** What each denial means for whoever reads it. Never says what would have helped to get in. */
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
  session_too_large: "The session is too large to be sent in cookies.",
};

const BOUNCE_SECONDS = 10;

/** Who is sent away, and on what. */
interface Bounced {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestAuth;
}

/** The cookie that notices a browser going round in circles. */
export function bounceCookieName(secure: boolean): string {
  return secure ? "__Host-orgate-bounce" : "orgate-bounce";
}

/** Redirects; but a browser that was sent away from this very page a moment ago is in a loop, and is told so. */
export function bounce(
  instance: Instance,
  { request, response, record }: Bounced,
  denial: Pick<Denial, "title" | "detail" | "status">,
  target: string,
): void {
  const { cookie, secure, clock } = instance.options;
  const name = bounceCookieName(secure);
  const page = createHash("sha256").update(requestedUrl(request)).digest("base64url").slice(0, 16);
  const seen = findCookie(request.headers.cookie, name);
  const [lastPage, lastAt] = seen.status === "found" ? seen.value.split(".") : [];
  const age = clock() - Number(lastAt);
  if (lastPage === page && age >= 0 && age < BOUNCE_SECONDS) {
    const body = html`<h1>${denial.title}</h1>
      <p>
        You were sent away from this page and came straight back. ${denial.detail} If you have just signed in,
        check that your browser accepts cookies from this site.
      </p>
      <a class="button" href="${target}">Continue</a>`;
    sendPage(response, denial.status, renderPage(denial.title, body));
    return;
  }
  const { domain: _none, ...attributes } = cookie.attributes;
  const line = setCookieLine(
    name,
    `${page}.${Math.floor(clock())}`,
    { ...attributes, path: "/" },
    BOUNCE_SECONDS,
  );
  setCookie(record, name, line);
  redirect(response, target);
}

/**
 * The denial `organization_selection_required`, with the organizations on offer for a program. A browser is sent to
 * the page that lists them anyway.
 */
export async function offerOrganizations(
  instance: Instance,
  { request, record }: Exchange,
  { memberSession }: VerifiedSession,
): Promise<DenialInit> {
  const { store, selectionPath } = instance.options;
  const ask = store.organizations?.bind(store, memberSession);
  const reply =
    isNavigation(request) || ask === undefined
      ? undefined
      : await callStore(instance, request, async (context) => {
          const credential = record.credential && (await currentCredential(instance, record.credential));
          return readChoices(await ask({ ...context, ...(credential !== undefined && { credential }) }));
        });
  // That an organization is required is certain, whether or not the list can be had.
  const organizations = reply?.status === "answered" ? reply.value : undefined;
  return {
    code: "organization_selection_required",
    extensions: { ...(organizations !== undefined && { organizations }), selection_url: selectionPath },
  };
}

function readChoices(answered: unknown): readonly OrganizationChoice[] | undefined {
  if (!Array.isArray(answered)) return undefined;
  return answered.flatMap((choice: Partial<OrganizationChoice> | null | undefined) => {
    const { id, name } = choice ?? {};
    return typeof id === "string" && typeof name === "string" ? [{ id, name }] : [];
  });
}
