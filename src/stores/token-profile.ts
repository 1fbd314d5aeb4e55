/** A public key as a store publishes it (RFC 7517). */
export interface JsonWebKey {
  readonly kty: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: string;
  readonly [parameter: string]: unknown;
}

/** A set of public keys (RFC 7517 section 5). */
export interface JsonWebKeySet {
  readonly keys: readonly JsonWebKey[];
}

/** Where a store's keys come from. orgate keeps them: single flight, back-off, stale-if-error, a negative answer for unknown keys. */
export interface KeySource {
  /** Fetches the whole set. Throws when it cannot be had; obeys the signal. */
  load(signal: AbortSignal): Promise<JsonWebKeySet>;
  /** Seconds after which the set is fetched anew in the background. @defaultValue 600 */
  readonly maxAge?: number;
  /** Seconds between two fetches that unknown keys can cause; `0` for keys in the same process. @defaultValue 30 */
  readonly cooldown?: number;
  /** For keys in the same process: something that becomes another value whenever they change. Until then an unknown key causes no fetch. */
  readonly revision?: () => unknown;
}

/** Signature algorithms that orgate verifies (RFC 7518 section 3.1, RFC 8037, RFC 9864). */
export type Algorithm = "RS256" | "PS256" | "ES256" | "EdDSA" | "Ed25519";

/** How a store's access tokens are verified. */
export interface TokenProfile {
  readonly keys: KeySource;
  /** Accepted `iss` values, compared as exact strings. Empty: `iss` is not checked. */
  readonly issuers: readonly string[];
  /** Checked only if given: one of these must be in `aud`. */
  readonly audience?: readonly string[];
  readonly algorithms: readonly Algorithm[];
  /** Accepted `typ` header values, compared case-insensitively; `""` accepts a header without one. */
  readonly types: readonly string[];
  /** Header parameters allowed beside `alg`, `kid` and `typ`. @defaultValue none */
  readonly headerParameters?: readonly string[];
  /**
   * A token that no key of the source has signed, and that no seal vouches for. `"ask"`: the store is asked, once per
   * distinct token, bounded; a refusal is remembered. @defaultValue "reject"
   */
  readonly unknownKey?: "reject" | "ask";
  /** The claim without which a token is no session. */
  readonly sessionClaim: string;
}

/** Claims of a token whose signature, issuer, audience and class were verified. Times are judged later. */
export interface VerifiedClaims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  readonly [claim: string]: unknown;
}
