import type { Issuer } from "./issuer.ts";
import { computeTag, hasTag, makeSecret } from "./secrets.ts";

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
