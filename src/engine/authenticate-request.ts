import type { IncomingMessage, ServerResponse } from "node:http";
import { ANONYMOUS, type RejectedState } from "../auth-state.ts";
import { isSafeMethod } from "../http/cross-site.ts";
import { attach, latestRecordOf, recordOf, type RequestRecord } from "../pipeline/attach.ts";
import { decideFreshness } from "../pipeline/decide-freshness.ts";
import { readCredential, type Reading } from "../pipeline/read-credential.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { keyOf } from "./key-of.ts";
import { authenticateCredential } from "./authenticate-credential.ts";
import type { Question, Resolution } from "./question.ts";
import { describeClient } from "./client-context.ts";
import { clearPresented, deliver } from "./deliver.ts";
import type { Engine } from "./engine.ts";
import { equipExchange, pinHeaders } from "./equip-exchange.ts";

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
  const known = recordOf(request, engine);
  if (known !== undefined) {
    equipExchange(request, response, known);
    return known.settling ?? known;
  }
  const { options } = engine;
  const reading = readCredential(request, options.sources);
  const record = makeRecord(engine, request, reading);
  attach(request, record);
  equipExchange(request, response, record);
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
  const known = recordOf(request, engine);
  if (known !== undefined) return known;
  const reading = readCredential(request, engine.options.sources);
  const record = makeRecord(engine, request, reading);
  attach(request, record);
  equipExchange(request, response, record);
  if (reading.status !== "found") return settleUnread(engine, record, reading, request);
  record.state = ANONYMOUS;
  return record;
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
    mayServeStale: isSafeMethod(request),
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

function authenticateSlowly(
  engine: Engine,
  record: RequestRecord,
  { request, response }: { request: IncomingMessage; response: ServerResponse | undefined },
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

function makeRecord(engine: Engine, request: IncomingMessage, reading: Reading): RequestRecord {
  const { options } = engine;
  return {
    owner: engine,
    names: options.names,
    previous: latestRecordOf(request),
    arrivedAt: engine.nextInSequence(),
    credential: reading.status === "found" ? reading.credential : undefined,
    hasCredential: reading.status !== "none",
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
