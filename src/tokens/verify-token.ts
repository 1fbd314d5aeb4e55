import { isUtf8 } from "node:buffer";
import { type KeyObject, constants, verify } from "node:crypto";
import { compactVerify, errors } from "jose";
import { type StrictJsonLimits, parseStrictJson } from "../lib/strict-json.ts";
import { isFiniteNumber, isObject, isString, isWellFormedText } from "../lib/values.ts";
import type { Algorithm, TokenProfile, VerifiedClaims } from "../store.ts";
import { type KeyLookup, type KeySet, isAlgorithm } from "./key-set.ts";

/** The result of verifying a token. Its times are checked elsewhere: see `decideFreshness`. */
export type Verification =
  | {
      readonly status: "verified";
      /** Frozen at every depth, so that a cache can share them. */
      readonly claims: VerifiedClaims;
    }
  | {
      readonly status: "rejected";
      readonly reason: RejectionReason;
      /** For `malformed`: which rule the token broke. */
      readonly defect?: MalformedReason | "claims";
      /** With `unknown_key`: `exp` of the unverified payload. The token may still be good if it comes from a seal. */
      readonly expiresAt?: number;
      /** With `unknown_key`: whether the source has withdrawn the key. */
      readonly isWithdrawn?: true;
    }
  | {
      readonly status: "unavailable";
      readonly reason: string;
      readonly retryAfter: number;
      /** The original error. */
      readonly cause?: unknown;
    };

/** Which check a token failed. `class`: it may be signed, but it is not a session. */
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
  /** Verifies a token. Returns a promise only if a key must be loaded or a signature checked. Never throws and never rejects. */
  verify(token: string): Verification | Promise<Verification>;
  /** Verifies a token that only its signature can prove: one that names no key of ours is rejected by its header alone. */
  verifyAlone(token: string): Verification | Promise<Verification>;
}

/**
 * Makes the verifier for one store's tokens.
 *
 * What needs no key is checked first: garbage and the tokens of others cost no cryptography, no fetch and no waiting.
 */
export function createTokenVerifier(profile: TokenProfile, keys: KeySet): TokenVerifier {
  function check(token: string, needsKnownKey: boolean): Verification | Promise<Verification> {
    try {
      const parsed = parseHeader(token, profile);
      if (parsed.status === "malformed")
        return { status: "rejected", reason: "malformed", defect: parsed.reason };
      const { kid, alg } = parsed.header;
      if (needsKnownKey && keys.lacks(kid, alg)) return rejected("unknown_key");
      const claims = readClaims(token, parsed, profile);
      if (isString(claims)) return rejected(claims);
      const lookup = keys.find(kid, alg);
      return lookup instanceof Promise
        ? lookup.then((found) => checkSignature(token, alg, claims, found)).catch(unforeseen)
        : checkSignature(token, alg, claims, lookup);
    } catch (error) {
      return unforeseen(error);
    }
  }
  return {
    verify: (token) => check(token, false),
    // The store can be asked about unknown keys, but only with tokens that are otherwise good.
    verifyAlone: (token) => check(token, profile.unknownKey !== "ask"),
  };
}

/** Reads the claims of a token and makes every check that needs no key. */
function readClaims(
  token: string,
  parsed: ParsedHeader,
  profile: TokenProfile,
): VerifiedClaims | RejectionReason {
  const { issuers, audience, sessionClaim } = profile;
  const text = decodeClaims(token, parsed);
  if (text !== undefined && !mayName(text, issuers)) return "issuer";
  const payload = parseClaims(text, profile.limits);
  if (payload === undefined) return "malformed";
  if (!hasVerifiableClaims(payload, sessionClaim)) {
    return payload[sessionClaim] === undefined ? "class" : "claims";
  }
  if (issuers.length > 0 && !issuers.some((issuer) => issuer === payload["iss"])) return "issuer";
  return isMeantFor(payload["aud"], audience) ? payload : "audience";
}

function checkSignature(
  token: string,
  algorithm: Algorithm,
  claims: VerifiedClaims,
  lookup: KeyLookup,
): Verification | Promise<Verification> {
  switch (lookup.status) {
    case "unknown":
      return { ...lookup, status: "rejected", reason: "unknown_key", expiresAt: claims.exp };
    case "unavailable": {
      const { retryAfter, cause } = lookup;
      return { status: "unavailable", reason: "keys_unavailable", retryAfter, cause };
    }
    default: {
      const decide = (isSigned: boolean): Verification =>
        isSigned ? { status: "verified", claims } : rejected("signature");
      const isSigned = isSignedBy(token, lookup.key, algorithm);
      return typeof isSigned === "boolean" ? decide(isSigned) : isSigned.then(decide, unforeseen);
    }
  }
}

/** Larger RSA keys take longer than the main thread may be held up; jose refuses smaller ones. */
const MAX_SYNC_MODULUS_BITS = 4096;
const MIN_MODULUS_BITS = 2048;
const USUAL_EXPONENT = 65_537n;

/**
 * Whether the key made the token's signature, by this algorithm and no other.
 *
 * RSA signatures are checked by `node:crypto` at once, which takes a third of the CPU of WebCrypto's way through another
 * thread; everything else by jose. Throws, or rejects, if it cannot be decided: an unusable key, cryptography that fails.
 */
export function isSignedBy(token: string, key: KeyObject, algorithm: Algorithm): boolean | Promise<boolean> {
  if ((algorithm !== "RS256" && algorithm !== "PS256") || key.asymmetricKeyType !== "rsa") {
    return isSignedByJose(token, key, algorithm);
  }
  const { modulusLength, publicExponent } = { ...key.asymmetricKeyDetails };
  const bits = Number(modulusLength);
  const isUsual = bits >= MIN_MODULUS_BITS && publicExponent === USUAL_EXPONENT;
  return isUsual && bits <= MAX_SYNC_MODULUS_BITS
    ? isSignedByRsa(token, key, algorithm)
    : isSignedByJose(token, key, algorithm);
}

/** RFC 7518 section 3.3 and 3.5. */
function isSignedByRsa(token: string, key: KeyObject, algorithm: "RS256" | "PS256"): boolean {
  const end = token.lastIndexOf(".");
  const options =
    algorithm === "RS256"
      ? { key, padding: constants.RSA_PKCS1_PADDING }
      : { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };
  const signature = Buffer.from(token.slice(end + 1), "base64url");
  return verify("sha256", Buffer.from(token.slice(0, end), "latin1"), options, signature);
}

async function isSignedByJose(token: string, key: KeyObject, algorithm: Algorithm): Promise<boolean> {
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
  // With a cause, WebCrypto itself threw, and nothing was decided.
  return error instanceof errors.JOSEError && REFUSALS.has(error.code) && error.cause === undefined;
}

function rejected(reason: RejectionReason): Verification {
  return { status: "rejected", reason };
}

/** An unforeseen error means "cannot know", never "signed out". */
function unforeseen(cause: unknown): Verification {
  return { status: "unavailable", reason: "verification_failed", retryAfter: 1, cause };
}

/** Whether a payload has the claims that every session needs, with the types that they must have. */
function hasVerifiableClaims(
  payload: UnverifiedPayload,
  sessionClaim: string,
): payload is UnverifiedPayload & VerifiedClaims {
  const { sub, iat, exp, nbf } = payload;
  const session = payload[sessionClaim];
  return (
    isWellFormedText(sub) &&
    isFiniteNumber(iat) &&
    isFiniteNumber(exp) &&
    (nbf === undefined || isFiniteNumber(nbf)) &&
    (isWellFormedText(session) || isObject(session))
  );
}

/** Whether a text can name one of the issuers. It saves parsing the tokens of others: without an escape, JSON strings read as written. */
function mayName(text: string, issuers: readonly string[]): boolean {
  return issuers.length === 0 || issuers.some((issuer) => text.includes(issuer)) || text.includes("\\");
}

function isMeantFor(aud: unknown, audience: readonly string[] | undefined): boolean {
  if (audience === undefined) return true;
  const named: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  return named.every(isString) && named.some((name) => audience.includes(name));
}

/** Longer tokens are refused undecoded: 12 KB. A profile may set a lower limit. */
export const MAX_TOKEN_LENGTH = 12_288;

/** The header of a token that passed {@link parseHeader}. */
export interface TokenHeader {
  readonly alg: Algorithm;
  readonly kid?: string;
}

/** Claims of a token whose signature was not checked; frozen at every depth. */
export type UnverifiedPayload = Readonly<Record<string, unknown>>;

/** Which rule a malformed token broke. */
export type MalformedReason =
  | "size"
  | "structure"
  | "encoding"
  | "header"
  | "parameter"
  | "algorithm"
  | "key_id"
  | "type";

/** A token that cannot be one of the profile's, whoever signed it. */
export interface MalformedToken {
  readonly status: "malformed";
  readonly reason: MalformedReason;
}

/** A token whose structure and header are in order; its payload may be anything. */
export interface ParsedHeader {
  readonly status: "parsed";
  readonly header: TokenHeader;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

// Whatever a profile says: these change what is signed, bring a key along, or belong to encryption (RFC 7515, 7516, 7797).
const FORBIDDEN_PARAMETERS: ReadonlySet<string> = new Set("crit b64 jwk jku x5u x5c zip enc epk".split(" "));
const MAX_KID_LENGTH = 128;
const COMPACT_SERIALIZATION = /^[\w-]+\.[\w-]+\.[\w-]+$/;
// Beyond ASCII, lower case makes equal what is not: the Kelvin sign becomes a "k".
const PRINTABLE_ASCII = /^[!-~]+$/;

/**
 * Reads a token strictly, before any cryptography: size, three canonical base64url parts (RFC 7515 section 7.1), header
 * parameters and algorithm from the profile's lists. {@link parseClaims} reads the payload.
 *
 * Canonical means that a token has one spelling: its string is as good as its bytes. Never throws.
 */
export function parseHeader(token: string, profile: TokenProfile): ParsedHeader | MalformedToken {
  const { maxLength = MAX_TOKEN_LENGTH } = profile.limits ?? {};
  if (token.length > Math.min(maxLength, MAX_TOKEN_LENGTH)) return malformed("size");
  if (!COMPACT_SERIALIZATION.test(token)) return malformed("structure");
  const headerEnd = token.indexOf(".");
  const payloadEnd = token.lastIndexOf(".");
  const isCanonical =
    endsCanonically(token, 0, headerEnd) &&
    endsCanonically(token, headerEnd + 1, payloadEnd) &&
    endsCanonically(token, payloadEnd + 1, token.length);
  if (!isCanonical) return malformed("encoding");
  const header = readHeader(token.slice(0, headerEnd), profile);
  if (isString(header)) return malformed(header);
  return { status: "parsed", header, payloadStart: headerEnd + 1, payloadEnd };
}

/** Decodes the payload of a token; `undefined` if it is not UTF-8. */
export function decodeClaims(token: string, { payloadStart, payloadEnd }: ParsedHeader): string | undefined {
  return decodeText(token.slice(payloadStart, payloadEnd));
}

/** Parses a JSON object that every parser reads in the same way; `undefined` for anything else. */
export function parseClaims(
  text: string | undefined,
  limits?: StrictJsonLimits,
): UnverifiedPayload | undefined {
  if (text === undefined) return undefined;
  const json = parseStrictJson(text, limits);
  return json.status === "parsed" && isObject(json.value) ? json.value : undefined;
}

/** The last good header and the last bad one, as they were spelled. */
interface LastHeaders {
  readonly good?: { readonly part: string; readonly header: TokenHeader };
  readonly bad?: { readonly part: string; readonly reason: MalformedReason };
}

// Tokens of one signer share their header, and so do those of a flood: the last ones of each profile are not parsed again.
const lastHeaders = new WeakMap<TokenProfile, LastHeaders>();

function readHeader(part: string, profile: TokenProfile): TokenHeader | MalformedReason {
  const last = lastHeaders.get(profile);
  if (last?.good?.part === part) return last.good.header;
  if (last?.bad?.part === part) return last.bad.reason;
  const header = checkHeader(parseClaims(decodeText(part)), profile);
  // A copy, because a slice would keep the whole token in memory.
  const copy = Buffer.from(part).toString("latin1");
  lastHeaders.set(
    profile,
    isString(header)
      ? { ...last, bad: { part: copy, reason: header } }
      : { ...last, good: { part: copy, header } },
  );
  return header;
}

function malformed(reason: MalformedReason): MalformedToken {
  return { status: "malformed", reason };
}

/** Whether a part has a length that base64 can have, and zeros in the spare bits of its last character (RFC 4648 section 3.5). */
function endsCanonically(token: string, start: number, end: number): boolean {
  const last = token.charAt(end - 1);
  switch ((end - start) % 4) {
    case 0:
      return true;
    case 2:
      return "AQgw".includes(last);
    case 3:
      return "AEIMQUYcgkosw048".includes(last);
    default:
      return false;
  }
}

function decodeText(part: string): string | undefined {
  const bytes = Buffer.from(part, "base64url");
  return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
}

/** Checks a header's parameters against the profile; returns the first rule that it breaks. */
function checkHeader(
  header: UnverifiedPayload | undefined,
  profile: TokenProfile,
): TokenHeader | MalformedReason {
  if (header === undefined) return "header";
  const { alg, kid, ...others } = header;
  if (!Object.keys(header).every((name) => isAllowedParameter(name, profile))) return "parameter";
  if (!isAlgorithm(alg) || !profile.algorithms.includes(alg)) return "algorithm";
  if (kid !== undefined && !(isWellFormedText(kid) && kid.length <= MAX_KID_LENGTH)) return "key_id";
  return isAllowedType(others["typ"], profile.types)
    ? { ...others, alg, ...(kid !== undefined && { kid }) }
    : "type";
}

function isAllowedParameter(name: string, profile: TokenProfile): boolean {
  if (name === "alg" || name === "kid" || name === "typ") return true;
  return !FORBIDDEN_PARAMETERS.has(name) && (profile.headerParameters?.includes(name) ?? false);
}

function isAllowedType(typ: unknown, types: readonly string[]): boolean {
  if (typ === undefined) return types.includes("");
  if (!isString(typ) || !PRINTABLE_ASCII.test(typ)) return false;
  const folded = foldMediaType(typ);
  return folded !== "" && types.some((allowed) => foldMediaType(allowed) === folded);
}

/** Drops `application/` where no other slash follows (RFC 7515 section 4.1.9). */
function foldMediaType(type: string): string {
  const lower = type.toLowerCase();
  const rest = lower.startsWith("application/") ? lower.slice("application/".length) : lower;
  return rest.includes("/") ? lower : rest;
}

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
  /** At this age a token is too old if it says that it lives longer. @defaultValue `exp` alone counts */
  readonly maxLifetime?: number | undefined;
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
  const { now, clockTolerance } = limits;
  const end = times.sessionExpiresAt === undefined ? times.exp : Math.min(times.exp, times.sessionExpiresAt);
  // Written so that NaN passes none of these checks.
  if (!(now < end + clockTolerance)) return "expired";
  const start = times.nbf === undefined ? times.iat : Math.max(times.nbf, times.iat);
  if (!(now >= start - clockTolerance)) return "not_yet_valid";
  const maxAge = effectiveMaxAge(times, limits);
  if (maxAge !== undefined) {
    const confirmedAt = times.verifiedAt === undefined ? times.iat : Math.max(times.iat, times.verifiedAt);
    // A token from the future has age 0, not a negative age: with a `maxAge` of 0 the store is still asked.
    if (!(Math.max(0, now - confirmedAt) < maxAge)) return "too_old";
  }
  return "fresh";
}

function effectiveMaxAge(
  { exp, iat }: TokenTimes,
  { maxAge, maxLifetime }: FreshnessLimits,
): number | undefined {
  if (maxLifetime === undefined || exp - iat <= maxLifetime) return maxAge;
  return maxAge === undefined ? maxLifetime : Math.min(maxAge, maxLifetime);
}

/** The order of P-256 (FIPS 186-5). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const HALF_OF_P256_ORDER = Buffer.from((P256_ORDER / 2n).toString(16), "hex");
const P256_SIGNATURE_LENGTH = 86;

/**
 * Returns the one spelling that stands for a token and its twin: anybody can turn a good ES256 signature (r, s) into another one
 * (r, n - s). The one with the lower `s` stands for both. Signers use either, as RFC 7515 appendix A.3 does, so that neither can be refused.
 */
export function canonicalSpelling(token: string): string {
  const start = token.lastIndexOf(".") + 1;
  if (token.length - start !== P256_SIGNATURE_LENGTH) return token;
  const spelled = token.slice(start);
  const signature = Buffer.from(spelled, "base64url");
  const s = signature.subarray(32);
  if (s.compare(HALF_OF_P256_ORDER) <= 0 || !isByEs256(token)) return token;
  // Another spelling of the same bytes is no good token, and must not pass for one.
  if (signature.toString("base64url") !== spelled) return token;
  const twin = P256_ORDER - BigInt(`0x${s.toString("hex")}`);
  if (twin <= 0n) return token;
  s.write(twin.toString(16).padStart(64, "0"), "hex");
  return token.slice(0, start) + signature.toString("base64url");
}

function isByEs256(token: string): boolean {
  return /"alg"\s*:\s*"ES256"/.test(
    Buffer.from(token.slice(0, token.indexOf(".")), "base64url").toString("latin1"),
  );
}
