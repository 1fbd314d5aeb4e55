/** The times of a token and of the last answer of the store, in seconds since the epoch. */
export interface TokenTimes {
  readonly exp: number;
  readonly iat: number;
  readonly nbf?: number | undefined;
  /** When the session itself ends. */
  readonly sessionExpiresAt?: number | undefined;
  /** When the store last answered for this token. */
  readonly verifiedAt?: number | undefined;
}

/** What the times of a token are compared with, in seconds. */
export interface FreshnessLimits {
  readonly now: number;
  /** For `exp`, `nbf` and `iat`; never stretches `maxAge`. */
  readonly clockTolerance: number;
  /** From this age on a token is too old. @defaultValue age does not matter */
  readonly maxAge?: number | undefined;
}

/** Whether a verified token can be used as it is, or why not. */
export type Freshness = "fresh" | "expired" | "too_old" | "not_yet_valid";

/**
 * Decides whether a token is fresh.
 *
 * At the exact second of `exp` (plus tolerance) a token is expired, at the exact age of `maxAge` it is too old, and
 * at `nbf` (minus tolerance) it is valid (RFC 7519 section 4.1.4, section 4.1.5).
 */
export function decideFreshness(times: TokenTimes, limits: FreshnessLimits): Freshness {
  const { now, clockTolerance, maxAge } = limits;
  const end = times.sessionExpiresAt === undefined ? times.exp : Math.min(times.exp, times.sessionExpiresAt);
  // Written so that NaN passes none of these checks.
  if (!(now < end + clockTolerance)) return "expired";
  const start = times.nbf === undefined ? times.iat : Math.max(times.nbf, times.iat);
  if (!(now >= start - clockTolerance)) return "not_yet_valid";
  if (maxAge !== undefined) {
    const confirmedAt = times.verifiedAt === undefined ? times.iat : Math.max(times.iat, times.verifiedAt);
    // A token from the future has age 0, not a negative age: with a `maxAge` of 0 the store is still asked.
    if (!(Math.max(0, now - confirmedAt) < maxAge)) return "too_old";
  }
  return "fresh";
}
