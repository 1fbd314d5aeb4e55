import type { OrgateEvent } from "./events.ts";
import type { Invalidation } from "./fleet/coordinator.ts";
import type { Impersonator, Member, MemberSession, Organization, OrganizationChoice } from "./model.ts";
import type { Policy } from "./policy/policy.ts";

/** What lies in the sealed session cookie; WorkOS's own shape. */
export interface SealedSession {
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Must be the token's `sub` where it is present. */
  readonly user?: { readonly id: string; readonly [field: string]: unknown };
  readonly organizationId?: string;
  readonly authenticationMethod?: string;
  readonly impersonator?: Impersonator;
  /** Fields that others sealed beside ours; kept when the session is sealed again. */
  readonly [field: string]: unknown;
}

/** A store's reading of verified claims. */
export interface Interpretation {
  readonly memberSession: MemberSession;
  readonly member: Member;
  readonly organization?: Organization;
  /** Permission slugs carried by the token (`documents:read`). */
  readonly permissions?: readonly string[];
  /** When the session itself ends, in seconds since the epoch. */
  readonly sessionExpiresAt?: number;
  /** When the member last authenticated, in seconds since the epoch; absent when unknown. */
  readonly authenticatedAt?: number;
  /** Says that all of it is frozen at every depth: it is then shared as it is. @defaultValue a frozen copy is made of it */
  readonly isFrozen?: true;
}

/** A credential that is vouched for (a good signature, or a good seal of ours) and must be asked about. */
export interface StaleCredential {
  /** Why it is asked about. `asked`: a guard or the application wants the store's word. */
  readonly reason: "expired" | "too_old" | "asked";
  /** The bare JWT, or the one inside the seal. */
  readonly accessToken?: string;
  /** Absent where only the seal vouches (its key is no longer known), and for opaque tokens. */
  readonly claims?: VerifiedClaims;
  /** What was sealed; absent for a bearer. */
  readonly sealed?: SealedSession;
  /** An opaque session token, where the store declares that kind. */
  readonly opaqueToken?: string;
}

/** What goes with every call to a store. */
export interface StoreContext {
  readonly ipAddress?: string;
  /** Sanitised: at most 512 characters, no control characters. */
  readonly userAgent?: string;
  /** Aborts when the time budget is spent. */
  readonly signal: AbortSignal;
}

/** What goes with a renewal. */
export interface RenewContext extends StoreContext {
  /** Extend the session by this many seconds from now; absent: do not extend. */
  readonly extendBy?: number;
}

/** What goes with the question which organizations are on offer. */
export interface OrganizationsContext extends StoreContext {
  /** What the session was presented by, where it is a session that is asked about: for stores that list by credential. */
  readonly credential?: StaleCredential;
}

/** What a store says of a stale credential. Trouble is a thrown `StoreUnavailableError`. */
export type Renewal =
  | {
      readonly status: "active";
      /** What replaces the presented credential; absent: it goes on being used. */
      readonly credential?: SealedSession;
      /** When the store answered, in seconds since the epoch. */
      readonly verifiedAt: number;
      readonly member?: Member;
      readonly organization?: Organization;
    }
  | { readonly status: "ended"; readonly reason: string }
  | {
      readonly status: "reauthenticate";
      readonly reason: string;
      readonly url?: string;
      readonly organizationId?: string;
    }
  | { readonly status: "unrenewable" }
  /** For what nothing vouched for (an opaque token, an unknown key): it is none of the store's. */
  | { readonly status: "rejected"; readonly reason: string };

/** Somebody who authenticated and must still choose an organization. */
export interface PendingAuthentication {
  readonly pendingAuthenticationToken: string;
  /** Who it is, for stores that list organizations by user and not by token; sealed beside the token. */
  readonly userId?: string;
}

/** How an authentication, a selection or a switch ended. Trouble is a thrown `StoreUnavailableError`. */
export type Outcome =
  | { readonly status: "authenticated"; readonly credential: SealedSession }
  | {
      readonly status: "selection_required";
      readonly pending: PendingAuthentication;
      readonly organizations: readonly OrganizationChoice[];
    }
  | {
      readonly status: "step_up_required";
      /** `mfa`, `sso`, `email_verification`, ... */
      readonly reason: string;
      /** What the next step goes on from, in place of what was presented: `auth.pendingAuthentication(req)` reads it. */
      readonly pending?: PendingAuthentication;
      /** What the next step needs, as JSON has it; sealed beside `pending`, and in no answer. */
      readonly details?: object;
      /** Where to go on, if the store knows. */
      readonly url?: string;
    }
  | {
      readonly status: "refused";
      readonly code:
        | "organization_not_available"
        | "invalid_pending_authentication"
        | "sign_in_failed"
        | "session_revoked";
      readonly reason?: string;
    };

/** The member and organization in full, as the store knows them now. */
export interface Profile {
  readonly member: Member;
  readonly organization?: Organization;
}

/**
 * Where sessions live. The pipeline asks it only for a credential that is vouched for and stale; everything
 * else is decided locally. Write your own over any backend, and run the contract suite of `orgate/testing` against it.
 */
export interface SessionStore {
  /** How its access tokens are verified. */
  readonly tokens: TokenProfile;
  /** Its own cookies, where it has any. @defaultValue one sealed cookie, named by `baseUrl` */
  readonly credential?: CredentialProfile;
  /** What its sessions can answer; guards check it at construction. */
  readonly capabilities: Capabilities;
  /** Verified claims, and what was sealed beside them, as orgate's model. Pure. `undefined`: not a session of this store. What throws, or names nobody, cannot be known: 503. */
  interpret(claims: VerifiedClaims, sealed?: SealedSession): Interpretation | undefined;
  /** Asked only for a credential that is vouched for and stale, or of a kind that the store declares. Trouble is thrown. */
  renew(stale: StaleCredential, context: RenewContext): Promise<Renewal>;
  /** The organizations on offer; asked for again at each view, never carried. */
  organizations?(
    of: PendingAuthentication | MemberSession,
    context: OrganizationsContext,
  ): Promise<OrganizationChoice[]>;
  /** Finishes what is pending in the organization that was chosen. What it refuses must not spend the pending token. */
  selectOrganization?(
    pending: PendingAuthentication,
    organizationId: string,
    context: StoreContext,
  ): Promise<Outcome>;
  /** Continues the session in another organization, under a new session id. */
  switchOrganization?(
    stale: StaleCredential,
    organizationId: string,
    context: StoreContext,
  ): Promise<Outcome>;
  /** For hosted sign-in: where the browser goes, and what `completeSignIn` needs to know of it (state, PKCE); sealed meanwhile. */
  beginSignIn?(options: BeginSignInOptions): { readonly url: string; readonly state: unknown };
  /** What came of it, by the query that the browser comes back with. */
  completeSignIn?(query: URLSearchParams, state: unknown, context: StoreContext): Promise<Outcome>;
  /** Ends a session, or all of a member's; `redirectTo` is where the browser must go for it too. */
  endSession?(target: EndSessionTarget, context: StoreContext): Promise<{ readonly redirectTo?: string }>;
  /**
   * Ends the session of a credential that the store alone can read (an opaque token, a token whose key is gone), or all of its
   * member's; for sign-outs that know no session. Throws like `endSession` where it cannot be done now.
   */
  endPresented?(
    of: StaleCredential,
    scope: "session" | "member",
    context: StoreContext,
  ): Promise<PresentedEnd>;
  /** The RBAC policy in force, for stores that keep one. */
  policy?(organizationId: string | undefined, context: StoreContext): Promise<Policy>;
  /** The full member and organization, without spending the credential. */
  profile?(of: StaleCredential, context: StoreContext): Promise<Profile | undefined>;
  /** Tells, within this process and at once, what is no longer valid; returns the way to stop. */
  onInvalidated?(listener: (target: Invalidation) => void): () => void;
  /** Tells the middleware's `events` what the store notices by itself (a reused refresh token); returns the way to stop. */
  onEvent?(listener: (event: OrgateEvent) => void): () => void;
}

/** A public key as a store publishes it (RFC 7517). */
export interface JsonWebKey {
  readonly kty: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: string;
  readonly [parameter: string]: unknown;
}

/** A set of public keys (RFC 7517 section 5). */
export interface JsonWebKeySet {
  readonly keys: readonly JsonWebKey[];
}

/** Where a store's keys come from. orgate keeps them: single flight, back-off, stale-if-error, a negative answer for unknown keys. */
export interface KeySource {
  /** Fetches the whole set. Throws when it cannot be had; obeys the signal. */
  load(signal: AbortSignal): Promise<JsonWebKeySet>;
  /** Seconds after which the set is fetched anew in the background. @defaultValue 600 */
  readonly maxAge?: number;
  /** Seconds between two fetches that unknown keys can cause; `0` for keys in the same process. @defaultValue 30 */
  readonly cooldown?: number;
  /** For keys in the same process: something that becomes another value whenever they change. Until then an unknown key causes no fetch. */
  readonly revision?: () => unknown;
}

/** Signature algorithms that orgate verifies (RFC 7518 section 3.1, RFC 8037, RFC 9864). */
export type Algorithm = "RS256" | "PS256" | "ES256" | "EdDSA" | "Ed25519";

/** How a store's access tokens are verified. */
export interface TokenProfile {
  readonly keys: KeySource;
  /** Accepted `iss` values, compared as exact strings. Empty: `iss` is not checked. */
  readonly issuers: readonly string[];
  /** Checked only if given: one of these must be in `aud`. */
  readonly audience?: readonly string[];
  readonly algorithms: readonly Algorithm[];
  /** Accepted `typ` header values, compared case-insensitively; `""` accepts a header without one. */
  readonly types: readonly string[];
  /** Header parameters allowed beside `alg`, `kid` and `typ`. @defaultValue none */
  readonly headerParameters?: readonly string[];
  /**
   * A token that no key of the source has signed, and that no seal vouches for. `"ask"`: the store is asked, once per
   * distinct token, bounded; a refusal is remembered. @defaultValue "reject"
   */
  readonly unknownKey?: "reject" | "ask";
  /** The claim without which a token is no session. */
  readonly sessionClaim: string;
}

/** Claims of a token whose signature, issuer, audience and class were verified. Times are judged later. */
export interface VerifiedClaims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  readonly [claim: string]: unknown;
}

/** How a store's sessions travel, where it has its own ways. */
export interface CredentialProfile {
  /** The session cookie's name. @defaultValue by `baseUrl`: `__Host-orgate`, ... */
  readonly cookieName?: string;
  /**
   * The password's id that sealed sessions carry, whichever password seals: for other libraries that read the same cookie
   * and know one id alone. @defaultValue the password's own number
   */
  readonly passwordId?: string;
  /**
   * A cookie that holds an opaque session token, asked about once per distinct value. Read, and written back from the
   * credential's `refreshToken`, beside the cookie that holds an unsealed JWT.
   */
  readonly opaqueCookieName?: string;
}

/** What a store's sessions can answer; guards check it at construction. */
export interface Capabilities {
  /** Sessions list their authentication factors. */
  readonly factors: boolean;
  /** Sessions say when the member authenticated. */
  readonly authenticationTime: boolean;
  /** Sessions say who impersonates. */
  readonly impersonation: boolean;
  /** Tokens carry permission slugs. @defaultValue false */
  readonly permissions?: boolean;
  /** A bare JWT can be renewed, without a refresh token. */
  readonly renewsBareToken: boolean;
  /** A renewal spends what was presented: what takes its place must not be lost, whatever it is. @defaultValue true */
  readonly renewalSpends?: boolean;
  /** A session keeps its id when it is switched to another organization: the upstream's choice. @defaultValue false */
  readonly switchKeepsSessionId?: boolean;
  /** A switch to another organization keeps the token's `sub`: it names the user, not the member. @defaultValue true */
  readonly switchKeepsSubject?: boolean;
  /** The store's policy differs between organizations, and is loaded for each. @defaultValue true */
  readonly policyByOrganization?: boolean;
}

/** Whose sessions end. */
export type EndSessionTarget = { readonly sessionId: string } | { readonly memberId: string };

/** What became of a credential's session. `unknown`: it is nobody's, or over already. */
export type PresentedEnd =
  | {
      readonly status: "ended";
      /** Whose it was, where the store learned it on the way. */
      readonly sessionId?: string;
      readonly memberId?: string;
      /** Where the store wants the browser to go. */
      readonly redirectTo?: string;
    }
  | { readonly status: "unknown" };

/** What `beginSignIn` is asked for. */
export interface BeginSignInOptions {
  /** The organization to sign in to. @defaultValue the store, or the person, chooses */
  readonly organizationId?: string;
  /** Who is expected: an e-mail address that the page is filled in with. */
  readonly loginHint?: string;
  /** Which page comes first. @defaultValue the store's own */
  readonly screenHint?: "sign-in" | "sign-up";
  /** Seconds: whoever authenticated longer ago does so again. @defaultValue the store's own session counts */
  readonly maxAge?: number;
  /** The invitation that the person followed. */
  readonly invitationToken?: string;
  /** Where the store sends the browser back to. @defaultValue the store's own option */
  readonly redirectUri?: string;
}
