import { StoreUnavailableError } from "../errors.ts";
import { bounceCookieName } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { clearCookieLine, findCookie } from "../lib/cookies.ts";
import { isJsonClient, toRedirectTarget } from "../lib/navigation.ts";
import { type Problems, createProblems } from "../lib/problems.ts";
import { redirect, sendJson } from "../lib/send.ts";
import { ANONYMOUS } from "../model.ts";
import { type VerifiedSession, keyOf } from "../request/cache.ts";
import { type StoreReply, callStore } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { broadcastInvalidation } from "../request/invalidations.ts";
import type { Credential } from "../request/read-credential.ts";
import { sessionOfCredential } from "../request/renew.ts";
import { clearCookieEverywhere, setCookie } from "../request/respond.ts";
import { type Refused, type VerifiedCredential, verifyCredential } from "../request/verify-credential.ts";
import type { EndSessionTarget, PresentedEnd } from "../store.ts";
import { type Visit, checkHandlerOptions, createHandler, observe, requireStore } from "./handler-context.ts";
import { presentFlows } from "./hosted-sign-in.ts";
import { clearPending, ownCookieAttributes } from "./pending.ts";

/** Options of `auth.signOut()`. */
export interface SignOutOptions {
  /** Ends every session of the member, on all devices. @defaultValue `false` */
  readonly everywhere?: boolean | undefined;
  /** A path on this origin, or an http(s) URL. @defaultValue what the store says, else `/` */
  readonly redirectTo?: string | undefined;
}

/**
 * Makes the handler of a `POST` that signs out: ends the session at the store, clears every cookie, and goes on.
 *
 * Works for whatever was presented, with the middleware above it or not: expired and revoked tokens, and those that the
 * store alone can read. With the store down the cookies are cleared all the same, this process refuses the session until its
 * token's `exp`, and an event `unavailable` tells of it.
 *
 * @throws ConfigurationError for `everywhere` with a store that cannot end sessions.
 */
export function createSignOut(instance: Instance, options: SignOutOptions = {}): Middleware {
  validate(instance, options);
  return createHandler(instance, ["POST"], async (arrival) => {
    // Nothing is renewed for somebody who leaves, and nobody waits for a renewal.
    const visit = observe(instance, arrival);
    const leaving = await leave(instance, visit);
    clearEveryCookie(instance, visit);
    const told = await endLeaving(instance, visit, leaving, options);
    const target = options.redirectTo ?? toRedirectTarget(told) ?? "/";
    const { request, response } = visit;
    if (isJsonClient(request)) sendJson(response, 200, { signed_out: true, redirect_to: target });
    else redirect(response, target);
  });
}

/** Whoever leaves: by the session that is known, or by a credential that the store alone can read. */
type Leaving =
  | { readonly status: "known"; readonly session: VerifiedSession }
  | { readonly status: "unread"; readonly credential: Credential; readonly vouched: VerifiedCredential }
  | { readonly status: "nobody" };

/** Forgets who it is, before anything is waited for: from here on no renewal of theirs sets a cookie. */
async function leave(instance: Instance, { record }: Visit): Promise<Leaving> {
  const { credential } = record;
  const known = record.session;
  record.closed = true;
  record.session = undefined;
  record.state = ANONYMOUS;
  if (credential === undefined) return known === undefined ? NOBODY : { status: "known", session: known };
  const key = keyOf(credential);
  const session = known ?? instance.cache.get(key);
  instance.superseded.set(key, "refuse");
  instance.cache.delete(key);
  if (session !== undefined) return { status: "known", session };
  const judgement = await verifyCredential(instance, credential);
  const vouched = judgement.status === "refused" ? vouchForSealAlone(judgement) : judgement;
  if (vouched === undefined) return NOBODY;
  return vouched.session === undefined
    ? { status: "unread", credential, vouched }
    : { status: "known", session: vouched.session };
}

/** A good seal says whose session ends also where the token in it cannot be verified now. */
function vouchForSealAlone({ sealed }: Refused): VerifiedCredential | undefined {
  if (sealed === undefined) return undefined;
  return { status: "vouched", kind: "sealed", via: "cookie", accessToken: sealed.accessToken, sealed };
}

const NOBODY: Leaving = { status: "nobody" };

/** @returns where the store wants the browser to go. */
async function endLeaving(
  instance: Instance,
  visit: Visit,
  leaving: Leaving,
  { everywhere = false }: SignOutOptions,
): Promise<string | undefined> {
  const scope = everywhere ? "member" : "session";
  if (leaving.status === "nobody") return undefined;
  if (leaving.status === "known") return endSession(instance, visit, leaving.session, scope);
  const reply = await endPresented(instance, visit, { ...leaving, scope });
  const end = reply.status === "answered" ? reply.value : undefined;
  if (end?.status === "unknown") return undefined;
  if (end?.sessionId !== undefined) await endHere(instance, end.sessionId, "refuse");
  if (end?.memberId !== undefined && everywhere) await askAboutMember(instance, end.memberId);
  instance.events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return end?.redirectTo;
}

/** @returns where the store wants the browser to go. */
async function endSession(
  instance: Instance,
  { request }: Visit,
  { memberSession: { id: sessionId, memberId } }: VerifiedSession,
  scope: "session" | "member",
): Promise<string | undefined> {
  const { events, options } = instance;
  await endHere(instance, sessionId, "refuse");
  const target: EndSessionTarget = scope === "member" ? { memberId } : { sessionId };
  const reply = await callStore(
    instance,
    request,
    async (context) => await options.store.endSession?.(target, context),
  );
  if (scope === "member") await askAboutMember(instance, memberId);
  events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return reply.status === "answered" ? reply.value?.redirectTo : undefined;
}

/** The next request of each of the member's sessions asks the store, in every process. */
async function askAboutMember(instance: Instance, memberId: string): Promise<void> {
  const at = instance.options.clock();
  instance.invalidations.ask({ memberId }, at);
  instance.profiles.clear();
  await broadcastInvalidation(instance, { target: { memberId }, at, effect: "ask" });
}

function validate(instance: Instance, options: SignOutOptions): void {
  const problems = createProblems();
  checkHandlerOptions(problems, "signOut", options, ["everywhere", "redirectTo"]);
  const { everywhere, redirectTo } = options;
  if (everywhere !== undefined && typeof everywhere !== "boolean") {
    problems.invalid("signOut.everywhere", "is not a boolean.", "Pass true or false.");
  }
  if (everywhere === true) requireStore(instance, problems, "signOut.everywhere", ["endSession"]);
  checkRedirect(problems, redirectTo);
  problems.throwIfAny();
}

function checkRedirect(problems: Problems, redirectTo: unknown): void {
  if (redirectTo === undefined || toRedirectTarget(redirectTo) !== undefined) return;
  problems.invalid(
    "signOut.redirectTo",
    "is neither a path nor a URL.",
    'Pass "/" or "https://www.example.com/".',
  );
}

/** Ends a session in this process at once, and in the others as fast as they can be told. */
export async function endHere(
  instance: Instance,
  sessionId: string,
  effect: "refuse" | "supersede",
): Promise<void> {
  instance.invalidations.refuse(sessionId, effect);
  instance.profiles.delete(sessionId);
  await broadcastInvalidation(instance, { target: { sessionId }, at: instance.options.clock(), effect });
}

/** What took the place of the credential presented. */
export interface Replacement {
  readonly session: VerifiedSession;
  readonly by: "sign_in" | "switch";
  readonly via: "bearer" | "cookie";
}

/** Sees to it that a session ends when another takes its place in the same browser, and that nothing late brings it back. */
export async function supersedePresented(
  instance: Instance,
  { request, record }: Visit,
  { session, by, via }: Replacement,
): Promise<void> {
  const { credential } = record;
  const presentedAs = credential?.kind === "bearer" ? "bearer" : "cookie";
  if (credential === undefined || presentedAs !== via) return;
  const before = record.session ?? (await sessionOfCredential(instance, credential));
  const key = keyOf(credential);
  instance.superseded.set(key, "supersede");
  instance.cache.delete(key);
  const sessionId = before?.memberSession.id;
  if (sessionId === undefined || sessionId === session.memberSession.id) return;
  await endHere(instance, sessionId, "supersede");
  const { store } = instance.options;
  if (by === "switch" || store.endSession === undefined) return;
  await callStore(instance, request, async (context) => store.endSession?.({ sessionId }, context));
}

/** A credential whose session nobody here knows, and how much of what it stands for ends. */
export interface Unread {
  readonly credential: Credential;
  readonly vouched: VerifiedCredential;
  readonly scope: "session" | "member";
}

/** Ends at the store what the store alone can read. A store without a word for it is not asked, and nothing is made up: `unknown`. */
export async function endPresented(
  instance: Instance,
  { request }: Visit,
  { credential, vouched, scope }: Unread,
): Promise<StoreReply<PresentedEnd>> {
  const { store } = instance.options;
  if (store.endPresented === undefined) return UNKNOWN;
  const end = store.endPresented.bind(store);
  const { accessToken, sealed, opaqueToken } = vouched;
  const of = {
    reason: "asked",
    ...(accessToken !== undefined && { accessToken }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  } as const;
  const ask = (): Promise<StoreReply<PresentedEnd>> =>
    callStore(instance, request, async (context) => checkEnd(await end(of, scope, context)));
  // A good seal is nobody's invention; anything else may be.
  if (sealed !== undefined) return ask();
  const call = await instance.unvouched.end(keyOf(credential), ask, isUnknown);
  switch (call.status) {
    case "called":
      return call.answer;
    case "known":
      return UNKNOWN;
    default:
      tellOfFlood(instance, call.retryAfter);
      return { status: "unavailable", retryAfter: call.retryAfter };
  }
}

const UNKNOWN: StoreReply<PresentedEnd> = { status: "answered", value: { status: "unknown" } };

function isUnknown(reply: StoreReply<PresentedEnd>): boolean {
  return reply.status === "answered" && reply.value.status === "unknown";
}

function tellOfFlood({ events }: Instance, retryAfter: number): void {
  events.emit({ type: "unavailable", code: "store_unavailable", reason: "unvouched_flood", retryAfter });
}

function checkEnd(given: PresentedEnd): PresentedEnd {
  const { status } = given as { readonly status?: unknown };
  if (status === "ended" || status === "unknown") return given;
  throw new StoreUnavailableError({ reason: "nonsense" });
}

/** Clears the session cookies, whole, in chunks and in every form, and all that is under way in this browser. */
export function clearEveryCookie(instance: Instance, { request, record }: Visit): void {
  const { cookie, sources } = instance.options;
  // What this response was about to set has become pointless.
  record.cookies = undefined;
  record.headers = undefined;
  const names = new Set(sources.flatMap((source) => ("cookieName" in source ? [source.cookieName] : [])));
  if (instance.sealer !== undefined) names.add(cookie.name);
  for (const name of names) {
    const present = findCookie(request.headers.cookie, name).names;
    for (const form of new Set([name, ...present])) clearCookieEverywhere(instance, record, form);
  }
  clearPending(instance, request, record);
  const flows = presentFlows(instance, request).map(({ name }) => name);
  const bounce = findCookie(request.headers.cookie, bounceCookieName(instance.options.secure)).names;
  for (const name of [...flows, ...bounce]) {
    setCookie(record, name, clearCookieLine(name, ownCookieAttributes(instance.options)));
  }
}
