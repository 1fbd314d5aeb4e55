import type { KeyObject } from "node:crypto";
import { compactVerify, errors } from "jose";
import type { Algorithm, TokenProfile, VerifiedClaims } from "../stores/token-profile.ts";
import type { KeySet } from "./key-set.ts";
import { parseToken } from "./parse-token.ts";
import type { UnverifiedPayload } from "./parse-token.ts";

/** What became of a token. Times are not judged here. */
export type Verification =
  | {
      readonly status: "verified";
      /** Frozen at every depth, so that a cache can share them. */
      readonly claims: VerifiedClaims;
    }
  | {
      readonly status: "rejected";
      readonly reason: RejectionReason;
      /** With `unknown_key`, what the unverified payload says: a seal may still vouch for it. */
      readonly expiresAt?: number;
    }
  | { readonly status: "unavailable"; readonly reason: string; readonly retryAfter: number };

/** Which check a token failed. `class`: signed perhaps, but no session. */
export type RejectionReason =
  | "malformed"
  | "issuer"
  | "audience"
  | "class"
  | "claims"
  | "unknown_key"
  | "signature";

/** Verifies the tokens of one profile. */
export interface TokenVerifier {
  /** Never throws and never rejects. */
  verify(token: string): Promise<Verification>;
}

/**
 * Makes the verifier for one store's tokens.
 *
 * What needs no key is checked first, so that garbage and tokens of others cost no cryptography and no fetch.
 */
export function createTokenVerifier(profile: TokenProfile, keys: KeySet): TokenVerifier {
  const verify = async (token: string): Promise<Verification> => {
    const parsed = parseToken(token, profile);
    if (parsed.status === "malformed") return rejected("malformed");
    const { header, payload } = parsed;
    if (!hasVerifiableClaims(payload, profile.sessionClaim)) {
      return rejected(payload[profile.sessionClaim] === undefined ? "class" : "claims");
    }
    if (!comesFromIssuer(payload, profile.issuers)) return rejected("issuer");
    if (!isMeantFor(payload["aud"], profile.audience)) return rejected("audience");
    const found = keys.find(header.kid, header.alg);
    const lookup = found instanceof Promise ? await found : found;
    switch (lookup.status) {
      case "unknown":
        return { status: "rejected", reason: "unknown_key", expiresAt: payload.exp };
      case "unavailable":
        return { status: "unavailable", reason: "keys_unavailable", retryAfter: lookup.retryAfter };
      default:
        return (await isSignedBy(token, lookup.key, header.alg))
          ? { status: "verified", claims: payload }
          : rejected("signature");
    }
  };
  return {
    async verify(token) {
      try {
        return await verify(token);
      } catch {
        // What nobody foresaw is "cannot know", never "signed out".
        return unavailable("verification_failed");
      }
    },
  };
}

/**
 * Whether the key made the token's signature, by this algorithm and no other.
 *
 * Throws what is no answer to that question (an unusable key, cryptography that fails).
 */
export async function isSignedBy(token: string, key: KeyObject, algorithm: Algorithm): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] });
    return true;
  } catch (error) {
    if (isRefusal(error)) return false;
    throw error;
  }
}

const REFUSALS: ReadonlySet<string> = new Set([
  "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
  "ERR_JWS_INVALID",
  "ERR_JOSE_ALG_NOT_ALLOWED",
]);

function isRefusal(error: unknown): boolean {
  // A cause is WebCrypto's own throw: the question was not answered.
  return error instanceof errors.JOSEError && REFUSALS.has(error.code) && error.cause === undefined;
}

function rejected(reason: RejectionReason): Verification {
  return { status: "rejected", reason };
}

function unavailable(reason: string): Verification {
  return { status: "unavailable", reason, retryAfter: 1 };
}

function hasVerifiableClaims(
  payload: UnverifiedPayload,
  sessionClaim: string,
): payload is UnverifiedPayload & VerifiedClaims {
  const { sub, iat, exp, nbf } = payload;
  const session = payload[sessionClaim];
  return (
    isName(sub) &&
    Number.isFinite(iat) &&
    Number.isFinite(exp) &&
    (nbf === undefined || Number.isFinite(nbf)) &&
    (isName(session) || (typeof session === "object" && session !== null && !Array.isArray(session)))
  );
}

// Written out in UTF-8, all lone surrogates become one character: two names, one identity.
const LONE_SURROGATE = /\p{Surrogate}/u;

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "" && !LONE_SURROGATE.test(value);
}

function comesFromIssuer(payload: UnverifiedPayload, issuers: readonly string[]): boolean {
  return issuers.length === 0 || issuers.some((issuer) => issuer === payload["iss"]);
}

function isMeantFor(aud: unknown, audience: readonly string[] | undefined): boolean {
  if (audience === undefined) return true;
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return named.every((one) => typeof one === "string") && named.some((one) => audience.includes(one));
}
