import { isUtf8 } from "node:buffer";
import type { KeyObject } from "node:crypto";
import { compactVerify, errors } from "jose";
import { endOfTurn } from "../lib/event-loop.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import type { Algorithm, TokenProfile, VerifiedClaims } from "../store.ts";
import type { KeyLookup, KeySet } from "./key-set.ts";

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

/** Tokens longer than this are refused undecoded. */
export const MAX_TOKEN_LENGTH = 8192;

/** The header of a token that passed {@link parseHeader}. */
export interface TokenHeader {
  readonly alg: Algorithm;
  readonly kid?: string;
}

/** Claims as they were written, by whomever; frozen at every depth, and not to be trusted before the signature is. */
export type UnverifiedPayload = Readonly<Record<string, unknown>>;

/** A token that is not one of the profile's, whoever signed it. */
export interface MalformedToken {
  readonly status: "malformed";
  readonly reason: MalformedReason;
}

/** Which rule a malformed token broke. */
export type MalformedReason = "size" | "structure" | "encoding" | "header";

// Whatever a profile says: these change what is signed, bring a key along, or belong to encryption (RFC 7515, 7516, 7797).
const FORBIDDEN_PARAMETERS: ReadonlySet<string> = new Set("crit b64 jwk jku x5u x5c zip enc epk".split(" "));

// The narrowest promise: a profile may choose among these, and can add nothing to them.
const SUPPORTED_ALGORITHMS: ReadonlySet<string> = new Set<Algorithm>([
  "RS256",
  "PS256",
  "ES256",
  "EdDSA",
  "Ed25519",
]);

const MAX_KID_LENGTH = 128;
const COMPACT_SERIALIZATION = /^[\w-]+\.[\w-]+\.[\w-]+$/;
// Beyond ASCII, lower case makes equal what is not: the Kelvin sign becomes a "k".
const PRINTABLE_ASCII = /^[!-~]+$/;
const SURROGATE = /\p{Surrogate}/u;

/** A token whose structure and header are in order; its payload may be anything. */
export interface ParsedHeader {
  readonly status: "parsed";
  readonly header: TokenHeader;
  readonly payloadStart: number;
  readonly payloadEnd: number;
}

/**
 * Reads a token strictly, before any cryptography: size, three canonical base64url parts (RFC 7515 section 7.1), header
 * parameters and algorithm from the profile's lists. {@link parseClaims} reads the payload.
 *
 * Canonical means that a token has one spelling: its string is as good as its bytes. Never throws.
 */
export function parseHeader(token: string, profile: TokenProfile): ParsedHeader | MalformedToken {
  if (token.length > MAX_TOKEN_LENGTH) return malformed("size");
  if (!COMPACT_SERIALIZATION.test(token)) return malformed("structure");
  const headerEnd = token.indexOf(".");
  const payloadEnd = token.lastIndexOf(".");
  if (
    !endsCanonically(token, 0, headerEnd) ||
    !endsCanonically(token, headerEnd + 1, payloadEnd) ||
    !endsCanonically(token, payloadEnd + 1, token.length)
  ) {
    return malformed("encoding");
  }
  const header = readHeader(token.slice(0, headerEnd), profile);
  if (header === undefined) return malformed("header");
  return { status: "parsed", header, payloadStart: headerEnd + 1, payloadEnd };
}

/** The payload of a token as text; `undefined` where it is none. */
export function decodeClaims(token: string, { payloadStart, payloadEnd }: ParsedHeader): string | undefined {
  return decodeText(token.slice(payloadStart, payloadEnd));
}

/** What a text says, if it is a JSON object that has one reading. */
export function parseClaims(text: string | undefined): UnverifiedPayload | undefined {
  if (text === undefined) return undefined;
  const json = parseStrictJson(text);
  return json.status === "parsed" && isObject(json.value) ? json.value : undefined;
}

/** The last header that was good, and the last that was not. */
interface LastHeaders {
  readonly good: { readonly part: string; readonly header: TokenHeader } | undefined;
  readonly bad: string | undefined;
}

const NO_HEADERS: LastHeaders = { good: undefined, bad: undefined };

// Tokens of one signer share their header, and so do those of one flood: the last ones of each profile are not read again.
const lastHeaders = new WeakMap<TokenProfile, LastHeaders>();

function readHeader(part: string, profile: TokenProfile): TokenHeader | undefined {
  const last = lastHeaders.get(profile) ?? NO_HEADERS;
  if (last.good?.part === part) return last.good.header;
  if (last.bad === part) return undefined;
  const header = parseClaims(decodeText(part));
  const isGood = header !== undefined && isAllowedHeader(header, profile);
  // A copy, because a slice would keep the whole token in memory.
  const copy = Buffer.from(part).toString("latin1");
  lastHeaders.set(profile, isGood ? { ...last, good: { part: copy, header } } : { ...last, bad: copy });
  return isGood ? header : undefined;
}

function malformed(reason: MalformedReason): MalformedToken {
  return { status: "malformed", reason };
}

/** Whether the part's length exists in base64, and the bits that its last character has to spare are zero (RFC 4648 section 3.5). */
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

function isObject(value: unknown): value is UnverifiedPayload {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isAllowedHeader(
  header: UnverifiedPayload,
  profile: TokenProfile,
): header is UnverifiedPayload & TokenHeader {
  const { alg, kid, typ } = header;
  return (
    Object.keys(header).every((name) => isAllowedParameter(name, profile)) &&
    typeof alg === "string" &&
    SUPPORTED_ALGORITHMS.has(alg) &&
    profile.algorithms.some((allowed) => allowed === alg) &&
    (kid === undefined || isKeyId(kid)) &&
    isAllowedType(typ, profile.types)
  );
}

function isAllowedParameter(name: string, profile: TokenProfile): boolean {
  if (name === "alg" || name === "kid" || name === "typ") return true;
  return !FORBIDDEN_PARAMETERS.has(name) && (profile.headerParameters?.includes(name) ?? false);
}

function isKeyId(kid: unknown): kid is string {
  return typeof kid === "string" && kid.length > 0 && kid.length <= MAX_KID_LENGTH && !SURROGATE.test(kid);
}

function isAllowedType(typ: unknown, types: readonly string[]): boolean {
  if (typ === undefined) return types.includes("");
  if (typeof typ !== "string" || !PRINTABLE_ASCII.test(typ)) return false;
  const folded = foldMediaType(typ);
  return folded !== "" && types.some((allowed) => foldMediaType(allowed) === folded);
}

/** `application/` goes without saying where no other slash follows (RFC 7515 section 4.1.9). */
function foldMediaType(type: string): string {
  const lower = type.toLowerCase();
  const rest = lower.startsWith("application/") ? lower.slice("application/".length) : lower;
  return rest.includes("/") ? lower : rest;
}
