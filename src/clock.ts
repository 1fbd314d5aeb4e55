/**
 * Tells the time in seconds since the epoch, with fractions (RFC 7519 section 2, NumericDate).
 *
 * Everything in orgate that depends on time asks one of these, so that a test can move it.
 */
export type Clock = () => number;

/** The machine's clock. `Date.now` is looked up at each call, so that fake timers are obeyed. */
export const systemClock: Clock = () => Date.now() / 1000;

const DAY = 86_400_000;
const MOST_DAYS = 1_000;

/** Days written out before, as `2026-11-21T`: the times of all sessions lie on a few. */
const days = new Map<number, string>();

/**
 * Seconds since the epoch as RFC 3339 in UTC, with milliseconds: what `Date` writes, for a tenth of what it costs.
 *
 * @throws RangeError for a day that `Date` cannot hold.
 */
export function formatTime(time: number): string {
  const instant = Math.trunc(time * 1000);
  const day = Math.floor(instant / DAY);
  const rest = instant - day * DAY;
  const [hours, minutes] = [Math.floor(rest / 3_600_000), Math.floor(rest / 60_000) % 60];
  const [seconds, milliseconds] = [Math.floor(rest / 1000) % 60, String(rest % 1000).padStart(3, "0")];
  const minute = `${formatDay(day)}${twoDigits(hours)}:${twoDigits(minutes)}:`;
  return `${minute}${twoDigits(seconds)}.${milliseconds}Z`;
}

function formatDay(day: number): string {
  let text = days.get(day);
  if (text === undefined) {
    text = new Date(day * DAY).toISOString().slice(0, -"00:00:00.000Z".length);
    if (days.size >= MOST_DAYS) days.clear();
    days.set(day, text);
  }
  return text;
}

function twoDigits(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
