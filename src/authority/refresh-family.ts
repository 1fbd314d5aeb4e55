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
