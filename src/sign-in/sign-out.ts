import { type HandlerContext, loopCookieName } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { clearCookieLine, findCookie, ownCookieAttributes } from "../lib/cookies.ts";
import { isJsonClient, redirect, sendJson, toRedirectTarget } from "../lib/http.ts";
import { isObject, isOptional, isString } from "../lib/values.ts";
import { ANONYMOUS } from "../model.ts";
import { type VerifiedSession, keyOf } from "../request/cache.ts";
import { type StoreReply, callStore, checkAnswer } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { Credential } from "../request/read-credential.ts";
import { clearCookieEverywhere } from "../request/respond.ts";
import { toStaleCredential, verifyCredential } from "../request/verify-credential.ts";
import type { EndSessionTarget, PresentedEnd, StaleCredential } from "../store.ts";
import { attachOnly, createHandler, requireStore } from "./handler-context.ts";
import { existingFlows } from "./hosted-sign-in.ts";
import { clearPending } from "./pending.ts";

/** Options of `auth.signOut()`. */
export interface SignOutOptions {
  /**
   * Ends more than this session, on all devices: every session of the `member`, or every session of the `user`, in all
   * organizations. A store that knows no users ends the member's for both. @defaultValue this session alone
   */
  readonly everywhere?: "member" | "user" | undefined;
  /** A path on this origin, or an http(s) URL. @defaultValue what the store says, else `/` */
  readonly redirectTo?: string | undefined;
}

/**
 * Creates the handler of a `POST` that signs out: ends the session at the store, clears every cookie, and goes on.
 *
 * Works for every credential, also without the middleware above it: for expired and revoked tokens, and for those that the store
 * alone can read. While the store is down the cookies are cleared as well, this process refuses the session until its token's
 * `exp`, and an event `unavailable` reports it.
 *
 * @throws ConfigurationError for `everywhere` with a store that cannot end sessions.
 */
export function createSignOut(instance: Instance, options: SignOutOptions = {}): Middleware {
  const { everywhere, redirectTo } = options;
  return createHandler(instance, {
    name: "signOut",
    options,
    knownOptions: ["everywhere", "redirectTo"],
    validate(problems) {
      if (everywhere !== undefined && everywhere !== "member" && everywhere !== "user") {
        const suggestion = 'Pass "member" or "user"; leave it out for this session alone.';
        problems.invalid("signOut.everywhere", "is neither.", suggestion);
      }
      if (everywhere !== undefined) requireStore(instance, problems, "signOut.everywhere", ["endSession"]);
      if (redirectTo !== undefined && toRedirectTarget(redirectTo) === undefined) {
        const suggestion = 'Pass "/" or "https://www.example.com/".';
        problems.invalid("signOut.redirectTo", "is neither a path nor a URL.", suggestion);
      }
    },
    httpMethods: ["POST"],
    async serve(received) {
      // Nothing is renewed for a session that ends, and no renewal is waited for.
      const context = attachOnly(received);
      const session = await identifySession(context);
      clearEveryCookie(context);
      const storeTarget = await endSession(context, session, everywhere ?? "session");
      const target = redirectTo ?? toRedirectTarget(storeTarget) ?? "/";
      const { request, response } = context;
      if (isJsonClient(request)) sendJson(response, 200, { signed_out: true, redirect_to: target });
      else redirect(response, target);
    },
  });
}

/** Whose sessions a sign-out ends. */
type SignOutScope = "session" | "member" | "user";

type SessionToEnd =
  | { readonly status: "known"; readonly session: VerifiedSession }
  | UnreadableSession
  | { readonly status: "none" };

/** The session of a credential that the store alone can read. */
interface UnreadableSession {
  readonly status: "unreadable";
  readonly credential: Credential;
  readonly stale: StaleCredential;
}

const NONE: SessionToEnd = { status: "none" };

/** Finds out which session ends. Signs the request out first: no renewal under way may set a cookie from here on. */
async function identifySession({ instance, auth }: HandlerContext): Promise<SessionToEnd> {
  const { credential, session: attached } = auth;
  auth.close();
  auth.refused(ANONYMOUS);
  if (credential === undefined) return attached === undefined ? NONE : { status: "known", session: attached };
  const key = keyOf(credential);
  const session = attached ?? instance.cache.get(key);
  instance.superseded.set(key, "refuse");
  instance.cache.delete(key);
  if (session !== undefined) return { status: "known", session };
  const verification = await verifyCredential(instance, credential);
  if (verification.status === "verified") {
    return verification.session === undefined
      ? { status: "unreadable", credential, stale: toStaleCredential(verification) }
      : { status: "known", session: verification.session };
  }
  // A good seal tells which session ends, even if its token cannot be verified now.
  const { sealed } = verification;
  if (sealed === undefined) return NONE;
  const stale = toStaleCredential({ accessToken: sealed.accessToken, sealed });
  return { status: "unreadable", credential, stale };
}

/** Ends the session at the store and in every process. Returns where the store wants the browser to go. */
async function endSession(
  context: HandlerContext,
  toEnd: SessionToEnd,
  scope: SignOutScope,
): Promise<unknown> {
  if (toEnd.status === "none") return undefined;
  if (toEnd.status === "unreadable") return endUnreadable(context, toEnd, scope);
  const { instance } = context;
  const { member, memberSession } = toEnd.session;
  const { id: sessionId } = memberSession;
  const { store } = instance.options;
  const others = targetOf(scope, { ...memberSession, userId: member.userId });
  await instance.invalidations.end(sessionId, "refuse");
  const reply = await callStore(instance, context.request, async (storeContext) =>
    store.endSession?.(others ?? { sessionId }, storeContext),
  );
  if (others !== undefined) await instance.invalidations.invalidate(others);
  instance.events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return reply.status === "answered" ? reply.value?.redirectTo : undefined;
}

/** Whose other sessions end too, if any. */
function targetOf(
  scope: SignOutScope,
  { memberId, userId }: { readonly memberId?: string; readonly userId?: string | undefined },
): Exclude<EndSessionTarget, { sessionId: string }> | undefined {
  if (scope === "session") return undefined;
  if (scope === "user" && userId !== undefined) return { userId };
  return memberId === undefined ? undefined : { memberId };
}

async function endUnreadable(
  context: HandlerContext,
  session: UnreadableSession,
  scope: SignOutScope,
): Promise<unknown> {
  const { instance } = context;
  const reply = await endPresented(context, session, scope);
  const end = reply.status === "answered" ? reply.value : undefined;
  if (end?.status === "unknown") return undefined;
  if (end?.sessionId !== undefined) await instance.invalidations.end(end.sessionId, "refuse");
  const others = end === undefined ? undefined : targetOf(scope, end);
  if (others !== undefined) await instance.invalidations.invalidate(others);
  instance.events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return end?.redirectTo;
}

const UNKNOWN: PresentedEnd = { status: "unknown" };

/** Asks the store to end what it alone can read. A store without `endPresented` is not asked. */
async function endPresented(
  { instance, request }: HandlerContext,
  { credential, stale }: UnreadableSession,
  scope: SignOutScope,
): Promise<StoreReply<PresentedEnd>> {
  const { store } = instance.options;
  if (store.endPresented === undefined) return { status: "answered", value: UNKNOWN };
  const end = store.endPresented.bind(store, stale, scope);
  const call = async (context: Parameters<typeof end>[0]): Promise<PresentedEnd> =>
    checkAnswer(await end(context), isPresentedEnd);
  // A good seal was made here; any other credential may be made up.
  if (stale.sealed !== undefined) return callStore(instance, request, call);
  const key = keyOf(credential);
  const reply = await callStore(instance, request, call, {
    key,
    refusalIn: ({ status }) =>
      status === "unknown" ? { status: "ended", reason: "session_not_found" } : undefined,
    repeat: () => UNKNOWN,
  });
  instance.unverified.refuse(key, { status: "ended", reason: "signed_out" });
  return reply;
}

function isPresentedEnd(value: unknown): value is PresentedEnd {
  if (!isObject(value)) return false;
  const { status, sessionId, memberId, userId } = value;
  const isKnown = status === "ended" || status === "unknown";
  return isKnown && [sessionId, memberId, userId].every((id) => isOptional(id, isString));
}

/** Clears the session cookies, whole, in chunks and in every form, and the cookies of sign-ins under way in this browser. */
function clearEveryCookie(context: HandlerContext): void {
  const { instance, auth, request } = context;
  const { cookie, sources, secure } = instance.options;
  auth.dropQueued();
  const names = new Set(sources.flatMap((source) => ("cookieName" in source ? [source.cookieName] : [])));
  if (instance.sealer !== undefined) names.add(cookie.name);
  for (const name of names) {
    const existing = findCookie(request.headers.cookie, name).names;
    for (const form of new Set([name, ...existing])) clearCookieEverywhere(instance, auth, form);
  }
  clearPending(context);
  const flows = existingFlows(context).map(({ name }) => name);
  const loops = findCookie(request.headers.cookie, loopCookieName(secure)).names;
  for (const name of [...flows, ...loops]) {
    auth.queueCookie(name, clearCookieLine(name, ownCookieAttributes(secure)));
  }
}
