import type { EventSink } from "../events.ts";
import type { RejectedState, UnavailableState } from "../model.ts";
import type { Renewal, SealedSession, StoreContext, VerifiedClaims } from "../store.ts";
import { type VerifiedSession, credentialKey } from "./cache.ts";
import type { Credential } from "./read-credential.ts";

/** Seconds after which to try again, where nothing else is known. */
export const DEFAULT_RETRY_AFTER = 5;

/** How fresh an answer one request, or one of its guards, requires. */
export interface FreshnessRequirement {
  /** The request's place among the arrivals and store calls of the instance. */
  readonly arrivedAt: number;
  /** The strictest age that applies, in seconds; `0` asks the store. */
  readonly maxAge: number | undefined;
  /** Whether a token that is too old may be served while the store is down. */
  readonly mayServeStale: () => boolean;
  /** `false` without a response: there is nowhere to put a rotated refresh token, so none is spent. */
  readonly spendsRefreshToken: boolean;
  /** Who the client is; called only when the store is asked. */
  readonly client: () => Omit<StoreContext, "signal">;
}

/** What a client uses from now on in place of the credential it sent. */
export interface Successor {
  /** The kind of credential that it is. */
  readonly kind: Credential["kind"];
  readonly accessToken: string;
  readonly sealed?: SealedSession;
  /** The sealed session as the value of a cookie. */
  readonly cookieValue?: string;
  /** The opaque token in the cookie beside an unsealed JWT. */
  readonly opaqueToken?: string;
  /** Absent while the access token is not verified. */
  readonly claims?: VerifiedClaims;
}

/** The cache key under which a successor is found when a client sends it. */
export function keyOfSuccessor({ kind, cookieValue, accessToken }: Successor): string {
  return credentialKey(kind, cookieValue ?? accessToken);
}

/** The kind of credential that a client sends once this one was renewed: an opaque token is replaced by a JWT beside it. */
export function kindAfterRenewal(kind: Credential["kind"]): Credential["kind"] {
  return kind === "opaque" ? "jwt_cookie" : kind;
}

/** What a renewal came to. All requests with the credential share it, and late requests get it for the grace window. */
export type RenewalResult =
  | {
      readonly status: "active";
      readonly session: VerifiedSession;
      readonly successor: Successor;
      /** Whether the store replaced the credential; else it confirmed the one it was asked about. */
      readonly isNew: boolean;
    }
  | Exclude<Renewal, { status: "active" }>
  | (Unavailable & {
      /** A pair that was rotated already: the client must get it. */
      readonly successor?: Successor;
    });

/** A renewal's result, and the place of the call among the requests and store calls of the instance. */
export type SharedRenewal = RenewalResult & { readonly calledAt: number };

/** Why an answer cannot be known right now. */
export interface Unavailable {
  readonly status: "unavailable";
  /** A short label, safe in events. */
  readonly reason: string;
  /** Seconds after which to try again; `undefined` where waiting does not help. */
  readonly retryAfter: number | undefined;
  /** The error behind it. */
  readonly cause?: unknown;
}

/** What a credential came to for one request. */
export type Resolution =
  | {
      readonly status: "authenticated";
      readonly session: VerifiedSession;
      /** `store` when the store answered for this very request. */
      readonly source: "local" | "store";
      readonly successor?: Successor;
    }
  | {
      readonly status: "refused";
      readonly state: RejectedState | UnavailableState;
      /** Whether the cookie can never become good again. */
      readonly clearsCookie: boolean;
      readonly successor?: Successor;
    };

/** Refuses a credential, and reports it. */
export function refuse(
  events: EventSink,
  state: RejectedState,
  { reason, clearsCookie = false }: { readonly reason?: string; readonly clearsCookie?: boolean } = {},
): Extract<Resolution, { status: "refused" }> {
  events.emit({ type: "rejected", code: state.code, ...(reason !== undefined && { reason }) });
  return { status: "refused", state, clearsCookie };
}

/** What is reported of an answer that cannot be known. */
export type TroubleReport = Omit<Unavailable, "status"> & { readonly code?: UnavailableState["code"] };

/** Reports that an answer cannot be known. */
export function reportUnavailable(
  events: EventSink,
  { reason, retryAfter, code = "store_unavailable" }: TroubleReport,
): void {
  events.emit({ type: "unavailable", code, reason, ...(retryAfter !== undefined && { retryAfter }) });
}

/** Reports what only a developer can repair. */
export function reportMisconfigured(
  events: EventSink,
  { reason }: { readonly reason: string; readonly cause?: unknown },
): void {
  events.emit({ type: "misconfigured", reason });
}
