import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { StoreUnavailableError } from "../errors.ts";
import { bytesOf } from "./sessions.ts";
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

/** A refresh token that was rotated and may still be presented again. */
export interface Predecessor {
  readonly generation: number;
  /** SHA-256 of the token, base64url. */
  readonly hash: string;
  /** The token that took its place, sealed under a key that only the predecessor itself yields. */
  readonly sealedSuccessor: string;
  /** The organization it was rotated for; `null`: none. */
  readonly organizationId: string | null;
  readonly rotatedAt: number;
  readonly successorPresentedAt?: number;
}

/** The refresh tokens of one session, from the first to the current one. */
export interface RefreshFamily {
  /** Authenticates the tokens of this family, so that a retired one is known without being kept; base64url. */
  readonly key: string;
  readonly generation: number;
  /** SHA-256 of the current token, base64url. */
  readonly current: string;
  /** Oldest first; none that is retired for long. */
  readonly predecessors: readonly Predecessor[];
}

/** What is known of a presented token once its authenticity is established. */
export interface PresentedToken {
  readonly generation: number;
  readonly hash: string;
}

/** When a token is judged, and how long its predecessors are spared. */
export interface FamilyTime {
  readonly now: number;
  /** Seconds after its rotation during which a token is never retired. */
  readonly grace: number;
}

/** What a presented token is to its family. */
export type Standing =
  | { readonly status: "current" }
  | { readonly status: "predecessor"; readonly predecessor: Predecessor }
  /** Its successor is in use, and the grace window is over: somebody kept a copy. */
  | { readonly status: "retired" }
  /** Not a token that this family ever handed out. */
  | { readonly status: "foreign" };

/** Judges a token whose authenticity is established. */
export function judgeToken(family: RefreshFamily, token: PresentedToken, time: FamilyTime): Standing {
  if (token.generation > family.generation) return { status: "foreign" };
  if (token.generation === family.generation) {
    return { status: token.hash === family.current ? "current" : "foreign" };
  }
  const predecessor = family.predecessors.find(({ generation }) => generation === token.generation);
  if (predecessor === undefined) return { status: "retired" };
  if (predecessor.hash !== token.hash) return { status: "foreign" };
  return isRetired(predecessor, time) ? { status: "retired" } : { status: "predecessor", predecessor };
}

/**
 * Notes that a token of this generation came back: whoever sent it has received it, so its predecessor is needed no
 * more than the grace window asks for. Answers with the same family where that was known.
 */
export function notePresented(family: RefreshFamily, generation: number, now: number): RefreshFamily {
  const isNews = (predecessor: Predecessor): boolean =>
    predecessor.generation === generation - 1 && predecessor.successorPresentedAt === undefined;
  if (!family.predecessors.some(isNews)) return family;
  return {
    ...family,
    predecessors: family.predecessors.map((predecessor) =>
      isNews(predecessor) ? { ...predecessor, successorPresentedAt: now } : predecessor,
    ),
  };
}

/** What a rotation brings. */
export interface Rotation {
  /** SHA-256 of the new token, base64url. */
  readonly hash: string;
  readonly sealedSuccessor: string;
  readonly organizationId: string | null;
}

/** Puts a new token in the place of the current one, and lets go of the predecessors that are retired by now. */
export function rotateFamily(family: RefreshFamily, rotation: Rotation, time: FamilyTime): RefreshFamily {
  const { hash, sealedSuccessor, organizationId } = rotation;
  return {
    ...family,
    generation: family.generation + 1,
    current: hash,
    predecessors: [
      ...family.predecessors.filter((predecessor) => !isRetired(predecessor, time)),
      {
        generation: family.generation,
        hash: family.current,
        sealedSuccessor,
        organizationId,
        rotatedAt: time.now,
      },
    ],
  };
}

function isRetired(predecessor: Predecessor, { now, grace }: FamilyTime): boolean {
  return predecessor.successorPresentedAt !== undefined && now >= predecessor.rotatedAt + grace;
}

/** More rotations than this within one grace window are no member's doing; they wait. */
const MAX_PREDECESSORS = 1024;

/** What a presented refresh token is asked for. */
export interface PresentationRequest {
  /** Whether the current token is to be replaced, or only recognised. */
  readonly rotate: boolean;
  /** The organization to go on in; `null`: none, `undefined`: the one used most recently. */
  readonly organizationId: string | null | undefined;
  /** The organization used most recently. */
  readonly mostRecent: string | null;
}

/** What came of presenting a refresh token. */
export type Presentation =
  | {
      readonly status: "accepted";
      /** What the member holds from now on. */
      readonly token: ParsedRefreshToken;
      /** The same object where nothing changed. */
      readonly family: RefreshFamily;
      readonly isRotated: boolean;
    }
  | { readonly status: "retired" }
  | { readonly status: "foreign" };

/**
 * Presents a refresh token to its family.
 *
 * The current one is rotated. One that was rotated before is answered with the same successor, so that a lost reply signs
 * nobody out; where another organization is wanted, it goes on from that successor. Only what is of the family, and
 * retired, is a copy in the wrong hands.
 */
export function presentRefreshToken(
  family: RefreshFamily,
  presented: ParsedRefreshToken,
  request: PresentationRequest,
  time: FamilyTime,
): Presentation {
  if (!isOfFamily(presented, family.key)) return { status: "foreign" };
  const noted = notePresented(family, presented.generation, time.now);
  let token = presented;
  for (;;) {
    const standing = judgeToken(noted, token, time);
    switch (standing.status) {
      case "current":
        return request.rotate
          ? rotate(noted, token, request, time)
          : { status: "accepted", token, family: noted, isRotated: false };
      case "predecessor": {
        const { sealedSuccessor, organizationId } = standing.predecessor;
        const successor = openSuccessor(token, sealedSuccessor, family.key);
        if (successor === undefined) throw new StoreUnavailableError({ reason: "session_unreadable" });
        const isSame = request.organizationId === undefined || request.organizationId === organizationId;
        if (isSame || !request.rotate) {
          return { status: "accepted", token: successor, family: noted, isRotated: false };
        }
        token = successor;
        break;
      }
      default:
        return standing;
    }
  }
}

function rotate(
  family: RefreshFamily,
  token: ParsedRefreshToken,
  { organizationId, mostRecent }: PresentationRequest,
  time: FamilyTime,
): Presentation {
  const next = mintRefreshToken(bytesOf(token.sessionId), family.generation + 1, family.key);
  const rotated = rotateFamily(
    family,
    {
      hash: next.hash,
      sealedSuccessor: sealSuccessor(token, next),
      organizationId: organizationId === undefined ? mostRecent : organizationId,
    },
    time,
  );
  if (rotated.predecessors.length > MAX_PREDECESSORS) {
    throw new StoreUnavailableError({ reason: "rotating_too_fast", retryAfter: Math.ceil(time.grace) });
  }
  return { status: "accepted", token: next, family: rotated, isRotated: true };
}
