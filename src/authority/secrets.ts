import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from "node:crypto";
import { isSameSecret } from "../lib/digest.ts";

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
  return isSameSecret(computeTag(key, data, tag.length).toString("base64url"), tag.toString("base64url"));
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
