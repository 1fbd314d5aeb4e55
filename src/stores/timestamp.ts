import { formatTime } from "../clock.ts";

const RFC3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;
/** What RFC 3339 can write: later than this, a date throws instead of being formatted. */
const LATEST_TIME = 253_402_300_799;

/** Whether a value is a time as RFC 3339 writes it, with a zone. */
export function isTimestamp(value: unknown): value is string {
  return typeof value === "string" && RFC3339.test(value) && !Number.isNaN(Date.parse(value));
}

/** The seconds since the epoch of a time that {@link isTimestamp} has seen. */
export function secondsOf(timestamp: string): number {
  return Date.parse(timestamp) / 1000;
}

/** Seconds since the epoch in the form of RFC 3339; `undefined` for what it cannot write. */
export function toTimestamp(seconds: number): string | undefined {
  return seconds >= 0 && seconds <= LATEST_TIME ? formatTime(seconds) : undefined;
}
