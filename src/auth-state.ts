import type { ErrorCode } from "./errors.ts";
import type { Member, MemberSession, Organization } from "./model.ts";

/** Codes of a credential that was refused. */
export type RejectionCode = Extract<
  ErrorCode,
  | "invalid_token"
  | "token_expired"
  | "session_revoked"
  | "invalid_session"
  | "ambiguous_credential"
  | "reauthentication_required"
  | "cross_site_request"
>;

/** A signed-in member. */
export interface AuthenticatedState {
  readonly status: "authenticated";
  readonly via: "bearer" | "cookie";
  readonly member: Member;
  /** Absent while no organization has been chosen. */
  readonly organization?: Organization;
  readonly memberSession: MemberSession;
}

/** Nobody: no credential was sent. */
export interface AnonymousState {
  readonly status: "anonymous";
}

/** A credential was sent and is refused. */
export interface RejectedState {
  readonly status: "rejected";
  readonly code: RejectionCode;
  readonly via: "bearer" | "cookie";
  /** For `reauthentication_required`: what the organization demands (`sso_required`, `mfa_enrollment`, ...). */
  readonly reason?: string;
  /** For `reauthentication_required`: where to authenticate, if the store knows. */
  readonly signInUrl?: string;
  /** For `reauthentication_required`: the organization to sign in to, if the store knows. */
  readonly organizationId?: string;
}

/** Whether somebody is signed in cannot be known right now. Never the same as signed out. */
export interface UnavailableState {
  readonly status: "unavailable";
  readonly code: "store_unavailable" | "clock_skew";
  /** Seconds after which to try again; absent where waiting does not help. */
  readonly retryAfter?: number;
}

/** Who is asking, as far as it can be known. */
export type AuthState = AuthenticatedState | AnonymousState | RejectedState | UnavailableState;

/** The state of a request that carries nothing. */
export const ANONYMOUS: AnonymousState = Object.freeze({ status: "anonymous" });

/** What a signed-in request has. */
export interface SignedIn {
  readonly member: Member;
  readonly organization: Organization;
  readonly memberSession: MemberSession;
}

/** A state, and the headers that must go out with whatever answer follows. */
export type DetachedState = AuthState & {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
};
