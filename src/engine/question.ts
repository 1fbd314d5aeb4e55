import type { RejectedState, UnavailableState } from "../auth-state.ts";
import { decideFreshness } from "../pipeline/decide-freshness.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { StaleCredential, StoreContext } from "../stores/session-store.ts";
import type { Engine } from "./engine.ts";
import type { Successor } from "./store-answer.ts";

/** What one request, or one guard of it, wants to know. */
export interface Question {
  /** The request's place among the arrivals and calls of the engine. */
  readonly arrivedAt: number;
  /** The strictest age that applies; `0` asks the store. */
  readonly maxAge: number | undefined;
  /** Whether a token that is too old may be served while the store is down. */
  readonly mayServeStale: () => boolean;
  /** Without a response there is nowhere to put a rotated pair, so no refresh token is spent. */
  readonly spendsRefreshToken: boolean;
  /** Asked only when the store is: finding out costs something. */
  readonly client: () => Pick<StoreContext, "ipAddress" | "userAgent">;
}

/** What came of a credential. */
export type Resolution =
  | {
      readonly status: "authenticated";
      readonly session: VerifiedSession;
      /** `store` when the store answered for this very request. */
      readonly source: "local" | "store";
      /** What the client must use from now on. */
      readonly successor?: Successor;
    }
  | {
      readonly status: "refused";
      readonly state: RejectedState | UnavailableState;
      readonly clearsCookie: boolean;
      readonly successor?: Successor;
    };

/** Whether the store must be asked, and why. */
export type Need = "fresh" | "not_yet_valid" | StaleCredential["reason"];

/** Whether a verified session answers the question as it is, or why the store must be asked. */
export function judge(engine: Engine, session: VerifiedSession, { maxAge }: Pick<Question, "maxAge">): Need {
  const { clock, clockTolerance } = engine.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance, maxAge });
  if (freshness !== "fresh") return freshness;
  return engine.invalidations.mustAsk(session) ? "asked" : "fresh";
}
