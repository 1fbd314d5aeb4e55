import type { IncomingMessage } from "node:http";
import { isSafeMethod } from "../http/cross-site.ts";
import type { RequestRecord } from "../pipeline/attach.ts";
import { authenticateCredential } from "./authenticate-credential.ts";
import { describeClient } from "./client-context.ts";
import { deliver } from "./deliver.ts";
import type { Engine } from "./engine.ts";
import type { Question, Resolution } from "./question.ts";

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
