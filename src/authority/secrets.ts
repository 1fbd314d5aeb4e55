import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import type { Issuer } from "./issuer.ts";

const IV_BYTES = 12;
const GCM_TAG_BYTES = 16;

/** Makes a random secret, in base64url. @param bytes - of randomness; 256 bits unless stated otherwise */
export function makeSecret(bytes = 32): string {
  return randomBytes(bytes).toString("base64url");
}

/** Computes the first `length` bytes of the HMAC-SHA-256 of some data (RFC 2104 section 5). */
export function computeTag(key: Buffer, data: Buffer, length: number): Buffer {
  return createHmac("sha256", key).update(data).digest().subarray(0, length);
}

/** Checks a tag that {@link computeTag} made; takes the same time wherever it differs. */
export function hasTag(key: Buffer, data: Buffer, tag: Buffer): boolean {
  return timingSafeEqual(computeTag(key, data, tag.length), tag);
}

/** Derives a key of 256 bits for one purpose by HKDF-SHA-256 (RFC 5869). */
export function deriveKey(secret: Buffer, salt: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, purpose, 32));
}

/** Encrypts and authenticates data by AES-256-GCM: IV, ciphertext and tag, in base64url. */
export function encrypt(key: Buffer, data: Buffer | string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, iv);
  const encrypted = [cipher.update(Buffer.from(data)), cipher.final(), cipher.getAuthTag()];
  return Buffer.concat([iv, ...encrypted]).toString("base64url");
}

/** Decrypts what {@link encrypt} returned. Throws if it was changed or encrypted by another key. */
export function decrypt(key: Buffer, encrypted: string): Buffer {
  const bytes = Buffer.from(encrypted, "base64url");
  if (bytes.length < IV_BYTES + GCM_TAG_BYTES) throw new RangeError("Too short to have been encrypted.");
  const decipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(-GCM_TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES, -GCM_TAG_BYTES)), decipher.final()]);
}

/** Decrypts a value that {@link encrypt} was given as JSON. Throws as {@link decrypt} does. */
export function decryptJson(key: Buffer, encrypted: string): unknown {
  return JSON.parse(decrypt(key, encrypted).toString("utf8"));
}

/** Random bytes in a session id: 144 bits. */
export const SESSION_ID_BYTES = 18;

const PREFIX = "session_";
// 18 bytes are 24 characters without spare bits: one spelling.
const ID_SHAPE = /^session_[\w-]{24}$/;

const TOKEN_PURPOSE = "orgate session token";
const SESSION_TAG_BYTES = 30;
// A multiple of three bytes: one spelling.
const SESSION_TOKEN_SHAPE = /^[\w-]{64}$/;

/** Makes a new session id; it cannot be guessed. */
export function makeSessionId(): string {
  return PREFIX + makeSecret(SESSION_ID_BYTES);
}

/** Writes the bytes of a session id as the id. */
export function toSessionId(bytes: Buffer): string {
  return PREFIX + bytes.toString("base64url");
}

/** Tells whether a string has the form of this authority's session ids. */
export function isSessionId(value: string): boolean {
  return ID_SHAPE.test(value);
}

/** Reads the bytes of a session id that {@link isSessionId} accepts. */
export function toSessionIdBytes(sessionId: string): Buffer {
  if (!isSessionId(sessionId)) throw new TypeError("Not the id of a session of this authority.");
  return Buffer.from(sessionId.slice(PREFIX.length), "base64url");
}

/**
 * Makes the session token: the session's id, and a tag that only holders of the signing keys can make.
 *
 * Nothing of it is stored. It is valid as long as the session, and as long as the key that was in force when it was made.
 */
export async function makeSessionToken(issuer: Issuer, sessionId: string): Promise<string> {
  const id = toSessionIdBytes(sessionId);
  const [secret] = await issuer.secrets(TOKEN_PURPOSE);
  return Buffer.concat([id, computeTag(secret, id, SESSION_TAG_BYTES)]).toString("base64url");
}

/** Reads the session id from a session token; `undefined` if this authority did not make the token. */
export async function openSessionToken(issuer: Issuer, token: string): Promise<string | undefined> {
  if (!SESSION_TOKEN_SHAPE.test(token)) return undefined;
  const bytes = Buffer.from(token, "base64url");
  const id = bytes.subarray(0, SESSION_ID_BYTES);
  const tag = bytes.subarray(SESSION_ID_BYTES);
  const secrets = await issuer.secrets(TOKEN_PURPOSE);
  return secrets.some((secret) => hasTag(secret, id, tag)) ? toSessionId(id) : undefined;
}
