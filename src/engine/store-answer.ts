import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { SealedSession } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";

/** What a renewal left in place of the presented credential. */
export interface Successor {
  readonly accessToken: string;
  readonly sealed?: SealedSession;
  /** The sealed session as a cookie's value. */
  readonly cookieValue?: string;
  readonly claims?: VerifiedClaims;
}

/** What asking the store came to. */
export type StoreAnswer =
  | {
      readonly status: "active";
      readonly session: VerifiedSession;
      readonly successor: Successor;
      readonly isNew: boolean;
    }
  | { readonly status: "ended"; readonly reason: string }
  | { readonly status: "reauthenticate"; readonly reason: string; readonly url?: string }
  | { readonly status: "unrenewable" }
  | {
      readonly status: "unavailable";
      readonly reason: string;
      readonly retryAfter: number;
      /** A pair that was already rotated: it must reach the client all the same. */
      readonly successor?: Successor;
    };

/** An answer, and the place of the call among the arrivals and calls of its engine. */
export type NumberedAnswer = StoreAnswer & { readonly calledAt: number };

/** The verdict on trouble of the store's. */
export function unavailable(
  reason: string,
  retryAfter: number,
): Extract<StoreAnswer, { status: "unavailable" }> {
  return { status: "unavailable", reason, retryAfter: Math.max(1, Math.ceil(retryAfter)) };
}
