import { StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import { type Predicate, isFiniteNumber, isObject } from "../lib/values.ts";
import type { CheckedRepository } from "./checked-repository.ts";

/** What the records are read and written with. */
export interface RecordsContext {
  readonly repository: CheckedRepository;
  readonly clock: Clock;
  readonly events: EventSink;
}

/**
 * Requires that a stored value is a record.
 *
 * @throws `store_unavailable` if it cannot be read; reports that as `misconfigured`
 */
export function requireRecord<Value>(
  { events }: RecordsContext,
  value: unknown,
  isRecord: Predicate<Value>,
  reason = "record_unreadable",
): Value {
  if (isRecord(value)) return value;
  events.emit({ type: "misconfigured", reason });
  // Another process may be able to read it, and other sessions are not concerned: the circuit breaker must not open.
  throw new StoreUnavailableError({
    reason,
    retryAfter: 5,
    contended: true,
    cause: describeUnreadable(value),
  });
}

function describeUnreadable(value: unknown): TypeError {
  const version = isObject(value) ? value["version"] : undefined;
  const isNewer = isFiniteNumber(version) && version > 1;
  return new TypeError(
    isNewer
      ? `The record is of version ${version}; this release reads version 1.`
      : "The record is malformed.",
  );
}
