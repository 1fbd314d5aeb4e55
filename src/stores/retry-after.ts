import type { Clock } from "../clock.ts";

/** Longer than this is not believed. */
const LONGEST = 3600;
const HTTP_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/**
 * Reads `Retry-After` (RFC 9110 section 10.2.3) as seconds from now, at most an hour.
 *
 * @returns `undefined` where there is none, or nothing that can be understood.
 */
export function readRetryAfter(value: string | null, clock: Clock): number | undefined {
  if (value === null) return undefined;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Math.min(Number(text), LONGEST);
  if (!HTTP_DATE.test(text)) return undefined;
  const seconds = Date.parse(text) / 1000 - clock();
  return Number.isNaN(seconds) ? undefined : Math.min(Math.max(seconds, 0), LONGEST);
}
