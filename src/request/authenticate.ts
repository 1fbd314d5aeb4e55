import type { IncomingMessage, ServerResponse } from "node:http";
import { ANONYMOUS, type RejectedState } from "../model.ts";
import { decideFreshness } from "../tokens/verify-token.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import { describeClient, reportUntrustedProxy } from "./call-store.ts";
import { type CredentialChoice, chooseCredential } from "./choose-credential.ts";
import type { Instance } from "./instance.ts";
import {
  type Credential,
  type CrossSiteReason,
  isSafeMethod,
  readCredential,
  readOpaqueBeside,
} from "./read-credential.ts";
import { renewAheadOfExpiry } from "./renew-ahead.ts";
import { renewStaleCredential } from "./renew.ts";
import {
  type AttachNames,
  DEFAULT_RETRY_AFTER,
  type FreshnessRequirement,
  type RequestAuth,
  type Resolution,
  attach,
  reportMisconfigured,
  requestAuthOf,
} from "./request-auth.ts";
import {
  applyResolution,
  canSendCredential,
  clearCredentialCookies,
  hookExchange,
  hookResponse,
} from "./respond.ts";
import {
  type CredentialVerification,
  needsStore,
  resolveClockSkew,
  resolveEnded,
  verifyCredential,
} from "./verify-credential.ts";

/*
 * The way of a request, from top to bottom:
 *
 * 1. Read the one credential that the request carries (read-credential.ts). Without one, the request is anonymous. Where several
 *    cookies of the session's name differ, choose the one that opens (choose-credential.ts).
 * 2. Refuse a cookie that another site made the browser send with a write (read-credential.ts).
 * 3. Look the credential up among those verified before (cache.ts). This is the usual case; it needs no promise.
 * 4. Else verify it without asking the store (verify-credential.ts): the signature or the seal, then what the claims mean.
 * 5. Decide whether it is fresh (needsStore). If so, cache it.
 * 6. Renew it where it is stale (renew.ts): the store is asked once for all requests with the credential.
 * 7. Attach who is asking to the request (request-auth.ts), and put a new credential on the response (respond.ts).
 *
 * The middleware never rejects a request: guards do. What happens when
 * - a reply of the store or of ours is lost: the renewal goes on, and late requests get its result (renew.ts, lost-replies.ts);
 * - a renewed token cannot be used: the new refresh token is kept beside the old access token (accept-credential.ts);
 * - a renewal brings another member's token: neither token reaches anybody, and the answer is 503 (accept-credential.ts);
 * - two cookies of the session's name are good and differ: the request is refused, and the cookies are cleared (respond.ts);
 * - a page answers late: it neither sets nor clears the cookie of a sign-in, switch or sign-out made meanwhile (supersede.ts);
 * - a token's key is gone: a bearer is refused; a seal is renewed if its token has expired, else kept (verify-credential.ts);
 * - the store answers 429 or fails: 503 with its Retry-After, the cookie is kept, and the breaker counts it (call-store.ts);
 * - the client aborts: nothing is cancelled, because the rotated refresh token must not be lost (call-store.ts).
 */

/**
 * Finds out who is asking, and attaches it to the request.
 *
 * A promise only where a signature must be verified or the store must be asked. Done once for a request, however often it is
 * called.
 */
export function authenticateRequest(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth | Promise<RequestAuth> {
  const known = requestAuthOf(request, instance);
  if (known !== undefined) return resumeAuthentication(instance, known, request, response);
  return authenticateAttached(instance, attachNew(instance, request, response), request, response);
}

/**
 * Authenticates a request anew by the credential that it carried, as if it came now: for connections that stay open. What was
 * known of it stays attached meanwhile.
 */
export async function authenticateAgain(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): Promise<RequestAuth> {
  const known = requestAuthOf(request, instance);
  if (known === undefined) return authenticateRequest(instance, request, response);
  await known.settled;
  if (hookExchange(request, response, known)) known.gainResponse();
  known.restart();
  return authenticateAttached(instance, known, request, response);
}

function authenticateAttached(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth | Promise<RequestAuth> {
  const { credential } = auth;
  if (credential === undefined) return auth;
  const crossSite = credential.kind === "bearer" ? undefined : crossSiteReasonOf(instance, request);
  if (crossSite !== undefined) {
    auth.refused(reject(instance, "cross_site_request", "cookie", crossSite));
    return auth;
  }
  if (auth.candidates === undefined) return authenticatePresented(instance, auth, request, response);
  const conclude = (): RequestAuth | Promise<RequestAuth> => {
    if (auth.credential !== undefined) return authenticatePresented(instance, auth, request, response);
    auth.refused(reject(instance, "ambiguous_credential", "cookie", "two_sessions"));
    const everywhere = auth.areAllOurs;
    clearCredentialCookies(instance, { auth, request, presented: credential, everywhere });
    return auth;
  };
  const settled = settleCandidates(instance, auth);
  return settled === undefined ? conclude() : auth.settleWith(settled.then(conclude));
}

function authenticatePresented(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth | Promise<RequestAuth> {
  const { credential } = auth;
  if (credential === undefined) return auth;
  const session = lookUpVerified(instance, keyOf(credential));
  if (session === undefined || expiresSoon(instance, session))
    return authenticateSlowly(instance, auth, request, response);
  auth.authenticated(session, "local");
  reportAuthenticated(instance, auth);
  return auth;
}

/** Decides which of several cookies of one name counts. A promise only where that takes time. */
export function settleCandidates(instance: Instance, auth: RequestAuth): Promise<void> | undefined {
  const { candidates } = auth;
  if (candidates === undefined) return undefined;
  const conclude = ({ credential, areAllOurs }: CredentialChoice): void =>
    auth.choose(credential, areAllOurs);
  const choice = chooseCredential(instance, candidates);
  if (choice instanceof Promise) return choice.then(conclude);
  conclude(choice);
  return undefined;
}

/**
 * Attaches what a request carries without verifying it, for handlers that do not need to know who is asking. The state is then
 * anonymous, unless the middleware ran before.
 */
export function attachRequest(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse,
): RequestAuth {
  const known = requestAuthOf(request, instance);
  if (known !== undefined) return known;
  const auth = attachNew(instance, request, response);
  if (auth.credential !== undefined) auth.refused(ANONYMOUS);
  return auth;
}

/** Reads the request's credential and attaches it. Without one that can be verified, the state is final. */
function attachNew(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth {
  const { names, sources } = instance.options;
  if (names !== undefined && hidesProperty(request, names)) {
    reportMisconfigured(instance.events, { reason: "request_property_taken" });
  }
  const reading = readCredential(request, sources);
  const auth = attach(request, instance, reading, response !== undefined && hookResponse(response));
  if (reading.status === "none") {
    auth.refused(ANONYMOUS);
  } else if (reading.status === "rejected") {
    auth.refused(reject(instance, reading.code, reading.via, reading.reason));
    clearCredentialCookies(instance, { auth, request, presented: reading });
  }
  return auth;
}

/** Whether other middleware set a property of ours before: handlers would read that in place of orgate's. */
function hidesProperty(request: IncomingMessage, names: AttachNames): boolean {
  return (
    Object.hasOwn(request, names.member) ||
    Object.hasOwn(request, names.organization) ||
    Object.hasOwn(request, names.memberSession) ||
    Object.hasOwn(request, names.verdict)
  );
}

function reject(
  { events }: Instance,
  code: RejectedState["code"],
  via: RejectedState["via"],
  reason: string,
): RejectedState {
  events.emit({ type: "rejected", code, reason });
  return { status: "rejected", code, via };
}

/** Returns the earlier result, unless it was that a credential cannot be renewed without a response and now there is one. */
function resumeAuthentication(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth | Promise<RequestAuth> {
  const canAnswer = hookExchange(request, response, auth);
  if (!canAnswer || auth.hasResponse) return auth.settled;
  auth.gainResponse();
  return settle(auth, auth.settled, ({ state }) =>
    state.status === "rejected" && (state.code === "token_expired" || state.code === "token_too_old")
      ? authenticateSlowly(instance, auth, request, response)
      : auth,
  );
}

/** Goes on when the request is settled; other callers for the same request wait for that too. */
function settle(
  auth: RequestAuth,
  settled: RequestAuth | Promise<RequestAuth>,
  next: (auth: RequestAuth) => RequestAuth | Promise<RequestAuth>,
): RequestAuth | Promise<RequestAuth> {
  return settled instanceof Promise ? auth.settleWith(settled.then(next)) : next(settled);
}

/** How it shows that another site made the browser send a request that may change something; `undefined` where none did. */
export function crossSiteReasonOf(
  { options, origins }: Instance,
  request: IncomingMessage,
): CrossSiteReason | undefined {
  return options.checksCrossSite && !isSafeMethod(request) ? origins.crossSiteReason(request) : undefined;
}

/** Whether a token that is still good is to be renewed already. */
function expiresSoon({ options: { renewAhead, clock } }: Instance, { exp }: VerifiedSession): boolean {
  return renewAhead > 0 && clock() >= exp - renewAhead;
}

/** Looks for a session that was verified before, is still fresh, and was not invalidated since. */
function lookUpVerified(instance: Instance, key: string): VerifiedSession | undefined {
  const { cache, options, invalidations, keys } = instance;
  const session = cache.get(key);
  if (session === undefined) return undefined;
  const { clockTolerance, maxTokenAge: maxAge, maxTokenLifetime: maxLifetime } = options;
  const now = options.clock();
  keys.keepCurrent(now);
  if (decideFreshness(session, { now, clockTolerance, maxAge, maxLifetime }) !== "fresh") {
    cache.delete(key);
    return undefined;
  }
  if (session.checkedEpoch !== invalidations.epoch) {
    if (invalidations.endingOf(session.memberSession.id) !== undefined || invalidations.mustAsk(session))
      return undefined;
    session.checkedEpoch = invalidations.epoch;
  }
  if (session.isUnseen) {
    session.isUnseen = false;
    instance.lostReplies.arrived(key);
  }
  return session;
}

function reportAuthenticated({ events }: Instance, { session, source }: RequestAuth): void {
  if (session !== undefined && events.wants("authenticated")) {
    events.emit({ type: "authenticated", via: session.via, source });
  }
}

function authenticateSlowly(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth | Promise<RequestAuth> {
  const { maxTokenAge: maxAge } = instance.options;
  const refreshed = refreshRequest(instance, auth, request, {
    maxAge,
    spendsRefreshToken: response !== undefined && canSendCredential(auth, response),
  });
  return settle(auth, refreshed, () => {
    reportAuthenticated(instance, auth);
    return auth;
  });
}

/**
 * Authenticates a request's credential under a freshness requirement, and attaches the newer result. Guards call it to require
 * a stricter age. A promise only where it takes time.
 */
export function refreshRequest(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  { maxAge, spendsRefreshToken }: Pick<FreshnessRequirement, "maxAge" | "spendsRefreshToken">,
): RequestAuth | Promise<RequestAuth> {
  const { credential, arrivedAt } = auth;
  if (credential === undefined) return auth;
  const requirement: FreshnessRequirement = {
    arrivedAt,
    maxAge,
    spendsRefreshToken,
    mayServeStale: () => isSafeMethod(request),
    client() {
      // Only for credentials that anybody can make up do the limits go by address.
      const mayBeMadeUp = credential.kind === "opaque" || instance.options.store.tokens.unknownKey === "ask";
      if (mayBeMadeUp) reportUntrustedProxy(instance, request);
      return describeClient(instance, request);
    },
  };
  const apply = (resolution: Resolution): RequestAuth => {
    applyResolution(instance, auth, resolution, request);
    if (auth.session !== undefined && maxAge === 0) auth.confirm();
    return auth;
  };
  // Nothing below throws or rejects. If it does all the same, nobody is signed out over that.
  const fail = (cause: unknown): RequestAuth => {
    reportMisconfigured(instance.events, { reason: "internal_error", cause });
    auth.refused({ status: "unavailable", code: "store_unavailable", retryAfter: DEFAULT_RETRY_AFTER });
    return auth;
  };
  try {
    const resolution = authenticateOrBeside(instance, { auth, request, credential }, requirement);
    return resolution instanceof Promise ? resolution.then(apply).catch(fail) : apply(resolution);
  } catch (error) {
    return fail(error);
  }
}

interface Presented {
  readonly auth: RequestAuth;
  readonly request: IncomingMessage;
  readonly credential: Credential;
}

/** Authenticates a credential. Where it is an unsealed JWT that is not good, the opaque token beside it decides. */
function authenticateOrBeside(
  instance: Instance,
  { auth, request, credential }: Presented,
  requirement: FreshnessRequirement,
): Resolution | Promise<Resolution> {
  const beside =
    credential.kind === "jwt_cookie" ? readOpaqueBeside(request, instance.options.sources) : undefined;
  if (beside === undefined) return authenticateCredential(instance, credential, requirement);
  const tryBeside = (first: Resolution): Resolution | Promise<Resolution> => {
    if (!isUseless(first)) return first;
    const conclude = (second: Resolution): Resolution => {
      if (isUseless(second)) return first;
      auth.choose(beside, false);
      return second;
    };
    const known = lookUpVerified(instance, keyOf(beside));
    if (known !== undefined && requirement.maxAge !== 0 && !needsStore(instance, known, requirement)) {
      return conclude({ status: "authenticated", session: known, source: "local" });
    }
    const second = authenticateCredential(instance, beside, requirement);
    return second instanceof Promise ? second.then(conclude) : conclude(second);
  };
  const first = authenticateCredential(instance, credential, requirement);
  return first instanceof Promise ? first.then(tryBeside) : tryBeside(first);
}

/** Whether nothing can come of a credential any more. Of one whose member must authenticate again, something can. */
function isUseless(resolution: Resolution): boolean {
  if (resolution.status !== "refused" || resolution.state.status !== "rejected") return false;
  const { code } = resolution.state;
  return (
    code === "invalid_token" ||
    code === "invalid_session" ||
    code === "token_expired" ||
    code === "session_revoked"
  );
}

/** Verifies a credential, and renews it where it is stale. */
function authenticateCredential(
  instance: Instance,
  presented: Credential,
  requirement: FreshnessRequirement,
): Resolution | Promise<Resolution> {
  const resolve = (credential: CredentialVerification): Resolution | Promise<Resolution> => {
    if (credential.status === "refused") return credential;
    const key = keyOf(presented);
    instance.lostReplies.arrived(key);
    const { session } = credential;
    if (session === undefined) {
      return renewStaleCredential(instance, { key, credential, reason: "expired", requirement });
    }
    const ended = resolveEnded(instance, session);
    if (ended !== undefined) return ended;
    const reason = needsStore(instance, session, requirement);
    if (reason === "not_yet_valid") return resolveClockSkew(instance);
    if (reason !== undefined) return renewStaleCredential(instance, { key, credential, reason, requirement });
    session.checkedEpoch = instance.invalidations.epoch;
    instance.cache.set(key, session);
    const ahead =
      expiresSoon(instance, session) && requirement.spendsRefreshToken
        ? renewAheadOfExpiry(instance, { key, credential, reason: "expired", requirement })
        : undefined;
    return ahead ?? { status: "authenticated", session, source: "local" };
  };
  const verification = verifyCredential(instance, presented);
  return verification instanceof Promise ? verification.then(resolve) : resolve(verification);
}
