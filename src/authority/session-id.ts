import { randomBytes } from "node:crypto";

/** Random bytes in a session id: 144 bits. */
export const ID_BYTES = 18;

const PREFIX = "session_";
// 18 bytes are 24 characters without spare bits: one spelling.
const SHAPE = /^session_([\w-]{24})$/;

/** Makes a new session id that nobody can guess. */
export function makeSessionId(): string {
  return toSessionId(randomBytes(ID_BYTES));
}

/** Writes the bytes of a session id out. */
export function toSessionId(bytes: Buffer): string {
  return PREFIX + bytes.toString("base64url");
}

/** The bytes of a session id; `undefined`: not one of ours. */
export function parseSessionId(sessionId: string): Buffer | undefined {
  const encoded = SHAPE.exec(sessionId)?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, "base64url");
}
