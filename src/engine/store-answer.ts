import type { Credential } from "../pipeline/read-credential.ts";
import { credentialKey, type VerifiedSession } from "../pipeline/verified-cache.ts";
import type { SealedSession } from "../stores/session-store.ts";
import type { VerifiedClaims } from "../stores/token-profile.ts";

/** What a renewal left in place of the presented credential. */
export interface Successor {
  readonly accessToken: string;
  readonly sealed?: SealedSession;
  /** The sealed session as a cookie's value. */
  readonly cookieValue?: string;
  /** What the cookie beside an unsealed JWT holds from now on. */
  readonly opaqueToken?: string;
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
  | {
      readonly status: "reauthenticate";
      readonly reason: string;
      readonly url?: string;
      readonly organizationId?: string;
    }
  | { readonly status: "unrenewable" }
  /** None of the store's: said of what nothing vouched for. */
  | { readonly status: "rejected"; readonly reason: string }
  | {
      readonly status: "unavailable";
      readonly reason: string;
      /** `undefined`: waiting does not help. */
      readonly retryAfter: number | undefined;
      /** A pair that was already rotated: it must reach the client all the same. */
      readonly successor?: Successor;
    };

/** An answer, and the place of the call among the arrivals and calls of its engine. */
export type NumberedAnswer = StoreAnswer & { readonly calledAt: number };

/** The verdict on trouble of the store's. */
export function unavailable(
  reason: string,
  retryAfter: number | undefined,
): Extract<StoreAnswer, { status: "unavailable" }> {
  return { status: "unavailable", reason, retryAfter: retryAfter && Math.max(1, Math.ceil(retryAfter)) };
}

/** How a credential is presented once it was renewed: a session token has become the JWT that is read before it. */
export function kindAfter(kind: Credential["kind"]): Credential["kind"] {
  return kind === "opaque" ? "jwt_cookie" : kind;
}

/** Names what a renewal left in place of a credential of this kind. */
export function keyOfSuccessor(
  kind: Credential["kind"],
  { cookieValue, accessToken }: Pick<Successor, "cookieValue" | "accessToken">,
): string {
  return credentialKey(kindAfter(kind), cookieValue ?? accessToken);
}
