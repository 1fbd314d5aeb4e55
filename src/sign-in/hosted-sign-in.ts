import { OrgateError } from "../errors.ts";
import { type HandlerContext, type ReceivedRequest, deny } from "../guards/denial.ts";
import type { TroubleCause } from "../events.ts";
import type { Middleware } from "../guards/guard.ts";
import {
  type SealedCookieKind,
  clearCookieLine,
  findCookie,
  openCookie,
  ownCookieAttributes,
  ownCookieName,
  sealCookie,
} from "../lib/cookies.ts";
import { sha256 } from "../lib/crypto.ts";
import { queryOf, redirect, sanitizeReturnTo } from "../lib/http.ts";
import { isText } from "../lib/values.ts";
import { type Instance, requireSealer } from "../request/instance.ts";
import type { BeginSignInOptions } from "../store.ts";
import { SelectionDeduplicator } from "./choice.ts";
import { answerOutcome } from "./establish.ts";
import {
  type HandlerRequest,
  attachOnly,
  chooseReturnTo,
  createHandler,
  requireMethod,
  returnToOfQuery,
} from "./handler-context.ts";
import { findPending, returnToOfStep } from "./pending.ts";

/** Options of `auth.signIn()`; what is not given here is taken from the query (`organization_id`, `login_hint`, ...). */
export interface SignInOptions extends BeginSignInOptions {
  /** Where the browser goes on if the request does not say `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

/** Options of `auth.callback()`. */
export interface CallbackOptions {
  /** Where the browser goes on if the sign-in was begun without `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

const SIGN_IN_OPTIONS = [
  "organizationId",
  "loginHint",
  "screenHint",
  "maxAge",
  "invitationToken",
  "redirectUri",
  "connectionId",
  "returnTo",
] as const;

const SEALS_STATE = "The state of a sign-in is sealed with it.";

/**
 * Creates the redirect to a store's own sign-in page. The browser keeps what the callback needs for ten minutes, in one sealed
 * cookie for each sign-in, at most five of them.
 *
 * @throws ConfigurationError for a store that has no sign-in page, or without a password.
 */
export function createSignIn(instance: Instance, options: SignInOptions = {}): Middleware {
  const { returnTo: fallback, ...fixed } = options;
  return createHandler(instance, {
    name: "signIn",
    options,
    knownOptions: SIGN_IN_OPTIONS,
    storeMethods: ["beginSignIn"],
    seals: SEALS_STATE,
    httpMethods: ["GET", "HEAD", "POST"],
    async serve(received) {
      const { request, response } = received;
      const context = attachOnly(received);
      const begin = requireMethod(instance, "beginSignIn");
      const { url, state } = begin({ ...readSignInQuery(queryOf(request)), ...fixed });
      const parameter = new URL(url).searchParams.get("state");
      if (!isText(parameter)) throw new TypeError("the store's sign-in URL has no state parameter");
      const returnTo = chooseReturnTo(context, [returnToOfQuery(request), fallback]);
      await keepFlow(context, parameter, { state, returnTo });
      redirect(response, url);
    },
  });
}

/**
 * Creates the handler that the store's sign-in page redirects back to: completes the sign-in that this browser began, and goes
 * on like `auth.establish()`.
 *
 * @throws ConfigurationError for a store that has no sign-in page, or without a password.
 */
export function createCallback(instance: Instance, options: CallbackOptions = {}): Middleware {
  const settings = { fallback: options.returnTo, deduplicator: new SelectionDeduplicator(instance) };
  return createHandler(instance, {
    name: "callback",
    options,
    knownOptions: ["returnTo"],
    storeMethods: ["completeSignIn"],
    seals: SEALS_STATE,
    httpMethods: ["GET"],
    serve: (received) => receiveCallback(received, settings),
  });
}

interface CallbackSettings {
  readonly fallback: string | undefined;
  /** Sends each code to the store once: browsers repeat a request whose answer they did not get. */
  readonly deduplicator: SelectionDeduplicator;
}

// RFC 6749 section 4.1.2.1.
const CALLBACK_ERROR = /^[\w.-]{1,64}$/;

async function receiveCallback(
  received: HandlerRequest,
  { fallback, deduplicator }: CallbackSettings,
): Promise<void> {
  const { instance, request, response } = received;
  const query = queryOf(request);
  const context = attachOnly(received);
  const [parameter, ...more] = query.getAll("state");
  const flow = parameter === undefined || more.length > 0 ? undefined : await readFlow(received, parameter);
  if (parameter === undefined || flow === undefined) {
    const reason = reasonOfState(received, query.getAll("state"));
    const error = upstreamErrorOf(query);
    instance.events.emit({ type: "rejected", code: "invalid_pending_authentication", reason, ...error });
    // Never a redirect: a browser that keeps no cookies would be in a loop.
    deny(context, {
      code: "invalid_pending_authentication",
      page: true,
      redirects: false,
      returnTo: "/",
    });
    return;
  }
  if (flow.wentTo !== undefined) {
    redirect(response, flow.wentTo);
    return;
  }
  const pending = await findPending(received);
  const wanted = flow.returnTo === "/" ? (returnToOfStep(pending) ?? fallback) : flow.returnTo;
  const returnTo = chooseReturnTo(context, [wanted]);
  const error = query.get("error");
  if (error !== null) {
    clearFlow(context, parameter);
    const reason = CALLBACK_ERROR.test(error) ? error : "unknown";
    instance.events.emit({ type: "rejected", code: "sign_in_failed", reason, ...upstreamErrorOf(query) });
    deny(context, { code: "sign_in_failed", page: true, returnTo });
    return;
  }
  const complete = requireMethod(instance, "completeSignIn");
  const attempt = { secret: `${parameter} ${query.get("code")}`, organizationId: "" };
  const reply = await deduplicator.choose(context, attempt, (storeContext) =>
    complete(query, flow.state, storeContext),
  );
  // While the store is unavailable the flow stays: loading the page again may help.
  if (reply.status !== "unavailable") clearFlow(context, parameter);
  const denial = { page: true, redirects: false, returnTo } as const;
  const beforeRedirect = (wentTo: string): Promise<void> =>
    keepFlow(context, parameter, { ...flow, state: null, wentTo });
  await answerOutcome(context, { reply, by: "sign_in", returnTo, pending, denial, beforeRedirect });
}

/** Why a callback's `state` leads to no flow of this browser. */
function reasonOfState(received: HandlerRequest, states: readonly string[]): string {
  const [parameter] = states;
  if (parameter === undefined || parameter === "") return "state_missing";
  if (states.length > 1) return "state_repeated";
  const flows = existingFlows(received);
  if (flows.length === 0) return "state_of_another_browser";
  const own = flowCookieName(received.instance, parameter);
  return flows.some(({ name }) => name === own) ? "state_expired" : "state_unknown";
}

const MAX_DESCRIPTION_LENGTH = 500;

/** What the store's page says of a refusal (RFC 6749 section 4.1.2.1), without control characters. */
function upstreamErrorOf(query: URLSearchParams): Pick<TroubleCause, "upstream"> {
  const error = query.get("error");
  const description = query.get("error_description")?.replaceAll(/\p{Cc}/gu, "") ?? "";
  const upstream = {
    ...(error !== null && CALLBACK_ERROR.test(error) && { code: error }),
    ...(description !== "" && { message: description.slice(0, MAX_DESCRIPTION_LENGTH) }),
  };
  return Object.keys(upstream).length === 0 ? {} : { upstream };
}

const MAX_PARAMETER_LENGTH = 512;
// oxlint-disable-next-line no-control-regex -- control characters are what it refuses
const WITHOUT_CONTROLS = /^[^\u0000-\u001f\u007f]+$/;
const MAX_AGE = /^\d{1,9}$/;

/** Reads what a link to the sign-in may ask for. Values that are not understood are left out. */
function readSignInQuery(query: URLSearchParams): BeginSignInOptions {
  const organizationId = textOf(query, "organization_id");
  const loginHint = textOf(query, "login_hint");
  const invitationToken = textOf(query, "invitation_token");
  const connectionId = textOf(query, "connection_id");
  const screenHint = query.get("screen_hint");
  const maxAge = query.get("max_age");
  return {
    ...(organizationId !== undefined && { organizationId }),
    ...(loginHint !== undefined && { loginHint }),
    ...(invitationToken !== undefined && { invitationToken }),
    ...(connectionId !== undefined && { connectionId }),
    ...((screenHint === "sign-in" || screenHint === "sign-up") && { screenHint }),
    ...(maxAge !== null && MAX_AGE.test(maxAge) && { maxAge: Number(maxAge) }),
  };
}

function textOf(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value !== null && value.length <= MAX_PARAMETER_LENGTH && WITHOUT_CONTROLS.test(value)
    ? value
    : undefined;
}

/** A sign-in that this browser began at the store's own page. */
interface Flow {
  /** The store's own, as `beginSignIn` returned it. */
  readonly state: unknown;
  /** A path on this origin. */
  readonly returnTo: string;
  /** Where the browser went when it had signed in: opening the callback again leads there. */
  readonly wentTo?: string;
}

/** A flow, sealed; opens only together with the `state` parameter that it belongs to. */
const FLOW: SealedCookieKind<Flow> = {
  name: "sign_in",
  lifetime: 600,
  parse: ({ state, returnTo, wentTo }) => ({
    state,
    returnTo: sanitizeReturnTo(returnTo),
    ...(wentTo !== undefined && { wentTo: sanitizeReturnTo(wentTo) }),
  }),
};

/** Sign-ins that one browser can have under way: more would grow the `Cookie` header until servers reject it. */
export const MAX_FLOWS = 5;
const FLOW_NAME_LENGTH = 16;

/**
 * Keeps a flow in the browser under a name of its own, and drops the oldest ones above the limit.
 *
 * @throws OrgateError `session_too_large` for a state that does not fit into a cookie.
 */
async function keepFlow(
  { instance, request, auth }: HandlerContext,
  parameter: string,
  flow: Flow,
): Promise<void> {
  const { clock, secure } = instance.options;
  const now = clock();
  const cookieName = flowCookieName(instance, parameter);
  const line = await sealCookie(instance.options, FLOW, {
    sealer: requireSealer(instance, "a sign-in's state"),
    cookieName,
    members: flow,
    secret: parameter,
    expiresAt: now + FLOW.lifetime,
    // The time stands outside as well, so that old flows are found without opening them.
    prefix: `${Math.floor(now)}.`,
  });
  if (line === undefined) throw new OrgateError("session_too_large");
  const others = existingFlows({ instance, request })
    .filter(({ name }) => name !== cookieName)
    .toSorted((a, b) => b.startedAt - a.startedAt);
  for (const [rank, { name, startedAt }] of others.entries()) {
    const isOver = now - startedAt >= FLOW.lifetime;
    if (isOver || rank >= MAX_FLOWS - 1) {
      auth.queueCookie(name, clearCookieLine(name, ownCookieAttributes(secure)));
    }
  }
  auth.queueCookie(cookieName, line);
}

/** Opens the flow that a `state` parameter belongs to; `undefined` if this browser did not begin it, or too long ago. */
async function readFlow(
  { instance, request }: ReceivedRequest,
  parameter: string,
): Promise<Flow | undefined> {
  const found = findCookie(request.headers.cookie, flowCookieName(instance, parameter));
  if (found.status !== "found") return undefined;
  const sealed = found.value.slice(found.value.indexOf(".") + 1);
  return openCookie(instance, FLOW, { sealed, secret: parameter });
}

/** Clears a flow: it is used once. */
function clearFlow({ instance, auth }: HandlerContext, parameter: string): void {
  const name = flowCookieName(instance, parameter);
  auth.queueCookie(name, clearCookieLine(name, ownCookieAttributes(instance.options.secure)));
}

/** Lists the flows in a request's cookies, finished ones included. Start times are in seconds since the epoch. */
export function existingFlows({
  instance,
  request,
}: ReceivedRequest): { readonly name: string; readonly startedAt: number }[] {
  const prefix = ownCookieName(instance.options.secure, "sign-in-");
  return (request.headers.cookie ?? "").split(";").flatMap((pair) => {
    const [name = "", value = ""] = pair.trim().split("=", 2);
    if (!name.startsWith(prefix) || !/^[\w-]{16}$/.test(name.slice(prefix.length))) return [];
    return [{ name, startedAt: Number.parseInt(value, 10) || 0 }];
  });
}

function flowCookieName({ options }: Instance, parameter: string): string {
  return ownCookieName(options.secure, `sign-in-${sha256(parameter).slice(0, FLOW_NAME_LENGTH)}`);
}
