import type { IncomingMessage, ServerResponse } from "node:http";
import { authenticateRequest, isForged, observeRequest } from "../engine/authenticate-request.ts";
import { deny, type DenialInit, type Exchange } from "../engine/deny.ts";
import type { Engine } from "../engine/engine.ts";
import type { Middleware, Next } from "../guards/guard.ts";
import type { RequestRecord } from "../pipeline/attach.ts";

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
