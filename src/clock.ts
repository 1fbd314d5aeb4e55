/**
 * Tells the time in seconds since the epoch, with fractions (RFC 7519 section 2, NumericDate).
 *
 * Everything in orgate that depends on time asks one of these, so that a test can move it.
 */
export type Clock = () => number;

/** The machine's clock. `Date.now` is looked up at each call, so that fake timers are obeyed. */
export const systemClock: Clock = () => Date.now() / 1000;
