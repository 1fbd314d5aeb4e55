import { StoreUnavailableError } from "../errors.ts";
import { sha256 } from "../lib/crypto.ts";
import {
  SESSION_ID_BYTES,
  computeTag,
  decrypt,
  encrypt,
  hasTag,
  makeSecret,
  toSessionId,
  toSessionIdBytes,
} from "./secrets.ts";

const GENERATION_BYTES = 4;
const SECRET_BYTES = 32;
const FAMILY_TAG_BYTES = 18;
const SUCCESSOR_KEY_BYTES = 32;
const SECRET_AT = SESSION_ID_BYTES + GENERATION_BYTES;
const TAG_AT = SECRET_AT + SECRET_BYTES;
// A multiple of three bytes: one spelling.
const REFRESH_TOKEN_SHAPE = /^[\w-]{96}$/;

/** More rotations than this within one grace window are no member's doing; they have to wait. */
const MAX_PREDECESSORS = 1024;

/** A refresh token and what can be read from it. Only {@link isGenuine} shows whether it is true. */
export interface RefreshToken {
  readonly token: string;
  readonly sessionId: string;
  /** How many rotations came before it. */
  readonly generation: number;
  /** SHA-256 of the token, base64url. */
  readonly hash: string;
}

/** A refresh token that was rotated and may still be presented again. */
export interface Predecessor extends Pick<RefreshToken, "generation" | "hash"> {
  /** The token that replaced it, encrypted under a key that only the predecessor itself yields. */
  readonly sealedSuccessor: string;
  /** The organization it was rotated for; `null`: none. */
  readonly organizationId: string | null;
  readonly rotatedAt: number;
  readonly successorPresentedAt?: number;
}

/** The refresh tokens of one session, from the first to the current one. */
export interface RefreshFamily {
  /** Authenticates the tokens of this family, so that a retired one is recognised without being stored; base64url. */
  readonly key: string;
  readonly generation: number;
  /** SHA-256 of the current token, base64url. */
  readonly current: string;
  /** Oldest first, without those that were retired long ago. */
  readonly predecessors: readonly Predecessor[];
}

/** When a token is checked, and how long its predecessors stay usable. */
export interface FamilyTime {
  readonly now: number;
  /** Seconds after its rotation during which a token is never retired. */
  readonly grace: number;
}

/** Reads a refresh token; `undefined` if it does not have the form of one. */
export function parseRefreshToken(token: string): RefreshToken | undefined {
  if (!REFRESH_TOKEN_SHAPE.test(token)) return undefined;
  const bytes = Buffer.from(token, "base64url");
  return {
    token,
    sessionId: toSessionId(bytes.subarray(0, SESSION_ID_BYTES)),
    generation: bytes.readUInt32BE(SESSION_ID_BYTES),
    hash: sha256(token),
  };
}

/** Makes the refresh token of a generation: the session, the generation, 256 random bits, and the family's tag. */
export function mintRefreshToken(
  sessionId: string,
  generation: number,
  familyKey: string,
  secret: Buffer = Buffer.from(makeSecret(SECRET_BYTES), "base64url"),
): RefreshToken {
  const head = Buffer.alloc(TAG_AT);
  toSessionIdBytes(sessionId).copy(head);
  head.writeUInt32BE(generation, SESSION_ID_BYTES);
  secret.copy(head, SECRET_AT);
  const tag = computeTag(toKey(familyKey), head, FAMILY_TAG_BYTES);
  const token = Buffer.concat([head, tag]).toString("base64url");
  return { token, sessionId, generation, hash: sha256(token) };
}

/** Tells whether the family issued this token, whatever became of it since. */
export function isGenuine({ token }: RefreshToken, familyKey: string): boolean {
  const bytes = Buffer.from(token, "base64url");
  return hasTag(toKey(familyKey), bytes.subarray(0, TAG_AT), bytes.subarray(TAG_AT));
}

/** Encrypts a successor so that only the bearer of its predecessor can read it: the stored record alone reveals nothing. */
export function sealSuccessor(predecessor: RefreshToken, successor: RefreshToken): string {
  return encrypt(successorKey(predecessor), secretOf(successor));
}

/** Decrypts the successor of a token. Throws `store_unavailable` if it was encrypted for another. */
export function openSuccessor(predecessor: RefreshToken, sealed: string, familyKey: string): RefreshToken {
  try {
    const secret = decrypt(successorKey(predecessor), sealed);
    return mintRefreshToken(predecessor.sessionId, predecessor.generation + 1, familyKey, secret);
  } catch (cause) {
    throw new StoreUnavailableError({ reason: "session_unreadable", contended: true, cause });
  }
}

function toKey(familyKey: string): Buffer {
  return Buffer.from(familyKey, "base64url");
}

function secretOf({ token }: RefreshToken): Buffer {
  return Buffer.from(token, "base64url").subarray(SECRET_AT, TAG_AT);
}

function successorKey(token: RefreshToken): Buffer {
  // The secret is random and as long as the key, so that one HMAC derives it (the second step of RFC 5869).
  const purpose = Buffer.from(`orgate refresh token successor ${token.sessionId}`);
  return computeTag(secretOf(token), purpose, SUCCESSOR_KEY_BYTES);
}

/** What a token is to its family. */
export type TokenStatus =
  | { readonly status: "current" }
  | { readonly status: "predecessor"; readonly predecessor: Predecessor }
  /** Its successor is in use and the grace window is over, so this one is a copy. */
  | { readonly status: "retired" }
  /** The family never issued it. */
  | { readonly status: "foreign" };

/** Tells what a token that {@link isGenuine} is to its family. */
export function findTokenStatus(
  family: RefreshFamily,
  { generation, hash }: Pick<RefreshToken, "generation" | "hash">,
  time: FamilyTime,
): TokenStatus {
  if (generation > family.generation) return { status: "foreign" };
  if (generation === family.generation) return { status: hash === family.current ? "current" : "foreign" };
  const predecessor = family.predecessors.find((known) => known.generation === generation);
  if (predecessor === undefined) return { status: "retired" };
  if (predecessor.hash !== hash) return { status: "foreign" };
  return isRetired(predecessor, time) ? { status: "retired" } : { status: "predecessor", predecessor };
}

/**
 * Records that a token of this generation was presented: its holder has received it, so its predecessor is needed only for
 * the rest of the grace window. Returns the same family if that was known.
 */
export function recordPresented(family: RefreshFamily, generation: number, now: number): RefreshFamily {
  const isNews = (predecessor: Predecessor): boolean =>
    predecessor.generation === generation - 1 && predecessor.successorPresentedAt === undefined;
  if (!family.predecessors.some(isNews)) return family;
  const predecessors = family.predecessors.map((predecessor) =>
    isNews(predecessor) ? { ...predecessor, successorPresentedAt: now } : predecessor,
  );
  return { ...family, predecessors };
}

/** Replaces the current token, and forgets the predecessors that are retired by now. */
export function rotateFamily(
  family: RefreshFamily,
  next: { readonly hash: string; readonly sealedSuccessor: string; readonly organizationId: string | null },
  time: FamilyTime,
): RefreshFamily {
  const { hash, sealedSuccessor, organizationId } = next;
  const { generation, current } = family;
  const predecessor = { generation, hash: current, sealedSuccessor, organizationId, rotatedAt: time.now };
  const usable = family.predecessors.filter((known) => !isRetired(known, time));
  return { ...family, generation: generation + 1, current: hash, predecessors: [...usable, predecessor] };
}

function isRetired({ successorPresentedAt, rotatedAt }: Predecessor, { now, grace }: FamilyTime): boolean {
  return successorPresentedAt !== undefined && now >= rotatedAt + grace;
}

/** What the holder of a refresh token asks for. */
export interface FamilyExchange {
  /** Whether the current token is replaced, or only recognised. */
  readonly rotate: boolean;
  /** The organization to continue in; `null`: none, `undefined`: the most recent one. */
  readonly organizationId: string | null | undefined;
  /** The organization that the session used most recently. */
  readonly mostRecent: string | null;
}

/** What a refresh token was exchanged for. */
export type RefreshResult =
  /** `token` is what the member holds from now on; `family` is the same object if nothing changed. */
  | { readonly status: "accepted"; readonly token: RefreshToken; readonly family: RefreshFamily }
  | { readonly status: "retired" }
  | { readonly status: "foreign" };

/**
 * Exchanges a refresh token within its family.
 *
 * The current token is rotated. A token that was rotated before yields the same successor, so that a lost reply does not sign
 * the member out; if another organization is wanted, that successor is exchanged in turn. A genuine token that is retired was copied.
 */
export function exchangeRefreshToken(
  family: RefreshFamily,
  presented: RefreshToken,
  request: FamilyExchange,
  time: FamilyTime,
): RefreshResult {
  if (!isGenuine(presented, family.key)) return { status: "foreign" };
  const known = recordPresented(family, presented.generation, time.now);
  let token = presented;
  for (;;) {
    const found = findTokenStatus(known, token, time);
    if (found.status === "retired" || found.status === "foreign") return found;
    if (found.status === "current") {
      return request.rotate
        ? rotate(known, token, request, time)
        : { status: "accepted", token, family: known };
    }
    const { sealedSuccessor, organizationId } = found.predecessor;
    token = openSuccessor(token, sealedSuccessor, family.key);
    const isSame = request.organizationId === undefined || request.organizationId === organizationId;
    if (isSame || !request.rotate) return { status: "accepted", token, family: known };
  }
}

function rotate(
  family: RefreshFamily,
  token: RefreshToken,
  { organizationId, mostRecent }: FamilyExchange,
  time: FamilyTime,
): RefreshResult {
  const next = mintRefreshToken(token.sessionId, family.generation + 1, family.key);
  const sealedSuccessor = sealSuccessor(token, next);
  const target = organizationId === undefined ? mostRecent : organizationId;
  const rotated = rotateFamily(family, { hash: next.hash, sealedSuccessor, organizationId: target }, time);
  if (rotated.predecessors.length > MAX_PREDECESSORS) {
    throw new StoreUnavailableError({ reason: "rotating_too_fast", retryAfter: Math.ceil(time.grace) });
  }
  return { status: "accepted", token: next, family: rotated };
}
