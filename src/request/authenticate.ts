import type { IncomingMessage, ServerResponse } from "node:http";
import { ANONYMOUS, type RejectedState, type UnavailableState } from "../model.ts";
import type { StaleCredential, StoreContext } from "../store.ts";
import { decideFreshness } from "../tokens/freshness.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import { describeClient } from "./call-store.ts";
import { isSafeMethod } from "./cross-site.ts";
import type { Instance } from "./instance.ts";
import { type Credential, type Reading, readCredential } from "./read-credential.ts";
import { refuseEnded, refuseSkewed } from "./refusals.ts";
import { type Successor, renewCredential } from "./renew.ts";
import { type RequestAuth, attach, latestRequestAuthOf, requestAuthAmong } from "./request-auth.ts";
import {
  clearCredentialCookies,
  applyResolution,
  hookExchange,
  applyHeadersOnWrite,
  watchResponse,
} from "./respond.ts";
import { type CredentialVerification, verifyCredential } from "./verify-credential.ts";

/**
 * Finds out who is asking, and attaches it.
 *
 * Seen before and still fresh, the answer is there at once; a promise comes back only where something must be verified or
 * asked. Done once for a request, however often it is called.
 */
export function authenticateRequest(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestAuth | Promise<RequestAuth> {
  const latest = latestRequestAuthOf(request);
  const known = requestAuthAmong(latest, instance);
  if (known !== undefined) return resumeAuthentication(instance, known, { request, response });
  const reading = readCredential(request, instance.options.sources);
  const record = makeRecord(instance, latest, reading, response !== undefined);
  attach(request, record);
  watchResponse(response);
  if (reading.status !== "found") return resolveWithoutCredential(instance, record, reading, request);
  const { credential } = reading;
  if (credential.kind !== "bearer" && isCrossSiteWrite(instance, request)) {
    return reject(instance, record, { status: "rejected", code: "cross_site_request", via: "cookie" });
  }
  const session = lookUpVerified(instance, keyOf(credential));
  if (session === undefined) return authenticateSlowly(instance, record, { request, response });
  record.session = session;
  tellAuthenticated(instance, record);
  return record;
}

/**
 * Attaches what a request presents without looking into it: for whoever needs no answer, or must not wait for one. The
 * state is then that of nobody, unless the middleware ran before.
 */
export function attachRequest(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse,
): RequestAuth {
  const latest = latestRequestAuthOf(request);
  const known = requestAuthAmong(latest, instance);
  if (known !== undefined) return known;
  const reading = readCredential(request, instance.options.sources);
  const record = makeRecord(instance, latest, reading, true);
  attach(request, record);
  watchResponse(response);
  if (reading.status !== "found") return resolveWithoutCredential(instance, record, reading, request);
  record.state = ANONYMOUS;
  return record;
}

/** A request, and what can be answered with, if anything. */
interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse | undefined;
}

/** A request seen before: its answer stands, unless it was that nothing renews it without a response, and now there is one. */
function resumeAuthentication(
  instance: Instance,
  record: RequestAuth,
  exchange: Arrival,
): RequestAuth | Promise<RequestAuth> {
  hookExchange(exchange.request, exchange.response, record);
  const settled = record.settling ?? record;
  if (exchange.response === undefined || record.hasResponse) return settled;
  record.hasResponse = true;
  const askAgain = (known: RequestAuth): RequestAuth | Promise<RequestAuth> =>
    known.state?.status === "rejected" && known.state.code === "token_expired"
      ? authenticateSlowly(instance, known, exchange)
      : known;
  if (!(settled instanceof Promise)) return askAgain(settled);
  record.settling = settled.then(askAgain);
  return record.settling;
}

function authenticateSlowly(
  instance: Instance,
  record: RequestAuth,
  { request, response }: Arrival,
): RequestAuth | Promise<RequestAuth> {
  const { maxTokenAge: maxAge } = instance.options;
  const finish = (settled: RequestAuth): RequestAuth => {
    if (response !== undefined) applyHeadersOnWrite(response, settled);
    tellAuthenticated(instance, settled);
    return settled;
  };
  const demands = { maxAge, spendsRefreshToken: response !== undefined };
  const refreshed = refreshRequest(instance, record, request, demands);
  if (!(refreshed instanceof Promise)) return finish(refreshed);
  record.settling = refreshed.then(finish);
  return record.settling;
}

function makeRecord(
  instance: Instance,
  previous: RequestAuth | undefined,
  reading: Reading,
  hasResponse: boolean,
): RequestAuth {
  return {
    owner: instance,
    names: instance.options.names,
    previous,
    arrivedAt: instance.nextInSequence(),
    credential: reading.status === "found" ? reading.credential : undefined,
    hasCredential: reading.status !== "none",
    hasResponse,
    settling: undefined,
    state: undefined,
    session: undefined,
    source: "local",
    confirmed: false,
    verdict: undefined,
    passedGuard: false,
    used: false,
    cookies: undefined,
    headers: undefined,
    closed: false,
  };
}

function resolveWithoutCredential(
  instance: Instance,
  record: RequestAuth,
  reading: Exclude<Reading, { status: "found" }>,
  request: IncomingMessage,
): RequestAuth {
  if (reading.status === "none") {
    record.state = ANONYMOUS;
    return record;
  }
  const { code, via } = reading;
  reject(instance, record, { status: "rejected", code, via });
  clearCredentialCookies(instance, record, request, reading);
  return record;
}

function reject(instance: Instance, record: RequestAuth, state: RejectedState): RequestAuth {
  record.state = Object.freeze(state);
  instance.events.emit({ type: "rejected", code: state.code });
  return record;
}

/** Whether another site made a browser send this, to change something. */
export function isCrossSiteWrite({ options, origins }: Instance, request: IncomingMessage): boolean {
  return options.checksCrossSite && !isSafeMethod(request) && origins.isCrossSite(request);
}

/** The short way: verified before, still fresh, and not invalidated since. */
function lookUpVerified(instance: Instance, key: string): VerifiedSession | undefined {
  const session = instance.cache.get(key);
  if (session === undefined) return undefined;
  const { options, invalidations } = instance;
  const { clockTolerance, maxTokenAge: maxAge } = options;
  if (decideFreshness(session, { now: options.clock(), clockTolerance, maxAge }) !== "fresh") {
    instance.cache.delete(key);
    return undefined;
  }
  if (session.checkedEpoch !== invalidations.epoch) {
    if (invalidations.endingOf(session.memberSession.id) !== undefined || invalidations.mustAsk(session))
      return undefined;
    session.checkedEpoch = invalidations.epoch;
  }
  return session;
}

function tellAuthenticated({ events }: Instance, { session, source }: RequestAuth): void {
  if (session !== undefined && events.wants("authenticated")) {
    events.emit({ type: "authenticated", via: session.via, source });
  }
}

/**
 * Asks again about a request's credential, held to a stricter age; the record then holds the newer answer. A promise only
 * where it takes time.
 */
export function refreshRequest(
  instance: Instance,
  record: RequestAuth,
  request: IncomingMessage,
  demands: Pick<FreshnessRequirement, "maxAge" | "spendsRefreshToken">,
): RequestAuth | Promise<RequestAuth> {
  if (record.credential === undefined) return record;
  const question: FreshnessRequirement = {
    ...demands,
    arrivedAt: record.arrivedAt,
    mayServeStale: () => isSafeMethod(request),
    client: () => describeClient(instance.options, request),
  };
  const take = (resolution: Resolution): RequestAuth => {
    applyResolution(instance, record, resolution, request);
    if (record.session !== undefined) record.confirmed ||= demands.maxAge === 0;
    return record;
  };
  // Nothing in the pipeline throws or rejects; if it does all the same, it is not the member who is signed out.
  const fail = (): RequestAuth => {
    instance.events.emit({ type: "misconfigured", reason: "internal_error" });
    record.session = undefined;
    record.state = Object.freeze({ status: "unavailable", code: "store_unavailable", retryAfter: 5 });
    return record;
  };
  try {
    const resolution = authenticateCredential(instance, record.credential, question);
    return resolution instanceof Promise ? resolution.then(take).catch(fail) : take(resolution);
  } catch {
    return fail();
  }
}

/** The long way: verify, decide, and renew where the token is stale. Never rejects; a promise only where it takes time. */
export function authenticateCredential(
  instance: Instance,
  credential: Credential,
  question: FreshnessRequirement,
): Resolution | Promise<Resolution> {
  const judgement = verifyCredential(instance, credential);
  return judgement instanceof Promise
    ? judgement.then((known) => resolve(instance, credential, question, known))
    : resolve(instance, credential, question, judgement);
}

function resolve(
  instance: Instance,
  credential: Credential,
  question: FreshnessRequirement,
  vouched: CredentialVerification,
): Resolution | Promise<Resolution> {
  if (vouched.status === "refused") return vouched;
  const key = keyOf(credential);
  const { session } = vouched;
  if (session === undefined) return renewCredential(instance, { key, vouched, reason: "expired", question });
  const ending = instance.invalidations.endingOf(session.memberSession.id);
  if (ending !== undefined) return refuseEnded(instance, session.via, "ended_here", ending === "refuse");
  const need = needsStore(instance, session, question);
  if (need === "fresh") {
    instance.cache.set(key, session);
    return { status: "authenticated", session, source: "local" };
  }
  return need === "not_yet_valid"
    ? refuseSkewed(instance)
    : renewCredential(instance, { key, vouched, reason: need, question });
}

/** What one request, or one guard of it, wants to know. */
export interface FreshnessRequirement {
  /** The request's place among the arrivals and calls of the instance. */
  readonly arrivedAt: number;
  /** The strictest age that applies; `0` asks the store. */
  readonly maxAge: number | undefined;
  /** Whether a token that is too old may be served while the store is down. */
  readonly mayServeStale: () => boolean;
  /** Without a response there is nowhere to put a rotated pair, so no refresh token is spent. */
  readonly spendsRefreshToken: boolean;
  /** Asked only when the store is: finding out costs something. */
  readonly client: () => Pick<StoreContext, "ipAddress" | "userAgent">;
}

/** What came of a credential. */
export type Resolution =
  | {
      readonly status: "authenticated";
      readonly session: VerifiedSession;
      /** `store` when the store answered for this very request. */
      readonly source: "local" | "store";
      /** What the client must use from now on. */
      readonly successor?: Successor;
    }
  | {
      readonly status: "refused";
      readonly state: RejectedState | UnavailableState;
      readonly clearsCookie: boolean;
      readonly successor?: Successor;
    };

/** Whether the store must be asked, and why. */
export type Need = "fresh" | "not_yet_valid" | StaleCredential["reason"];

/** Whether a verified session answers the question as it is, or why the store must be asked. */
export function needsStore(
  instance: Instance,
  session: VerifiedSession,
  { maxAge }: Pick<FreshnessRequirement, "maxAge">,
): Need {
  const { clock, clockTolerance } = instance.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance, maxAge });
  if (freshness !== "fresh") return freshness;
  return instance.invalidations.mustAsk(session) ? "asked" : "fresh";
}
