import type { Clock } from "../clock.ts";
import { createBoundedMap } from "../pipeline/bounded-map.ts";
import type { PresentedEnd } from "../stores/session-ending.ts";
import type { StoreReply } from "./call-store.ts";
import type { StoreAnswer } from "./store-answer.ts";

/**
 * Stands before the store for credentials that nothing vouches for: opaque tokens, and tokens of an unknown key. Anybody can
 * make those up, so what the store refused is remembered, and too much of it closes the way for a while.
 */
export interface UnvouchedDesk {
  /** Asks, or repeats what the store said of this very credential. */
  ask(key: string, ask: () => Promise<StoreAnswer>): Promise<StoreAnswer>;
  /** Ends the session of one, under the same limits. Whatever that comes to, it is refused from here on. */
  end(key: string, end: () => Promise<StoreReply<PresentedEnd>>): Promise<StoreReply<PresentedEnd>>;
}

type Refusal = Extract<StoreAnswer, { status: "ended" | "rejected" }>;

/** Why there was no call. */
type Unasked =
  | { readonly status: "known"; readonly refusal: Refusal }
  | { readonly status: "closed"; readonly retryAfter: number };

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

  const limit = async <Answer>(
    key: string,
    call: () => Promise<Answer>,
    refusalIn: (answer: Answer) => Refusal | undefined,
  ): Promise<Unasked | { readonly status: "asked"; readonly answer: Answer }> => {
    const known = remembered.get(key);
    if (known !== undefined) return { status: "known", refusal: known };
    const retryAfter = secondsClosed();
    if (retryAfter > 0) return { status: "closed", retryAfter };
    underWay += 1;
    try {
      const answer = await call();
      const refusal = refusalIn(answer);
      if (refusal !== undefined) {
        remembered.set(key, refusal);
        refusedAt.push(clock());
      }
      return { status: "asked", answer };
    } finally {
      underWay -= 1;
    }
  };

  return {
    async ask(key, ask) {
      const asked = await limit(key, ask, (answer) => (isRefusal(answer) ? answer : undefined));
      if (asked.status === "asked") return asked.answer;
      if (asked.status === "known") return asked.refusal;
      return { status: "unavailable", reason: "unvouched_flood", retryAfter: asked.retryAfter };
    },
    async end(key, end) {
      const asked = await limit(key, end, (reply) => (isUnknown(reply) ? NOBODYS : undefined));
      if (asked.status === "known") return { status: "answered", value: { status: "unknown" } };
      if (remembered.get(key) === undefined) remembered.set(key, SIGNED_OUT);
      return asked.status === "asked"
        ? asked.answer
        : { status: "unavailable", retryAfter: asked.retryAfter };
    },
  };
}

const NOBODYS: Refusal = { status: "ended", reason: "session_not_found" };
const SIGNED_OUT: Refusal = { status: "ended", reason: "signed_out" };

function isRefusal(answer: StoreAnswer): answer is Refusal {
  return answer.status === "ended" || answer.status === "rejected";
}

function isUnknown(reply: StoreReply<PresentedEnd>): boolean {
  return reply.status === "answered" && reply.value.status === "unknown";
}
