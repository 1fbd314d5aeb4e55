import { StoreUnavailableError } from "../errors.ts";
import { judgeToken, notePresented, rotateFamily } from "./refresh-family.ts";
import type { FamilyTime, RefreshFamily } from "./refresh-family.ts";
import { isOfFamily, mintRefreshToken, openSuccessor, sealSuccessor } from "./refresh-token.ts";
import type { ParsedRefreshToken } from "./refresh-token.ts";
import { bytesOf } from "./sessions.ts";

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
