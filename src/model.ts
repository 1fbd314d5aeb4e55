import type { ErrorCode } from "./errors.ts";

/** A user within one organization, as the token or the sealed session beside it describes them. */
export interface Member {
  /** The membership's id (Stytch `member_id`); the user's id where the store has no memberships. */
  readonly id: string;
  /** The user's id across organizations, where the store has one. */
  readonly userId?: string;
  /** Absent while no organization has been chosen. */
  readonly organizationId?: string;
  /** The session's roles, not the member's own list: these decide. */
  readonly roles: readonly string[];
  readonly emailAddress?: string;
  readonly name?: string;
}

/** The organization (tenant) that a session is signed in to. */
export interface Organization {
  readonly id: string;
  /** Chosen by the tenant: never compare it with an id. */
  readonly slug?: string;
  readonly name?: string;
}

/**
 * Why a member holds a role. `email_assignment`, `sso_connection`, `sso_connection_group` and `scim_connection_group` are implicit:
 * the member holds the role as long as the reason lasts.
 */
export type RoleSource =
  | { readonly type: "direct_assignment" }
  | { readonly type: "email_assignment"; readonly emailDomain: string }
  | { readonly type: "sso_connection"; readonly connectionId: string }
  | { readonly type: "sso_connection_group"; readonly connectionId: string; readonly group: string }
  | { readonly type: "scim_connection_group"; readonly connectionId: string; readonly groupId: string };

/** A role and why the member holds it. */
export interface RoleAssignment<Role extends string = string> {
  readonly role: Role;
  /** At least one. */
  readonly sources: readonly RoleSource[];
}

/** One way in which the member authenticated (`authentication_factors[]` in camelCase). */
export interface AuthenticationFactor {
  /** `password`, `magic_link`, `sso`, `totp`, ... */
  readonly type: string;
  /** `knowledge`, `email`, `sso_saml`, `authenticator_app`, ... */
  readonly deliveryMethod?: string;
  /** RFC 3339. */
  readonly lastAuthenticatedAt?: string;
  readonly createdAt?: string;
  readonly updatedAt?: string;
  readonly sequenceOrder?: "PRIMARY" | "SECONDARY";
  /** The store's own details of the factor (`emailFactor`, `samlSsoFactor`, ...), in camelCase. */
  readonly [detail: `${string}Factor`]: unknown;
}

/** Who acts in the member's name (RFC 8693 `act`). */
export interface Impersonator {
  readonly email: string;
  readonly reason?: string;
}

/** One signed-in session of a member. Times are RFC 3339, and absent where the store does not give them. */
export interface MemberSession {
  readonly id: string;
  readonly memberId: string;
  readonly organizationId?: string;
  readonly organizationSlug?: string;
  readonly startedAt?: string;
  readonly lastAccessedAt?: string;
  readonly expiresAt?: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly roles: readonly string[];
  /** Why the session holds those of its roles that were not assigned directly; absent if there are none, or the store does not tell. */
  readonly roleAssignments?: readonly RoleAssignment[];
  /** `null` if there are none. */
  readonly customClaims: Readonly<Record<string, unknown>> | null;
  readonly impersonator?: Impersonator;
  readonly authenticationMethod?: string;
  /** What the organization has paid for, where the store's tokens list it. */
  readonly entitlements?: readonly string[];
  /** The feature flags that are on, where the store's tokens list them. */
  readonly featureFlags?: readonly string[];
}

/** Whether a member may do something, with the reasons that a log or an audit needs. */
export interface Verdict {
  readonly authorized: boolean;
  /** **All** roles of the session that grant it. Empty when denied, or when a permission slug granted it. */
  readonly grantingRoles: readonly string[];
  /** Why the session holds those of the granting roles that were not assigned directly. Absent if there are none, or unknown. */
  readonly grantingAssignments?: readonly RoleAssignment[];
  readonly resource: string;
  readonly action: string;
  readonly organizationId?: string;
  /** Whether a role of the policy or a permission slug in the token decided. */
  readonly via: "role" | "permission";
  /** `store` when the roles were fetched for this very request. */
  readonly source: "local" | "store";
}

/** An organization that can be chosen in organization selection. */
export interface OrganizationChoice {
  readonly id: string;
  readonly name: string;
}

/** Codes of a refused credential. */
export type RejectionCode = Extract<
  ErrorCode,
  | "invalid_token"
  | "token_expired"
  | "session_revoked"
  | "invalid_session"
  | "ambiguous_credential"
  | "reauthentication_required"
  | "cross_site_request"
  | "token_too_old"
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

/** No credential was sent. */
export interface AnonymousState {
  readonly status: "anonymous";
}

/** A credential was sent and refused. */
export interface RejectedState {
  readonly status: "rejected";
  readonly code: RejectionCode;
  readonly via: "bearer" | "cookie";
  /** For `reauthentication_required`: what the organization requires (`sso_required`, `mfa_enrollment`, ...). */
  readonly reason?: string;
  /** For `reauthentication_required`: where to authenticate, if the store knows. */
  readonly signInUrl?: string;
  /** For `reauthentication_required`: the organization to sign in to, if the store knows. */
  readonly organizationId?: string;
}

/** Nobody can know right now who is signed in. Never the same as signed out. */
export interface UnavailableState {
  readonly status: "unavailable";
  readonly code: "store_unavailable" | "clock_skew";
  /** Seconds after which to try again; absent where waiting does not help. */
  readonly retryAfter?: number;
}

/** Who is asking, as far as orgate can know. */
export type AuthState = AuthenticatedState | AnonymousState | RejectedState | UnavailableState;

/** The state of a request without a credential. */
export const ANONYMOUS: AnonymousState = Object.freeze({ status: "anonymous" });

/** Who a signed-in request comes from. */
export interface SignedIn {
  readonly member: Member;
  /** Absent while no organization has been chosen. */
  readonly organization?: Organization;
  readonly memberSession: MemberSession;
}

/** A state, and the headers that must go out with the response. */
export type DetachedState = AuthState & {
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
};

/** Why a request does not reach its handler, and the answer it would get. */
export interface Denial {
  readonly code: ErrorCode;
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  /** Response headers that belong to the answer (`WWW-Authenticate`, `Retry-After`). */
  readonly headers: Readonly<Record<string, string>>;
  /** Members of the problem beside the standard ones: `resource`, `action`, `organizations`, ... */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** Where a browser is sent instead, if anywhere. */
  readonly redirectTo?: string;
  /** Gives the default answer. */
  respond(): void;
}

/** One of orgate's pages, as `pages.render` gets it. */
export interface PageView {
  readonly status: number;
  /** The heading. A text: escape it. */
  readonly title: string;
  /** Why the page is shown instead of the requested one; absent on the organization selection. */
  readonly code?: ErrorCode;
  /** What stands in orgate's `<main>`, the heading included. HTML, in which everything from outside is escaped. */
  readonly content: string;
}
