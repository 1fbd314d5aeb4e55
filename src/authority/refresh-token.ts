import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import type { PresentedToken } from "./refresh-family.ts";
import { ID_BYTES, toSessionId } from "./session-id.ts";

const GENERATION_BYTES = 4;
const SECRET_BYTES = 32;
const TAG_BYTES = 18;
const SECRET_AT = ID_BYTES + GENERATION_BYTES;
const TAG_AT = SECRET_AT + SECRET_BYTES;
// A multiple of three: every character carries six bits of the token, so there is one spelling of it.
const TOKEN_SHAPE = /^[\w-]{96}$/;

const IV_BYTES = 12;
const GCM_TAG_BYTES = 16;

/** A refresh token taken apart. Nothing in it is to be believed before {@link isOfFamily}. */
export interface ParsedRefreshToken extends PresentedToken {
  readonly token: string;
  readonly sessionId: string;
}

/** Takes a refresh token apart; `undefined`: not one of ours. */
export function parseRefreshToken(token: string): ParsedRefreshToken | undefined {
  if (!TOKEN_SHAPE.test(token)) return undefined;
  const bytes = Buffer.from(token, "base64url");
  return {
    token,
    sessionId: toSessionId(bytes.subarray(0, ID_BYTES)),
    generation: bytes.readUInt32BE(ID_BYTES),
    hash: hashToken(token),
  };
}

/** Makes the refresh token of a generation: 256 random bits, the session it belongs to, and the family's tag. */
export function mintRefreshToken(
  sessionId: Buffer,
  generation: number,
  familyKey: string,
): ParsedRefreshToken {
  return assemble(sessionId, generation, familyKey, randomBytes(SECRET_BYTES));
}

/** Whether the family handed this token out, whatever became of it since. */
export function isOfFamily({ token }: ParsedRefreshToken, familyKey: string): boolean {
  const bytes = Buffer.from(token, "base64url");
  return timingSafeEqual(bytes.subarray(TAG_AT), tagOf(bytes.subarray(0, TAG_AT), familyKey));
}

/** Seals a successor so that only the bearer of its predecessor can open it: the stored record alone opens nothing. */
export function sealSuccessor(predecessor: ParsedRefreshToken, successor: ParsedRefreshToken): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", deriveSealKey(predecessor), iv);
  const secret = Buffer.from(successor.token, "base64url").subarray(SECRET_AT, TAG_AT);
  return Buffer.concat([iv, cipher.update(secret), cipher.final(), cipher.getAuthTag()]).toString(
    "base64url",
  );
}

/** Opens the successor of a presented token. `undefined`: it was sealed for another. */
export function openSuccessor(
  predecessor: ParsedRefreshToken,
  sealed: string,
  familyKey: string,
): ParsedRefreshToken | undefined {
  const bytes = Buffer.from(sealed, "base64url");
  if (bytes.length !== IV_BYTES + SECRET_BYTES + GCM_TAG_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", deriveSealKey(predecessor), bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(-GCM_TAG_BYTES));
  try {
    const secret = Buffer.concat([
      decipher.update(bytes.subarray(IV_BYTES, -GCM_TAG_BYTES)),
      decipher.final(),
    ]);
    const sessionId = Buffer.from(predecessor.token, "base64url").subarray(0, ID_BYTES);
    return assemble(sessionId, predecessor.generation + 1, familyKey, secret);
  } catch {
    return undefined;
  }
}

/** SHA-256, base64url: under this name single-use tokens are stored. */
export function hashToken(token: string): string {
  return createHash("sha256").update(token).digest("base64url");
}

function assemble(
  sessionId: Buffer,
  generation: number,
  familyKey: string,
  secret: Buffer,
): ParsedRefreshToken {
  const head = Buffer.alloc(TAG_AT);
  sessionId.copy(head, 0);
  head.writeUInt32BE(generation, ID_BYTES);
  secret.copy(head, SECRET_AT);
  const token = Buffer.concat([head, tagOf(head, familyKey)]).toString("base64url");
  return { token, sessionId: toSessionId(sessionId), generation, hash: hashToken(token) };
}

function tagOf(head: Buffer, familyKey: string): Buffer {
  return createHmac("sha256", Buffer.from(familyKey, "base64url"))
    .update(head)
    .digest()
    .subarray(0, TAG_BYTES);
}

function deriveSealKey({ token, sessionId }: ParsedRefreshToken): Buffer {
  const secret = Buffer.from(token, "base64url").subarray(SECRET_AT, TAG_AT);
  return Buffer.from(hkdfSync("sha256", secret, sessionId, "orgate refresh token successor", 32));
}
