import type { IncomingMessage, ServerResponse } from "node:http";
import { ANONYMOUS, type RejectedState, type UnavailableState } from "../model.ts";
import type { StaleCredential, StoreContext } from "../store.ts";
import { decideFreshness } from "../tokens/freshness.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import { describeClient } from "./call-store.ts";
import { isSafeMethod } from "./cross-site.ts";
import type { Engine } from "./engine.ts";
import { type Credential, type Reading, readCredential } from "./read-credential.ts";
import { refuseEnded, refuseSkewed } from "./refusals.ts";
import { type Successor, renewCredential } from "./renew.ts";
import { type RequestRecord, attach, latestRecordOf, recordAmong } from "./request-auth.ts";
import { clearPresented, deliver, equipExchange, pinHeaders, watchResponse } from "./respond.ts";
import { type Judgement, vouchFor } from "./verify-credential.ts";

/**
 * Finds out who is asking, and attaches it.
 *
 * Seen before and still fresh, the answer is there at once; a promise comes back only where something must be verified or
 * asked. Done once for a request, however often it is called.
 */
export function authenticateRequest(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse | undefined,
): RequestRecord | Promise<RequestRecord> {
  const latest = latestRecordOf(request);
  const known = recordAmong(latest, engine);
  if (known !== undefined) return goOn(engine, known, { request, response });
  const reading = readCredential(request, engine.options.sources);
  const record = makeRecord(engine, latest, reading, response !== undefined);
  attach(request, record);
  watchResponse(response);
  if (reading.status !== "found") return settleUnread(engine, record, reading, request);
  const { credential } = reading;
  if (credential.kind !== "bearer" && isForged(engine, request)) {
    return reject(engine, record, { status: "rejected", code: "cross_site_request", via: "cookie" });
  }
  const session = serveVerified(engine, keyOf(credential));
  if (session === undefined) return authenticateSlowly(engine, record, { request, response });
  record.session = session;
  tellAuthenticated(engine, record);
  return record;
}

/**
 * Attaches what a request presents without looking into it: for whoever needs no answer, or must not wait for one. The
 * state is then that of nobody, unless the middleware ran before.
 */
export function observeRequest(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse,
): RequestRecord {
  const latest = latestRecordOf(request);
  const known = recordAmong(latest, engine);
  if (known !== undefined) return known;
  const reading = readCredential(request, engine.options.sources);
  const record = makeRecord(engine, latest, reading, true);
  attach(request, record);
  watchResponse(response);
  if (reading.status !== "found") return settleUnread(engine, record, reading, request);
  record.state = ANONYMOUS;
  return record;
}

/** A request, and what can be answered with, if anything. */
interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse | undefined;
}

/** A request seen before: its answer stands, unless it was that nothing renews it without a response, and now there is one. */
function goOn(
  engine: Engine,
  record: RequestRecord,
  exchange: Arrival,
): RequestRecord | Promise<RequestRecord> {
  equipExchange(exchange.request, exchange.response, record);
  const settled = record.settling ?? record;
  if (exchange.response === undefined || record.hasResponse) return settled;
  record.hasResponse = true;
  const askAgain = (known: RequestRecord): RequestRecord | Promise<RequestRecord> =>
    known.state?.status === "rejected" && known.state.code === "token_expired"
      ? authenticateSlowly(engine, known, exchange)
      : known;
  if (!(settled instanceof Promise)) return askAgain(settled);
  record.settling = settled.then(askAgain);
  return record.settling;
}

function authenticateSlowly(
  engine: Engine,
  record: RequestRecord,
  { request, response }: Arrival,
): RequestRecord | Promise<RequestRecord> {
  const { maxTokenAge: maxAge } = engine.options;
  const finish = (settled: RequestRecord): RequestRecord => {
    if (response !== undefined) pinHeaders(response, settled);
    tellAuthenticated(engine, settled);
    return settled;
  };
  const demands = { maxAge, spendsRefreshToken: response !== undefined };
  const refreshed = refreshRequest(engine, record, request, demands);
  if (!(refreshed instanceof Promise)) return finish(refreshed);
  record.settling = refreshed.then(finish);
  return record.settling;
}

function makeRecord(
  engine: Engine,
  previous: RequestRecord | undefined,
  reading: Reading,
  hasResponse: boolean,
): RequestRecord {
  return {
    owner: engine,
    names: engine.options.names,
    previous,
    arrivedAt: engine.nextInSequence(),
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

function settleUnread(
  engine: Engine,
  record: RequestRecord,
  reading: Exclude<Reading, { status: "found" }>,
  request: IncomingMessage,
): RequestRecord {
  if (reading.status === "none") {
    record.state = ANONYMOUS;
    return record;
  }
  const { code, via } = reading;
  reject(engine, record, { status: "rejected", code, via });
  clearPresented(engine, record, request, reading);
  return record;
}

function reject(engine: Engine, record: RequestRecord, state: RejectedState): RequestRecord {
  record.state = Object.freeze(state);
  engine.events.emit({ type: "rejected", code: state.code });
  return record;
}

/** Whether another site made a browser send this, to change something. */
export function isForged({ options, origins }: Engine, request: IncomingMessage): boolean {
  return options.checksCrossSite && !isSafeMethod(request) && origins.isCrossSite(request);
}

/** The short way: verified before, still fresh, and not invalidated since. */
function serveVerified(engine: Engine, key: string): VerifiedSession | undefined {
  const session = engine.cache.get(key);
  if (session === undefined) return undefined;
  const { options, invalidations } = engine;
  const { clockTolerance, maxTokenAge: maxAge } = options;
  if (decideFreshness(session, { now: options.clock(), clockTolerance, maxAge }) !== "fresh") {
    engine.cache.delete(key);
    return undefined;
  }
  if (session.checkedEpoch !== invalidations.epoch) {
    if (invalidations.endingOf(session.memberSession.id) !== undefined || invalidations.mustAsk(session))
      return undefined;
    session.checkedEpoch = invalidations.epoch;
  }
  return session;
}

function tellAuthenticated({ events }: Engine, { session, source }: RequestRecord): void {
  if (session !== undefined && events.wants("authenticated")) {
    events.emit({ type: "authenticated", via: session.via, source });
  }
}

/**
 * Asks again about a request's credential, held to a stricter age; the record then holds the newer answer. A promise only
 * where it takes time.
 */
export function refreshRequest(
  engine: Engine,
  record: RequestRecord,
  request: IncomingMessage,
  demands: Pick<Question, "maxAge" | "spendsRefreshToken">,
): RequestRecord | Promise<RequestRecord> {
  if (record.credential === undefined) return record;
  const question: Question = {
    ...demands,
    arrivedAt: record.arrivedAt,
    mayServeStale: () => isSafeMethod(request),
    client: () => describeClient(engine.options, request),
  };
  const take = (resolution: Resolution): RequestRecord => {
    deliver(engine, record, resolution, request);
    if (record.session !== undefined) record.confirmed ||= demands.maxAge === 0;
    return record;
  };
  // Nothing in the pipeline throws or rejects; if it does all the same, it is not the member who is signed out.
  const fail = (): RequestRecord => {
    engine.events.emit({ type: "misconfigured", reason: "internal_error" });
    record.session = undefined;
    record.state = Object.freeze({ status: "unavailable", code: "store_unavailable", retryAfter: 5 });
    return record;
  };
  try {
    const resolution = authenticateCredential(engine, record.credential, question);
    return resolution instanceof Promise ? resolution.then(take).catch(fail) : take(resolution);
  } catch {
    return fail();
  }
}

/** The long way: verify, decide, and renew where the token is stale. Never rejects; a promise only where it takes time. */
export function authenticateCredential(
  engine: Engine,
  credential: Credential,
  question: Question,
): Resolution | Promise<Resolution> {
  const judgement = vouchFor(engine, credential);
  return judgement instanceof Promise
    ? judgement.then((known) => resolve(engine, credential, question, known))
    : resolve(engine, credential, question, judgement);
}

function resolve(
  engine: Engine,
  credential: Credential,
  question: Question,
  vouched: Judgement,
): Resolution | Promise<Resolution> {
  if (vouched.status === "refused") return vouched;
  const key = keyOf(credential);
  const { session } = vouched;
  if (session === undefined) return renewCredential(engine, { key, vouched, reason: "expired", question });
  const ending = engine.invalidations.endingOf(session.memberSession.id);
  if (ending !== undefined) return refuseEnded(engine, session.via, "ended_here", ending === "refuse");
  const need = judge(engine, session, question);
  if (need === "fresh") {
    engine.cache.set(key, session);
    return { status: "authenticated", session, source: "local" };
  }
  return need === "not_yet_valid"
    ? refuseSkewed(engine)
    : renewCredential(engine, { key, vouched, reason: need, question });
}

/** What one request, or one guard of it, wants to know. */
export interface Question {
  /** The request's place among the arrivals and calls of the engine. */
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
export function judge(engine: Engine, session: VerifiedSession, { maxAge }: Pick<Question, "maxAge">): Need {
  const { clock, clockTolerance } = engine.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance, maxAge });
  if (freshness !== "fresh") return freshness;
  return engine.invalidations.mustAsk(session) ? "asked" : "fresh";
}
