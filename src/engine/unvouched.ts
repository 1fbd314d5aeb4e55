import type { Clock } from "../clock.ts";
import { createBoundedMap } from "../pipeline/bounded-map.ts";
import type { StoreAnswer } from "./store-answer.ts";

/**
 * Stands before the store for credentials that nothing vouches for: opaque tokens, and tokens of an unknown key. Anybody can
 * make those up, so what the store refused is remembered, and too much of it closes the way for a while.
 */
export interface UnvouchedDesk {
  /** Asks, or repeats what the store said of this very credential. */
  ask(key: string, ask: () => Promise<StoreAnswer>): Promise<StoreAnswer>;
}

type Refusal = Extract<StoreAnswer, { status: "ended" | "rejected" }>;

const MOST_REMEMBERED = 10_000;
/** Calls under way. */
const MOST_AT_ONCE = 50;
/** Refusals within {@link WINDOW} seconds. */
const MOST_REFUSALS = 100;
const WINDOW = 60;

/** Opens a desk. */
export function openUnvouchedDesk(clock: Clock): UnvouchedDesk {
  const remembered = createBoundedMap<string, Refusal>(MOST_REMEMBERED);
  let refusedAt: number[] = [];
  let underWay = 0;

  const secondsClosed = (): number => {
    const now = clock();
    // A clock that was set back closes nothing for longer.
    refusedAt = refusedAt.filter((at) => now - at >= 0 && now - at < WINDOW);
    if (underWay >= MOST_AT_ONCE) return 1;
    const [oldest = now] = refusedAt;
    return refusedAt.length >= MOST_REFUSALS ? Math.ceil(oldest + WINDOW - now) : 0;
  };

  return {
    async ask(key, ask) {
      const known = remembered.get(key);
      if (known !== undefined) return known;
      const retryAfter = secondsClosed();
      if (retryAfter > 0) return { status: "unavailable", reason: "unvouched_flood", retryAfter };
      underWay += 1;
      try {
        const answer = await ask();
        if (answer.status === "ended" || answer.status === "rejected") {
          remembered.set(key, answer);
          refusedAt.push(clock());
        }
        return answer;
      } finally {
        underWay -= 1;
      }
    },
  };
}
