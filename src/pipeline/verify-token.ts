import type { KeyObject } from "node:crypto";
import { compactVerify, errors } from "jose";
import { endOfTurn } from "../event-loop.ts";
import type { Algorithm, TokenProfile, VerifiedClaims } from "../stores/token-profile.ts";
import type { KeyLookup, KeySet } from "./key-set.ts";
import { decodeClaims, parseClaims, parseHeader } from "./parse-token.ts";
import type { TokenHeader, UnverifiedPayload } from "./parse-token.ts";

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
  /** Never throws and never rejects. A promise only where a key must be waited for, or a signature checked. */
  verify(token: string): Verification | Promise<Verification>;
  /** The same for a token that nothing but its signature vouches for: if it has none of ours, its header alone can tell. */
  verifyAlone(token: string): Verification | Promise<Verification>;
}

/**
 * Makes the verifier for one store's tokens.
 *
 * What needs no key is checked first, so that garbage and tokens of others cost no cryptography, no fetch and no waiting.
 */
export function createTokenVerifier(profile: TokenProfile, keys: KeySet): TokenVerifier {
  const isHopeless = ({ kid, alg }: TokenHeader): boolean => keys.lacks(kid, alg);
  const verify = (token: string, isRefused: HeaderCheck): Verification | Promise<Verification> => {
    try {
      const checked = checkUnsigned(token, profile, isRefused);
      if (checked.status !== "unsigned") return checked;
      const lookup = keys.find(checked.header.kid, checked.header.alg);
      return lookup instanceof Promise
        ? lookup.then((found) => checkSigned(token, checked, found), cannotKnow)
        : checkSigned(token, checked, lookup);
    } catch {
      return cannotKnow();
    }
  };
  return {
    verify: (token) => verify(token, NEVER),
    // Of a key that is to be asked about, the store wants to hear from good tokens only.
    verifyAlone: (token) => verify(token, profile.unknownKey === "ask" ? NEVER : isHopeless),
  };
}

/** Whether a header shows that no key of ours can have signed. */
type HeaderCheck = (header: TokenHeader) => boolean;

const NEVER: HeaderCheck = () => false;

/** A token whose signature is all that is left to check. */
interface Unsigned {
  readonly status: "unsigned";
  readonly header: TokenHeader;
  readonly claims: VerifiedClaims;
}

/** Every check that needs no key. */
function checkUnsigned(
  token: string,
  profile: TokenProfile,
  isRefused: HeaderCheck,
): Unsigned | Verification {
  const parsed = parseHeader(token, profile);
  if (parsed.status === "malformed") return rejected("malformed");
  const { header } = parsed;
  if (isRefused(header)) return rejected("unknown_key");
  const text = decodeClaims(token, parsed);
  if (text !== undefined && !mayName(text, profile.issuers)) return rejected("issuer");
  const payload = parseClaims(text);
  if (payload === undefined) return rejected("malformed");
  if (!hasVerifiableClaims(payload, profile.sessionClaim)) {
    return rejected(payload[profile.sessionClaim] === undefined ? "class" : "claims");
  }
  if (!comesFromIssuer(payload, profile.issuers)) return rejected("issuer");
  if (!isMeantFor(payload["aud"], profile.audience)) return rejected("audience");
  return { status: "unsigned", header, claims: payload };
}

function checkSigned(
  token: string,
  { header, claims }: Unsigned,
  lookup: KeyLookup,
): Verification | Promise<Verification> {
  switch (lookup.status) {
    case "unknown":
      return { status: "rejected", reason: "unknown_key", expiresAt: claims.exp };
    case "unavailable":
      return { status: "unavailable", reason: "keys_unavailable", retryAfter: lookup.retryAfter };
    default:
      return isSignedBy(token, lookup.key, header.alg).then(
        (isGood) => (isGood ? { status: "verified", claims } : rejected("signature")),
        cannotKnow,
      );
  }
}

/**
 * Whether the key made the token's signature, by this algorithm and no other.
 *
 * Throws what is no answer to that question (an unusable key, cryptography that fails).
 */
export async function isSignedBy(token: string, key: KeyObject, algorithm: Algorithm): Promise<boolean> {
  await endOfTurn();
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

/** What nobody foresaw is "cannot know", never "signed out". */
function cannotKnow(): Verification {
  return { status: "unavailable", reason: "verification_failed", retryAfter: 1 };
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

/** Whether one of the issuers can be in it: without an escape, a JSON string is written as it reads. Saves parsing the tokens of others. */
function mayName(text: string, issuers: readonly string[]): boolean {
  return issuers.length === 0 || issuers.some((issuer) => text.includes(issuer)) || text.includes("\\");
}

function comesFromIssuer(payload: UnverifiedPayload, issuers: readonly string[]): boolean {
  return issuers.length === 0 || issuers.some((issuer) => issuer === payload["iss"]);
}

function isMeantFor(aud: unknown, audience: readonly string[] | undefined): boolean {
  if (audience === undefined) return true;
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return named.every((one) => typeof one === "string") && named.some((one) => audience.includes(one));
}
