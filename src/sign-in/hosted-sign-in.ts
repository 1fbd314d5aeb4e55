import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { OrgateError } from "../errors.ts";
import type { Middleware } from "../guards/guard.ts";
import { clearCookieLine, findCookie, setCookieLine } from "../lib/cookies.ts";
import { queryOf } from "../lib/navigation.ts";
import { createProblems } from "../lib/problems.ts";
import { redirect } from "../lib/send.ts";
import { callStore } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { RequestAuth } from "../request/request-auth.ts";
import { setCookie } from "../request/respond.ts";
import type { BeginSignInOptions } from "../store.ts";
import { conclude, withoutPassword } from "./conclude.ts";
import { checkOutcome } from "./establish.ts";
import {
  type Arrival,
  checkHandlerOptions,
  chooseReturnTo,
  createHandler,
  observe,
  requireMethod,
  requireStore,
  returnToOfQuery,
  returnToOfStep,
} from "./handler-context.ts";
import { ownCookieAttributes, ownCookieName, presentPending } from "./pending.ts";
import { pageFor, refuseOnPage } from "./selection-page.ts";

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
  "returnTo",
] as const;

/**
 * Makes the redirect out to a store's own sign-in page. What the way back needs is left with the browser for ten minutes,
 * one sealed cookie for each sign-in, at most five of them.
 *
 * @throws ConfigurationError for a store that has no sign-in page, or without a password.
 */
export function createSignIn(instance: Instance, options: SignInOptions = {}): Middleware {
  validate(instance, "signIn", options, SIGN_IN_OPTIONS);
  const { returnTo: fallback, ...fixed } = options;
  return createHandler(instance, ["GET", "HEAD", "POST"], async (arrival) => {
    const { request, response } = arrival;
    const visit = observe(instance, arrival);
    const begin = requireMethod(instance, "beginSignIn");
    const { url, state } = begin({ ...readSignInQuery(queryOf(request)), ...fixed });
    const parameter = new URL(url).searchParams.get("state");
    if (parameter === null || parameter === "") {
      throw new TypeError("the store's sign-in URL has no state parameter");
    }
    const returnTo = chooseReturnTo(instance, request, [returnToOfQuery(request), fallback]);
    await writeFlow(instance, visit, { parameter, state, returnTo });
    redirect(response, url);
  });
}

/**
 * Makes the handler of the way back: completes the sign-in that this browser began, and goes on like `auth.establish()`.
 *
 * @throws ConfigurationError for a store that has no sign-in page, or without a password.
 */
export function createCallback(instance: Instance, options: CallbackOptions = {}): Middleware {
  validate(instance, "callback", options, ["returnTo"]);
  return createHandler(instance, ["GET"], (arrival) => receiveCallback(instance, arrival, options.returnTo));
}

function validate(
  instance: Instance,
  handler: "signIn" | "callback",
  options: unknown,
  known: readonly string[],
): void {
  const problems = createProblems();
  checkHandlerOptions(problems, handler, options, known);
  requireStore(instance, problems, handler, [handler === "signIn" ? "beginSignIn" : "completeSignIn"]);
  if (instance.sealer === undefined) {
    problems.missing("cookie.password", "The state of a sign-in is sealed with it.");
  }
  problems.throwIfAny();
}

// RFC 6749 section 4.1.2.1.
const ERROR_CODE = /^[\w.-]{1,64}$/;

/** Completes a sign-in that this browser began at the store's own page. */
export async function receiveCallback(
  instance: Instance,
  arrival: Arrival,
  fallback: string | undefined,
): Promise<void> {
  const { request } = arrival;
  const query = queryOf(request);
  const visit = observe(instance, arrival);
  const [parameter, ...more] = query.getAll("state");
  const flow =
    parameter === undefined || more.length > 0 ? undefined : await readFlow(instance, request, parameter);
  if (parameter === undefined || flow === undefined) {
    // A page, never a redirect: a browser that keeps no cookies would be sent in circles.
    refuseOnPage(instance, visit, { code: "invalid_pending_authentication", redirects: false });
    return;
  }
  const before = await presentPending(instance, request);
  const asked = flow.returnTo === "/" ? (returnToOfStep(before) ?? fallback) : flow.returnTo;
  const returnTo = chooseReturnTo(instance, request, [asked]);
  const error = query.get("error");
  if (error !== null) {
    clearFlow(instance, visit.record, parameter);
    const reason = ERROR_CODE.test(error) ? error : "unknown";
    instance.events.emit({ type: "rejected", code: "sign_in_failed", reason });
    refuseOnPage(instance, visit, { code: "sign_in_failed", returnTo });
    return;
  }
  const complete = requireMethod(instance, "completeSignIn");
  const reply = await callStore(instance, request, async (context) =>
    checkOutcome(await complete(query, flow.state, context)),
  );
  // Trouble leaves the flow as it is: loading the page again may help.
  if (reply.status !== "unavailable") clearFlow(instance, visit.record, parameter);
  const denial = { ...pageFor(instance, visit, returnTo), redirects: false };
  await conclude(instance, visit, { reply, returnTo, before, by: "sign_in", denial });
}

const MAX_LENGTH = 512;
// oxlint-disable-next-line no-control-regex -- control characters are what it refuses
const FIT = /^[^\u0000-\u001f\u007f]+$/;
const MAX_AGE = /^\d{1,9}$/;

/** What a link to the sign-in may ask for. What is not understood is left out. */
export function readSignInQuery(query: URLSearchParams): BeginSignInOptions {
  const organizationId = textOf(query, "organization_id");
  const loginHint = textOf(query, "login_hint");
  const invitationToken = textOf(query, "invitation_token");
  const screenHint = query.get("screen_hint");
  const maxAge = query.get("max_age");
  return {
    ...(organizationId !== undefined && { organizationId }),
    ...(loginHint !== undefined && { loginHint }),
    ...(invitationToken !== undefined && { invitationToken }),
    ...((screenHint === "sign-in" || screenHint === "sign-up") && { screenHint }),
    ...(maxAge !== null && MAX_AGE.test(maxAge) && { maxAge: Number(maxAge) }),
  };
}

function textOf(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value !== null && value.length <= MAX_LENGTH && FIT.test(value) ? value : undefined;
}

/** Seconds that a sign-in elsewhere may take. */
export const FLOW_LIFETIME = 600;
/** Sign-ins that one browser can have under way: more would grow the `Cookie` header until servers refuse it. */
export const MAX_FLOWS = 5;
const MAX_LINE_LENGTH = 4_096;
const FLOW_NAME_LENGTH = 16;

/** A sign-in that this browser began elsewhere. */
export interface Flow {
  /** The store's own, as `beginSignIn` gave it. */
  readonly state: unknown;
  /** As it was sealed: make it safe again. */
  readonly returnTo: unknown;
}

interface FlowSeal extends Flow {
  readonly kind: "sign_in";
  /** The hash of the `state` parameter. */
  readonly binding: string;
  readonly expiresAt: number;
}

/** A flow's cookie, as a request shows it without opening it. */
export interface PresentFlow {
  readonly name: string;
  readonly startedAt: number;
}

/**
 * Leaves the state of a sign-in with the browser that begins it, under a name of its own, and drops the oldest ones above
 * the limit.
 *
 * @throws OrgateError `session_too_large` for a state that does not fit into a cookie.
 */
export async function writeFlow(
  instance: Instance,
  { request, record }: { readonly request: IncomingMessage; readonly record: RequestAuth },
  { parameter, state, returnTo }: { parameter: string; state: unknown; returnTo: string },
): Promise<void> {
  const { options, sealer } = instance;
  if (sealer === undefined) throw withoutPassword("a sign-in's state");
  const now = options.clock();
  const attributes = ownCookieAttributes(options);
  const seal: FlowSeal = {
    kind: "sign_in",
    state,
    returnTo,
    binding: hash(parameter),
    expiresAt: now + FLOW_LIFETIME,
  };
  const name = nameOf(instance, parameter);
  // The time stands outside as well, so that old ones are found without opening them all.
  const value = `${Math.floor(now)}.${await sealer.sealValue(seal)}`;
  const line = setCookieLine(name, value, attributes, FLOW_LIFETIME);
  if (line.length > MAX_LINE_LENGTH) throw new OrgateError("session_too_large");
  const others = presentFlows(instance, request)
    .filter((flow) => flow.name !== name)
    .toSorted((a, b) => b.startedAt - a.startedAt);
  for (const [rank, old] of others.entries()) {
    const isOver = now - old.startedAt >= FLOW_LIFETIME;
    if (isOver || rank >= MAX_FLOWS - 1) setCookie(record, old.name, clearCookieLine(old.name, attributes));
  }
  setCookie(record, name, line);
}

/** Opens the flow that a `state` parameter belongs to; `undefined` if this browser did not begin it, or too long ago. */
export async function readFlow(
  instance: Instance,
  request: IncomingMessage,
  parameter: string,
): Promise<Flow | undefined> {
  const found = findCookie(request.headers.cookie, nameOf(instance, parameter));
  if (found.status !== "found") return undefined;
  const sealed = found.value.slice(found.value.indexOf(".") + 1);
  const seal = await instance.sealer?.unsealValue(sealed);
  if (!isFlowSeal(seal) || instance.options.clock() >= seal.expiresAt) return undefined;
  const expected = Buffer.from(seal.binding);
  const actual = Buffer.from(hash(parameter));
  if (expected.length !== actual.length || !timingSafeEqual(expected, actual)) return undefined;
  return { state: seal.state, returnTo: seal.returnTo };
}

/** Clears a flow: it is used once. */
export function clearFlow(instance: Instance, record: RequestAuth, parameter: string): void {
  const name = nameOf(instance, parameter);
  setCookie(record, name, clearCookieLine(name, ownCookieAttributes(instance.options)));
}

/** The flows that a request shows, finished ones included. */
export function presentFlows({ options }: Instance, { headers }: IncomingMessage): PresentFlow[] {
  const prefix = ownCookieName(options, "sign-in-");
  return (headers.cookie ?? "").split(";").flatMap((pair) => {
    const [name = "", value = ""] = pair.trim().split("=", 2);
    if (!name.startsWith(prefix) || !/^[\w-]{16}$/.test(name.slice(prefix.length))) return [];
    return [{ name, startedAt: Number.parseInt(value, 10) || 0 }];
  });
}

function nameOf({ options }: Instance, parameter: string): string {
  return ownCookieName(options, `sign-in-${hash(parameter).slice(0, FLOW_NAME_LENGTH)}`);
}

function hash(value: string): string {
  return createHash("sha256").update(value).digest("base64url");
}

function isFlowSeal(value: unknown): value is FlowSeal {
  if (typeof value !== "object" || value === null) return false;
  const { kind, binding, expiresAt } = value as Partial<Record<keyof FlowSeal, unknown>>;
  return kind === "sign_in" && typeof binding === "string" && typeof expiresAt === "number";
}
