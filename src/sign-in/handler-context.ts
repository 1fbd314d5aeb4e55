import type { IncomingMessage, ServerResponse } from "node:http";
import { type DenialInit, type Exchange, deny } from "../guards/denial.ts";
import type { Middleware, Next } from "../guards/guard.ts";
import { pathOf, queryOf, sanitizeReturnTo } from "../lib/navigation.ts";
import { isObject } from "../lib/predicates.ts";
import { type Problems, createProblems } from "../lib/problems.ts";
import { authenticateRequest, isForged, observeRequest } from "../request/authenticate.ts";
import type { Engine } from "../request/engine.ts";
import type { RequestRecord } from "../request/request-auth.ts";
import type { SessionStore } from "../store.ts";
import type { Pending } from "./pending.ts";

/** Somebody at one of our handlers, before it is known who. */
export interface Arrival {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly next: Next;
}

/** Somebody at one of our handlers, with what is known of them. */
export interface Visit extends Arrival, Exchange {}

/** Makes a handler that answers the given methods, refuses the others, and refuses requests that another site sent. */
export function createHandler(
  engine: Engine,
  methods: readonly string[],
  serve: (arrival: Arrival) => Promise<void>,
): Middleware {
  const receive = async (arrival: Arrival): Promise<void> => {
    const { request, response } = arrival;
    keepPrivate(response);
    if (!methods.includes(request.method ?? "")) {
      response.setHeader("Allow", methods.join(", "));
      refuse(engine, observe(engine, arrival), { code: "method_not_allowed" });
    } else if (isForged(engine, request)) {
      refuse(engine, observe(engine, arrival), { code: "cross_site_request" });
    } else {
      await serve(arrival);
    }
  };
  return (request, response, next) => {
    receive({ request, response, next }).catch(next);
  };
}

/** Goes on without finding out who it is. */
export function observe(engine: Engine, arrival: Arrival): Visit {
  return visitOf(arrival, observeRequest(engine, arrival.request, arrival.response));
}

/** Finds out who it is. */
export async function recognize(engine: Engine, arrival: Arrival): Promise<Visit> {
  return visitOf(arrival, await authenticateRequest(engine, arrival.request, arrival.response));
}

/** Ends a visit with a denial. */
export function refuse(engine: Engine, visit: Visit, init: DenialInit): void {
  deny(engine, visit, init, visit.next);
}

/** Whoever asks, the answer is for them alone, credential or not; a stricter value stays. */
export function keepPrivate(response: ServerResponse): void {
  const existing = String(response.getHeader("cache-control") ?? "");
  if (!existing.toLowerCase().includes("no-store")) response.setHeader("Cache-Control", "private, no-store");
}

function visitOf(arrival: Arrival, record: RequestRecord): Visit {
  record.used = true;
  return { ...arrival, record };
}

/** Notes options that a handler does not know, and a `returnTo` that leads nowhere on this origin. */
export function checkHandlerOptions(
  problems: Problems,
  handler: string,
  given: unknown,
  known: readonly string[],
): void {
  if (!isObject(given)) {
    problems.invalid(handler, "has options that are not an object.", "Leave them out.");
    problems.throwIfAny();
    return;
  }
  problems.unknown(given, known, `${handler}.`);
  const { returnTo } = given;
  if (known.includes("returnTo") && returnTo !== undefined && sanitizeReturnTo(returnTo) !== returnTo) {
    problems.invalid(`${handler}.returnTo`, "is not a path on this origin.", 'Pass "/start".');
  }
}

/** Methods that a store may have or not. */
export type OptionalMethod =
  | "organizations"
  | "selectOrganization"
  | "switchOrganization"
  | "beginSignIn"
  | "completeSignIn"
  | "endSession";

/** Notes a handler whose store has none of the methods that it works by. */
export function requireStore(
  { options }: Engine,
  problems: Problems,
  handler: string,
  methods: readonly OptionalMethod[],
): void {
  if (methods.some((method) => options.store[method] !== undefined)) return;
  const message = `needs a store with ${methods.map((method) => `${method}()`).join(" or ")}.`;
  problems.invalid(handler, message, "This store does not offer it: leave the handler out.");
}

/**
 * A method of the store, bound to it.
 *
 * @throws ConfigurationError where the store has none.
 */
export function requireMethod<Method extends OptionalMethod>(
  engine: Engine,
  method: Method,
): NonNullable<SessionStore[Method]> {
  const { store } = engine.options;
  const problems = createProblems();
  requireStore(engine, problems, "store", [method]);
  problems.throwIfAny();
  return store[method]?.bind(store) as NonNullable<SessionStore[Method]>;
}

/**
 * Where the browser goes on: the first candidate that was given, made safe. A path that would lead straight back to
 * signing in, to the selection or to the handler itself becomes `/`.
 */
export function chooseReturnTo(
  { options }: Engine,
  request: IncomingMessage,
  candidates: readonly unknown[],
): string {
  const path = sanitizeReturnTo(
    candidates.find((candidate) => candidate !== undefined && candidate !== null),
  );
  const own = [options.selectionPath, options.signInPath, pathOf(request)];
  return own.some((one) => one !== undefined && normalize(one) === normalize(path)) ? "/" : path;
}

/** `return_to` of the query. Given twice, it is nothing that could be followed. */
export function returnToOfQuery(request: IncomingMessage): unknown {
  const given = queryOf(request).getAll("return_to");
  return given.length > 1 ? given : given[0];
}

/** Where a sign-in goes on that a step was due in. What was left by one that is a choice short is no part of the next. */
export function returnToOfStep(pending: Pending | undefined): unknown {
  return pending?.step === undefined ? undefined : pending.returnTo;
}

/** A path as routers compare it: without query, case and trailing slashes, percent-encoding undone. */
function normalize(path: string): string {
  const [bare = ""] = path.split(/[#?]/, 1);
  return decode(bare).toLowerCase().replace(/\/+$/, "");
}

function decode(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
