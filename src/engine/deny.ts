import type { IncomingMessage, ServerResponse } from "node:http";
import type { AuthState } from "../auth-state.ts";
import { ERROR_TABLE, type ErrorCode } from "../errors.ts";
import type { Challenge } from "../http/challenge.ts";
import { DENIAL_DETAILS } from "../http/denial-details.ts";
import type { Denial } from "../http/denial.ts";
import { isNavigation, pathOf, requestedUrl } from "../http/navigation.ts";
import { sanitizeReturnTo } from "../http/return-to.ts";
import { sendProblem } from "../http/send.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import { bounce } from "./bounce.ts";
import type { Engine } from "./engine.ts";

/** One exchange that may end in a denial. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly record: RequestRecord;
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
export function createDenial(engine: Engine, exchange: Exchange, init: DenialInit): Denial {
  const { code } = init;
  const { status, title } = ERROR_TABLE[code];
  const target = redirectTarget(engine, exchange, init);
  const denial: Denial = {
    code,
    status,
    title,
    detail: DENIAL_DETAILS[code],
    headers: denialHeaders(engine, exchange.record, init),
    extensions: extensionsOf(engine, init),
    ...(target !== undefined && { redirectTo: target }),
    respond: () => respond(engine, exchange, denial, init.answer),
  };
  return Object.freeze(denial);
}

const NO_EXTENSIONS: Denial["extensions"] = Object.freeze({});

function extensionsOf(
  { options }: Engine,
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
  engine: Engine,
  exchange: Exchange,
  init: DenialInit,
  next: (error?: unknown) => void,
): void {
  exchange.record.used = true;
  tellDenied(engine, init);
  const denial = createDenial(engine, exchange, init);
  const { onDenied } = engine.options;
  if (onDenied === undefined) {
    denial.respond();
    return;
  }
  // The application's own code: what it throws goes the way of its other errors, on Express 4 as well.
  void (async () => onDenied(denial, exchange.request, exchange.response, next))().catch(next);
}

function tellDenied({ events }: Engine, { code, extensions }: DenialInit): void {
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
  { challenge }: Engine,
  record: RequestRecord,
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

function challengeFor(record: RequestRecord, { code, maxAge }: DenialInit): Challenge | undefined {
  if (code === "permission_denied") return { error: "insufficient_scope" };
  if (ERROR_TABLE[code].status !== 401) return undefined;
  if (code === "reauthentication_required") {
    return { error: "insufficient_user_authentication", ...(maxAge !== undefined && { maxAge }) };
  }
  const isBearer = record.state?.status === "rejected" && record.state.via === "bearer";
  return isBearer ? { error: "invalid_token" } : {};
}

function redirectTarget({ options }: Engine, { request }: Exchange, init: DenialInit): string | undefined {
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

function pathFor({ signInPath, selectionPath }: Engine["options"], code: ErrorCode): string | undefined {
  if (code === "organization_selection_required") return selectionPath;
  return ERROR_TABLE[code].status === 401 ? signInPath : undefined;
}

function respond(engine: Engine, exchange: Exchange, denial: Denial, answer: DenialInit["answer"]): void {
  const { response } = exchange;
  if (response.headersSent) return;
  for (const [name, value] of Object.entries(denial.headers)) response.setHeader(name, value);
  if (denial.redirectTo !== undefined) {
    bounce(engine, exchange, denial, denial.redirectTo);
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
