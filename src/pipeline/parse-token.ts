import { isUtf8 } from "node:buffer";
import type { Algorithm, TokenProfile } from "../stores/token-profile.ts";
import { parseStrictJson } from "./strict-json.ts";

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
const LONE_SURROGATE = /\p{Surrogate}/u;

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
  return (
    typeof kid === "string" && kid.length > 0 && kid.length <= MAX_KID_LENGTH && !LONE_SURROGATE.test(kid)
  );
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
