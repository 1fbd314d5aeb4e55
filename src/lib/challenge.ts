/** Parameters of a Bearer challenge. Values are constants and numbers, never parts of a request. */
export interface Challenge {
  readonly error?: "invalid_token" | "insufficient_scope" | "insufficient_user_authentication";
  /** RFC 9470: the oldest acceptable authentication, in seconds. */
  readonly maxAge?: number;
}

/** Formats the `WWW-Authenticate` value of one realm. */
export type Challenger = (challenge: Challenge) => string;

/**
 * Creates the {@link Challenger} of a realm (RFC 6750 section 3, RFC 9470 section 3). A request without a credential gets no
 * `error` (RFC 6750 section 3.1).
 */
export function createChallenger(realm: string): Challenger {
  const start = `Bearer realm=${quote(realm)}`;
  return ({ error, maxAge }) => {
    const named = error === undefined ? start : `${start}, error="${error}"`;
    return maxAge === undefined ? named : `${named}, max_age="${maxAge}"`;
  };
}

// RFC 9110 section 5.6.4: a bare quote would end the string and let what follows pass as parameters.
function quote(value: string): string {
  return `"${value.replaceAll(/[^\u0020-\u007e]/g, "").replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
