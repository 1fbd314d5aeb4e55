import { createDecipheriv, createHmac, hash, pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { defaults, seal as ironSeal } from "iron-webcrypto";
import type { SealedSession } from "../store.ts";
import { systemClock } from "./clock.ts";
import { isObject, isOptional, isString } from "./values.ts";

/** The SHA-256 of a text in UTF-8, in base64url without padding unless another encoding is named. */
export function sha256(
  text: string,
  encoding: "base64" | "base64url" | "hex" | "binary" = "base64url",
): string {
  return hash("sha256", text, encoding);
}

/** The SHA-1 of a text in hexadecimal. For names that others compute so (Redis names its scripts by it), never for secrets. */
export function sha1Name(text: string): string {
  return hash("sha1", text, "hex");
}

/** Whether two secrets are equal; takes the same time wherever they differ. */
export function isSameSecret(given: string, expected: string): boolean {
  return timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", expected, "buffer"));
}

/** Passwords by id; the highest id seals, every one opens. */
export type SealPasswords = Readonly<Record<number, string>>;

/** Longer seals are neither opened nor sent. */
export const MAX_SEAL_LENGTH = 12_288;

/** Seals values into strings for cookies, and opens them again. Nothing that goes in comes out in an error. */
export interface Sealer {
  /** Seals a session in the form of WorkOS's SDKs: an iron seal without expiry, suffixed `~2`. */
  seal(session: SealedSession): Promise<string>;
  /** The session in a cookie; `undefined` if it is not a seal of ours, or holds no session. */
  unseal(cookie: string): SealedSession | undefined;
  /** Seals any JSON value. */
  sealValue(value: unknown): Promise<string>;
  /** The value in a seal; `undefined` if it is not a seal of ours. */
  unsealValue(sealed: string): unknown;
}

// An IV of 16 bytes and a digest of 32 leave unused bits in their last character: only one encoding of each is
// canonical, and only that one is opened, so that a seal has one spelling.
const CANONICAL_SEAL =
  /^Fe26\.2\*\w{0,64}\*[\da-f]{64}\*[\w-]{21}[AQgw]\*[\w-]+\*(?:[1-9]\d{0,15})?\*[\da-f]{64}\*[\w-]{42}[AEIMQUYcgkosw048]$/;

/** What other libraries write around version 1 of a seal, or before there were versions, is wrapped in `persistent`. */
const VERSION_SUFFIX = /~([12])$/;

interface SealSpelling {
  readonly seal: string;
  readonly version: "2" | "1" | "none";
}

function readSpelling(cookie: string): SealSpelling | undefined {
  const suffix = VERSION_SUFFIX.exec(cookie);
  const seal = suffix === null ? cookie : cookie.slice(0, suffix.index);
  if (seal.length > MAX_SEAL_LENGTH || !CANONICAL_SEAL.test(seal)) return undefined;
  return { seal, version: suffix === null ? "none" : suffix[1] === "2" ? "2" : "1" };
}

/** Whether a cookie has the form of a sealed session, whoever sealed it. Needs no password. */
export function isWellFormedSeal(cookie: string): boolean {
  return cookie.length <= MAX_SEAL_LENGTH && readSpelling(cookie) !== undefined;
}

/** Seconds by which the clock of whoever sealed with an expiry may be ahead. */
const EXPIRY_TOLERANCE = 60;
const KEY_BYTES = 32;

/**
 * Makes a sealer. It writes seals with iron-webcrypto and opens them with `node:crypto`, synchronously.
 *
 * @param passwords - each of at least 32 characters; the options have been checked before.
 * @param sealId - the id that seals carry. It decides nothing here, but other libraries find their password by it.
 */
export function createSealer(passwords: SealPasswords, sealId?: string): Sealer {
  const newestFirst = Object.entries(passwords).toSorted(([a], [b]) => Number(b) - Number(a));
  const [newest] = newestFirst;
  if (newest === undefined) throw new RangeError("a sealer needs a password");
  const newestPassword = { id: sealId ?? newest[0], secret: newest[1] };

  const open = (sealed: string): { readonly value: unknown } | undefined => {
    if (sealed.length > MAX_SEAL_LENGTH || !CANONICAL_SEAL.test(sealed)) return undefined;
    const namedId = sealed.split("*", 2)[1];
    const named = newestFirst.filter(([id]) => id === namedId);
    const others = newestFirst.filter(([id]) => id !== namedId);
    for (const [, password] of [...named, ...others]) {
      // Other libraries number passwords differently, so the id is a hint and the HMAC decides.
      const opened = openWith(password, sealed);
      if (opened !== undefined) return opened;
    }
    return undefined;
  };

  return {
    seal: async (session) => `${await ironSeal(session, newestPassword, defaults)}~2`,
    unseal(cookie) {
      const spelling = readSpelling(cookie);
      const opened = spelling && open(spelling.seal);
      if (opened === undefined) return undefined;
      return toSealedSession(spelling?.version === "2" ? opened.value : persistentOf(opened.value));
    },
    sealValue: (value) => ironSeal(value, newestPassword, defaults),
    unsealValue: (sealed) => open(sealed)?.value,
  };
}

/** Opens a canonical seal of version 2 (PBKDF2-SHA-1 of one iteration, HMAC-SHA-256, AES-256-CBC). */
function openWith(password: string, sealed: string): { readonly value: unknown } | undefined {
  const macStart = sealed.lastIndexOf("*", sealed.lastIndexOf("*") - 1);
  const signed = sealed.slice(0, macStart);
  const [hmacSalt = "", digest = ""] = sealed.slice(macStart + 1).split("*");
  const [, , salt = "", iv = "", encrypted = "", expiry = ""] = signed.split("*");
  if (expiry !== "" && Number(expiry) / 1000 <= systemClock() - EXPIRY_TOLERANCE) return undefined;
  const expected = createHmac("sha256", deriveKey(password, hmacSalt)).update(signed).digest();
  if (!timingSafeEqual(expected, Buffer.from(digest, "base64url"))) return undefined;
  return decrypt(deriveKey(password, salt), iv, encrypted);
}

function deriveKey(password: string, salt: string): Buffer {
  return pbkdf2Sync(password, salt, 1, KEY_BYTES, "sha1");
}

function decrypt(key: Buffer, iv: string, encrypted: string): { readonly value: unknown } | undefined {
  const decipher = createDecipheriv("aes-256-cbc", key, Buffer.from(iv, "base64url"));
  const start = decipher.update(encrypted, "base64url");
  try {
    const text = new TextDecoder().decode(Buffer.concat([start, decipher.final()]));
    return { value: JSON.parse(text) as unknown };
  } catch {
    // The HMAC is good, but what was sealed is not JSON: another program uses the same password.
    return undefined;
  }
}

/**
 * What other libraries wrap before version 2. A seal of version 2 has nothing of the kind, so that it opens under no other
 * suffix: one session has one spelling.
 */
function persistentOf(value: unknown): unknown {
  return isObject(value) ? value["persistent"] : undefined;
}

function toSealedSession(value: unknown): SealedSession | undefined {
  if (!isObject(value)) return undefined;
  const { accessToken, refreshToken, user, organizationId, authenticationMethod, impersonator, ...others } =
    value;
  if (!isString(accessToken)) return undefined;
  if (refreshToken !== undefined && !isString(refreshToken)) return undefined;
  if (!isOptional(user, isUser)) return undefined;
  return {
    ...others,
    accessToken,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(isUser(user) && { user }),
    ...(isString(organizationId) && { organizationId }),
    ...(isString(authenticationMethod) && { authenticationMethod }),
    ...(isImpersonator(impersonator) && { impersonator }),
  };
}

function isImpersonator(value: unknown): value is NonNullable<SealedSession["impersonator"]> {
  return (
    isObject(value) &&
    isString(value["email"]) &&
    (value["reason"] === undefined || isString(value["reason"]))
  );
}

function isUser(value: unknown): value is NonNullable<SealedSession["user"]> {
  return isObject(value) && isString(value["id"]);
}
