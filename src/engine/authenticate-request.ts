import type { IncomingMessage, ServerResponse } from "node:http";
import { ANONYMOUS, type RejectedState } from "../auth-state.ts";
import { isSafeMethod } from "../http/cross-site.ts";
import { attach, latestRecordOf, recordAmong, type RequestRecord } from "../pipeline/attach.ts";
import { decideFreshness } from "../pipeline/decide-freshness.ts";
import { readCredential, type Reading } from "../pipeline/read-credential.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { keyOf } from "./key-of.ts";
import { clearPresented } from "./deliver.ts";
import type { Engine } from "./engine.ts";
import { equipExchange, pinHeaders, watchResponse } from "./equip-exchange.ts";
import { refreshRequest } from "./refresh-request.ts";

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
