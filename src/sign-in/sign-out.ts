import { type HandlerContext, deny, loopCookieName } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { showPage } from "../guards/pages.ts";
import {
  type SealedCookieKind,
  clearCookieLine,
  findCookie,
  openCookie,
  ownCookieAttributes,
  ownCookieName,
  sealCookie,
} from "../lib/cookies.ts";
import { type Html, html } from "../lib/html.ts";
import {
  acceptsHtml,
  isJsonClient,
  pathOf,
  redirect,
  sanitizeReturnTo,
  sendJson,
  toRedirectTarget,
} from "../lib/http.ts";
import { isObject, isOptional, isString } from "../lib/values.ts";
import { ANONYMOUS } from "../model.ts";
import { type VerifiedSession, keyOf } from "../request/cache.ts";
import { type StoreReply, callStore, checkAnswer, toLabel } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { Credential } from "../request/read-credential.ts";
import { settleCandidates } from "../request/authenticate.ts";
import { clearSessionCookies } from "../request/respond.ts";
import { supersedeCredentials } from "../request/supersede.ts";
import { toStaleCredential, verifyCredential } from "../request/verify-credential.ts";
import type { EndSessionTarget, PresentedEnd, StaleCredential } from "../store.ts";
import { attachOnly, createHandler, requireStore } from "./handler-context.ts";
import { MAX_FLOWS, existingFlows } from "./hosted-sign-in.ts";
import { clearPending } from "./pending.ts";

/** Options of `auth.signOut()`. */
export interface SignOutOptions {
  /**
   * Ends more than this session, on all devices: every session of the `member`, or every session of the `user`, in all
   * organizations. A store that knows no users ends the member's for both. @defaultValue this session alone
   */
  readonly everywhere?: "member" | "user" | undefined;
  /** A path on this origin, or an http(s) URL; where the store has a logout page, it sends the browser there. @defaultValue what the store says, else `/` */
  readonly redirectTo?: string | undefined;
}

/**
 * Creates the handler of a `POST` that signs out: ends the session at the store, clears every cookie, and goes on.
 *
 * Works for every credential, also without the middleware above it: for expired and revoked tokens, and for those that the store
 * alone can read. While the store is down the cookies are cleared as well, this process refuses the session until its token's
 * `exp`, and an event `unavailable` reports it. A browser is then sent through the store's logout page, where it has one;
 * else a page says that the session may still be open, and offers to try again.
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
      const presented = await identifySession(context);
      const unfinished = presented.status === "none" ? await readUnfinished(context) : undefined;
      const toEnd = unfinished?.toEnd ?? presented;
      const scope = unfinished?.scope ?? everywhere ?? "session";
      clearEveryCookie(context, toEnd);
      const end = await endSession(context, toEnd, scope);
      const logout = logoutUrl(context, toEnd, redirectTo);
      const showsPage = !end.isEnded && logout === undefined && acceptsHtml(context.request);
      const canRepeat = showsPage && (await keepUnfinished(context, { toEnd, scope }));
      const target = logout ?? redirectTo ?? end.redirectTo ?? "/";
      answerSignedOut(context, end, { logout, target, canRepeat });
    },
  });
}

/** Whose sessions a sign-out ends. */
type SignOutScope = "session" | "member" | "user";

/** How a session ended at the store. */
interface SessionEnd {
  /** `false`: the store could not be reached, or refused. */
  readonly isEnded: boolean;
  /** Where the store wants the browser to go. */
  readonly redirectTo?: string | undefined;
  /** Why not, for events. */
  readonly reason?: string | undefined;
  /** Seconds. */
  readonly retryAfter?: number | undefined;
}

const ENDED: SessionEnd = { isEnded: true };

/** Where the browser goes so that the store's own page forgets it too, also while the store cannot be asked. */
function logoutUrl(
  { instance: { options } }: HandlerContext,
  toEnd: SessionToEnd,
  redirectTo: string | undefined,
): string | undefined {
  const { store, origin } = options;
  const isNamed = toEnd.status === "known" || toEnd.status === "unreadable";
  if (!isNamed || store.logoutUrl === undefined) return undefined;
  const of = toEnd.status === "known" ? { sessionId: toEnd.sessionId } : toEnd.stale;
  const returnTo = redirectTo === undefined ? {} : { returnTo: new URL(redirectTo, origin).href };
  return toRedirectTarget(store.logoutUrl(of, returnTo));
}

interface SignedOutAnswer {
  readonly logout: string | undefined;
  readonly target: string;
  /** Whether the browser keeps what the sign-out needs when it is tried again. */
  readonly canRepeat: boolean;
}

function answerSignedOut(
  context: HandlerContext,
  { isEnded, reason, retryAfter }: SessionEnd,
  { logout, target, canRepeat }: SignedOutAnswer,
): void {
  const { request, response } = context;
  if (isJsonClient(request)) {
    sendJson(response, 200, {
      signed_out: true,
      redirect_to: target,
      ...(logout !== undefined && { logout_url: logout }),
      ...(!isEnded && { session_ended: false }),
    });
  } else if (isEnded || logout !== undefined || !acceptsHtml(request)) {
    redirect(response, target);
  } else {
    deny(context, {
      code: "store_unavailable",
      reason,
      retryAfter,
      page({ status, code }) {
        const body = unfinishedBody(pathOf(request), canRepeat);
        showPage(context, { status, code, title: UNFINISHED_TITLE, body });
      },
    });
  }
}

const UNFINISHED_TITLE = "Signing out is not finished";

function unfinishedBody(path: string, canRepeat: boolean): Html {
  const form = html`<form method="post" action="${sanitizeReturnTo(path)}"><button>Try again</button></form>`;
  return html`<h1>${UNFINISHED_TITLE}</h1>
    <p role="alert">
      This browser is signed out. The service that keeps your session did not answer, so the session may still
      be open there until it expires.
    </p>
    ${canRepeat ? form : ""}`;
}

/** A sign-out that the store could not carry out, kept in the browser so that it can be tried again. */
interface UnfinishedSignOut {
  readonly toEnd: SessionToEnd;
  readonly scope: SignOutScope;
}

const UNFINISHED: SealedCookieKind<UnfinishedSignOut> = {
  name: "sign_out",
  lifetime: 600,
  parse({ scope, sessionId, memberId, userId, accessToken, opaqueToken }) {
    if (scope !== "session" && scope !== "member" && scope !== "user") return undefined;
    if (isString(sessionId) && isString(memberId)) {
      const user = isString(userId) ? { userId } : {};
      return { toEnd: { status: "known", sessionId, memberId, ...user }, scope };
    }
    if (!isOptional(accessToken, isString) || !isOptional(opaqueToken, isString)) return undefined;
    const stale = toStaleCredential({
      ...(isString(accessToken) && { accessToken }),
      ...(isString(opaqueToken) && { opaqueToken }),
    });
    return { toEnd: { status: "unreadable", stale, credential: undefined }, scope };
  },
};

/** What names the session to the store; the refresh token of a seal does, and fits where the whole seal would not. */
function secretsOf({ accessToken, opaqueToken, sealed }: StaleCredential): object {
  return { accessToken, opaqueToken: opaqueToken ?? sealed?.refreshToken };
}

function unfinishedCookieName({ options }: Instance): string {
  return ownCookieName(options.secure, "sign-out");
}

/** Keeps what must still end for ten minutes. Without a password, and for what fits into no cookie, it cannot be kept. */
async function keepUnfinished(
  { instance, auth }: HandlerContext,
  { toEnd, scope }: UnfinishedSignOut,
): Promise<boolean> {
  const { sealer, options } = instance;
  if (sealer === undefined || toEnd.status === "none" || toEnd.status === "unverified") return false;
  const cookieName = unfinishedCookieName(instance);
  const members =
    toEnd.status === "known"
      ? { scope, sessionId: toEnd.sessionId, memberId: toEnd.memberId, userId: toEnd.userId }
      : { scope, ...secretsOf(toEnd.stale) };
  const expiresAt = options.clock() + UNFINISHED.lifetime;
  const line = await sealCookie(options, UNFINISHED, {
    sealer,
    cookieName,
    members,
    secret: cookieName,
    expiresAt,
  });
  if (line !== undefined) auth.queueCookie(cookieName, line);
  return line !== undefined;
}

async function readUnfinished({ instance, request }: HandlerContext): Promise<UnfinishedSignOut | undefined> {
  const secret = unfinishedCookieName(instance);
  const found = findCookie(request.headers.cookie, secret);
  return found.status === "found"
    ? openCookie(instance, UNFINISHED, { sealed: found.value, secret })
    : undefined;
}

type SessionToEnd =
  | {
      readonly status: "known";
      readonly sessionId: string;
      readonly memberId: string;
      readonly userId?: string | undefined;
      /** Absent where the ending is tried again by what a page's form says. */
      readonly session?: VerifiedSession;
    }
  | UnreadableSession
  /** It cannot be known now whether the credential has a session: the keys could not be fetched. */
  | { readonly status: "unverified" }
  | { readonly status: "none" };

/** The session of a credential that the store alone can read. */
interface UnreadableSession {
  readonly status: "unreadable";
  /** Absent where a sign-out is tried again. */
  readonly credential: Credential | undefined;
  readonly stale: StaleCredential;
}

const NONE: SessionToEnd = { status: "none" };

/** Finds out which session ends. Signs the request out first: no renewal under way may set a cookie from here on. */
async function identifySession({ instance, auth, request }: HandlerContext): Promise<SessionToEnd> {
  const { session: attached } = auth;
  auth.close();
  supersedeCredentials(instance, { auth, request }, "refuse");
  await settleCandidates(instance, auth);
  const { credential } = auth;
  auth.refused(ANONYMOUS);
  if (credential === undefined) return attached === undefined ? NONE : toKnown(attached);
  const key = keyOf(credential);
  const session = attached ?? instance.cache.get(key);
  instance.cache.delete(key);
  if (session !== undefined) return toKnown(session);
  const verification = await verifyCredential(instance, credential);
  if (verification.status === "verified") {
    return verification.session === undefined
      ? { status: "unreadable", credential, stale: toStaleCredential(verification) }
      : toKnown(verification.session);
  }
  // A good seal tells which session ends, even if its token cannot be verified now.
  const { sealed, state } = verification;
  if (sealed === undefined) return state.status === "unavailable" ? { status: "unverified" } : NONE;
  const stale = toStaleCredential({ accessToken: sealed.accessToken, sealed });
  return { status: "unreadable", credential, stale };
}

function toKnown(session: VerifiedSession): SessionToEnd {
  const { id: sessionId, memberId } = session.memberSession;
  return { status: "known", sessionId, memberId, userId: session.member.userId, session };
}

/** Ends the session at the store and in every process. */
async function endSession(
  context: HandlerContext,
  toEnd: SessionToEnd,
  scope: SignOutScope,
): Promise<SessionEnd> {
  if (toEnd.status === "none") return ENDED;
  if (toEnd.status === "unverified") return { isEnded: false, reason: "not_verified" };
  if (toEnd.status === "unreadable") return endUnreadable(context, toEnd, scope);
  const { instance } = context;
  const { sessionId } = toEnd;
  const { store } = instance.options;
  const others = targetOf(scope, toEnd);
  await instance.invalidations.end(sessionId, "refuse", toEnd.session);
  const reply = await callStore(
    instance,
    context.request,
    async (storeContext) => store.endSession?.(others ?? { sessionId }, storeContext),
    { member: toEnd.memberId },
  );
  if (others !== undefined) await instance.invalidations.invalidate(others);
  instance.events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return toSessionEnd(reply, reply.status === "answered" ? reply.value?.redirectTo : undefined);
}

function toSessionEnd(reply: StoreReply<unknown>, redirectTo: unknown): SessionEnd {
  if (reply.status === "answered") return { isEnded: true, redirectTo: toRedirectTarget(redirectTo) };
  if (reply.status === "unavailable") {
    return { isEnded: false, reason: reply.reason, retryAfter: reply.retryAfter };
  }
  return { isEnded: false, reason: toLabel(reply.reason, "not_accepted") };
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
): Promise<SessionEnd> {
  const { instance } = context;
  const reply = await endPresented(context, session, scope);
  const end = reply.status === "answered" ? reply.value : undefined;
  if (end?.status === "unknown") return ENDED;
  if (end?.sessionId !== undefined) await instance.invalidations.end(end.sessionId, "refuse");
  const others = end === undefined ? undefined : targetOf(scope, end);
  if (others !== undefined) await instance.invalidations.invalidate(others);
  instance.events.emit({ type: "revoked", by: scope, reason: "sign_out" });
  return toSessionEnd(reply, end?.redirectTo);
}

const UNKNOWN: PresentedEnd = { status: "unknown" };

/** Asks the store to end what it alone can read. A store without `endPresented` is not asked. */
async function endPresented(
  { instance, request }: HandlerContext,
  { credential, stale }: UnreadableSession,
  scope: SignOutScope,
): Promise<StoreReply<PresentedEnd>> {
  const { store } = instance.options;
  if (store.endPresented === undefined) {
    return { status: "answered", value: UNKNOWN, calledAt: instance.options.clock() };
  }
  const end = store.endPresented.bind(store, stale, scope);
  const call = async (context: Parameters<typeof end>[0]): Promise<PresentedEnd> =>
    checkAnswer(await end(context), isPresentedEnd);
  // A good seal was made here; any other credential may be made up.
  if (stale.sealed !== undefined || credential === undefined) {
    return callStore(instance, request, call, { member: stale.sealed?.user?.id });
  }
  const key = keyOf(credential);
  const reply = await callStore(instance, request, call, {
    unverified: {
      key,
      refusalIn: ({ status }) =>
        status === "unknown" ? { status: "ended", reason: "session_not_found" } : undefined,
      repeat: () => UNKNOWN,
    },
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
function clearEveryCookie(context: HandlerContext, toEnd: SessionToEnd): void {
  const { instance, auth, request } = context;
  const { cookie, sources, secure } = instance.options;
  auth.dropQueued();
  const read = new Set(sources.flatMap((source) => ("cookieName" in source ? [source.cookieName] : [])));
  if (instance.sealer !== undefined) read.add(cookie.name);
  const names = [...read].flatMap((name) => [
    ...new Set([name, ...findCookie(request.headers.cookie, name).names]),
  ]);
  clearSessionCookies(instance, { auth, request, names, everywhere: false });
  clearPending(context);
  const flows = existingFlows(context)
    .slice(0, MAX_FLOWS)
    .map(({ name }) => name);
  const others = [loopCookieName(secure), unfinishedCookieName(instance)].flatMap(
    (name) => findCookie(request.headers.cookie, name).names,
  );
  for (const name of [...flows, ...others]) {
    auth.queueCookie(name, clearCookieLine(name, ownCookieAttributes(secure)));
  }
  const isOurs =
    toEnd.status === "known" || (toEnd.status === "unreadable" && toEnd.stale.sealed !== undefined);
  if (isOurs && auth.areAllOurs) clearSessionCookies(instance, { auth, request, names, everywhere: true });
}
