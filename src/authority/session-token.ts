import { createHmac, timingSafeEqual } from "node:crypto";
import type { Issuer } from "./issuer.ts";
import { ID_BYTES, parseSessionId, toSessionId } from "./session-id.ts";

const PURPOSE = "orgate session token";
const TAG_BYTES = 30;
// A multiple of three bytes: one spelling.
const TOKEN_SHAPE = /^[\w-]{64}$/;

/**
 * Makes the session token: the session's id, and a tag that only holders of the signing keys can make.
 *
 * Nothing of it is stored. It lasts as long as the session, and as the key that was in force when it was made.
 */
export async function makeSessionToken(issuer: Issuer, sessionId: string): Promise<string | undefined> {
  const id = parseSessionId(sessionId);
  const [secret] = await issuer.secrets(PURPOSE);
  if (id === undefined || secret === undefined) return undefined;
  return Buffer.concat([id, tagOf(id, secret)]).toString("base64url");
}

/** The session that a token names; `undefined`: it is none of ours. */
export async function openSessionToken(issuer: Issuer, token: string): Promise<string | undefined> {
  if (!TOKEN_SHAPE.test(token)) return undefined;
  const bytes = Buffer.from(token, "base64url");
  const id = bytes.subarray(0, ID_BYTES);
  const secrets = await issuer.secrets(PURPOSE);
  const isOurs = secrets.some((secret) => timingSafeEqual(bytes.subarray(ID_BYTES), tagOf(id, secret)));
  return isOurs ? toSessionId(id) : undefined;
}

function tagOf(id: Buffer, secret: Buffer): Buffer {
  return createHmac("sha256", secret).update(id).digest().subarray(0, TAG_BYTES);
}
