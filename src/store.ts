import type { OrgateEvent } from "./events.ts";
import type { Invalidation } from "./fleet/coordinator.ts";
import type { Impersonator, Member, MemberSession, Organization, OrganizationChoice } from "./model.ts";
import type { Policy } from "./policy/policy.ts";

/** The contents of the sealed session cookie, in the form of WorkOS. */
export interface SealedSession {
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Its id must be the token's `sub`. */
  readonly user?: { readonly id: string; readonly [field: string]: unknown };
  readonly organizationId?: string;
  readonly authenticationMethod?: string;
  readonly impersonator?: Impersonator;
  /** Fields that other libraries sealed; kept when the session is sealed again. */
  readonly [field: string]: unknown;
}

/** What verified claims mean to a store. */
export interface Interpretation {
  readonly memberSession: MemberSession;
  readonly member: Member;
  readonly organization?: Organization;
  /** Permission slugs in the token (`documents:read`). */
  readonly permissions?: readonly string[];
  /** When the session itself ends, in seconds since the epoch. */
  readonly sessionExpiresAt?: number;
  /** When the member last authenticated, in seconds since the epoch; absent when unknown. */
  readonly authenticatedAt?: number;
  /** Promises that everything here is frozen at every depth, so that orgate makes no copy. @defaultValue orgate copies and freezes it */
  readonly isFrozen?: true;
}

/** A verified credential (a good signature, or a good seal of ours) that the store must be asked about. */
export interface StaleCredential {
  /**
   * Why the store is asked. `expired`: also where the token is about to expire (`renewAhead`). `asked`: a guard or the application
   * requires an answer of the store.
   */
  readonly reason: "expired" | "too_old" | "asked";
  /** The bare JWT, or the one inside the seal. */
  readonly accessToken?: string;
  /** Absent where only the seal was verified (the token's key is no longer known), and for opaque tokens. */
  readonly claims?: VerifiedClaims;
  /** The contents of the sealed cookie; absent for a bearer token. */
  readonly sealed?: SealedSession;
  /** An opaque session token, where the store declares that kind. */
  readonly opaqueToken?: string;
}

/** What every call to a store gets. */
export interface StoreContext {
  readonly ipAddress?: string;
  /** At most 512 characters, without control characters. */
  readonly userAgent?: string;
  /** Aborts when the time budget is spent. */
  readonly signal: AbortSignal;
}

/** What a renewal gets. */
export interface RenewContext extends StoreContext {
  /** Seconds from now by which to extend the session. @defaultValue it is not extended */
  readonly extendBy?: number;
}

/** What a request for the list of organizations gets. */
export interface OrganizationsContext extends StoreContext {
  /** The session's credential, for stores that list organizations by credential. */
  readonly credential?: StaleCredential;
}

/** What a store answers about a stale credential. For trouble it throws a `StoreUnavailableError`. */
export type Renewal<FullProfile extends Profile = Profile> =
  | {
      readonly status: "active";
      /** The new credential. @defaultValue the client keeps the credential it has */
      readonly credential?: SealedSession;
      /**
       * As of when the answer holds, in seconds since the epoch: when the store read it. orgate takes the moment at which it called
       * `renew` where that is earlier.
       */
      readonly verifiedAt: number;
      readonly member?: FullProfile["member"];
      readonly organization?: NonNullable<FullProfile["organization"]>;
    }
  | { readonly status: "ended"; readonly reason: string }
  | {
      readonly status: "reauthenticate";
      readonly reason: string;
      readonly url?: string;
      readonly organizationId?: string;
    }
  | { readonly status: "unrenewable" }
  /** The credential is not one of this store's. Only for kinds that cannot be verified locally (an opaque token, an unknown key). */
  | { readonly status: "rejected"; readonly reason: string };

/** An authentication that still needs an organization or a further step. */
export interface PendingAuthentication {
  readonly pendingAuthenticationToken: string;
  /** The user's id, for stores that list organizations by user and not by token. Sealed beside the token. */
  readonly userId?: string;
}

/** How an authentication, a selection or a switch ended. For trouble the store throws a `StoreUnavailableError`. */
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
      /** The pending authentication that the next step continues: `auth.pendingAuthentication(req)` reads it. */
      readonly pending?: PendingAuthentication;
      /** JSON that the next step needs. Sealed beside `pending`, and in no response. */
      readonly details?: object;
      /** Where the next step takes place, if the store knows. */
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

/** An invitation as the page shows it on which it is accepted. */
export interface InvitationView {
  readonly organization: OrganizationChoice;
  /** The address that was invited: only its user can accept. */
  readonly emailAddress: string;
  /** RFC 3339. */
  readonly expiresAt: string;
}

/** The member and organization in full, as the store knows them now. */
export interface Profile {
  readonly member: Member;
  readonly organization?: Organization;
}

declare const fullProfile: unique symbol;

/**
 * Where sessions live. orgate asks it only about a credential that is verified and stale, and decides everything else locally.
 * Write your own over any backend, and run the contract suite of `orgate/testing` against it.
 */
export interface SessionStore<FullProfile extends Profile = Profile> {
  /** The type of `auth.profile(req)`; has no value. */
  readonly [fullProfile]?: FullProfile;
  /** How its access tokens are verified. */
  readonly tokens: TokenProfile;
  /** Its own cookies. @defaultValue one sealed cookie, named by `baseUrl` */
  readonly credential?: CredentialProfile;
  /** What its sessions can answer; guards check it at construction. */
  readonly capabilities: Capabilities;
  /**
   * Interprets verified claims, and what was sealed beside them. Pure. Returns `undefined` for claims that are no session of this
   * store. If it throws or names nobody, the answer is 503.
   */
  interpret(claims: VerifiedClaims, sealed?: SealedSession): Interpretation | undefined;
  /** Renews a credential that is verified and stale, or of a kind that the store declares. Throws where it cannot tell. */
  renew(stale: StaleCredential, context: RenewContext): Promise<Renewal<FullProfile>>;
  /** Lists the organizations that can be chosen. Called for each view; the list is never kept. */
  organizations?(
    of: PendingAuthentication | MemberSession,
    context: OrganizationsContext,
  ): Promise<OrganizationChoice[]>;
  /** Completes a pending authentication in the chosen organization. A refusal must not spend the pending token. */
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
  /** Reads an invitation without spending it; `undefined` if its token is not good. */
  describeInvitation?(invitationToken: string, context: StoreContext): Promise<InvitationView | undefined>;
  /**
   * Accepts an invitation for the user who is signing in (a pending authentication) or signed in, and continues in its
   * organization. A refusal must spend neither the invitation nor the credential.
   */
  joinOrganization?(
    of: PendingAuthentication | StaleCredential,
    invitationToken: string,
    context: StoreContext,
  ): Promise<Outcome>;
  /** For hosted sign-in: returns where the browser goes, and what `completeSignIn` needs (state, PKCE), which is sealed meanwhile. */
  beginSignIn?(options: BeginSignInOptions): { readonly url: string; readonly state: unknown };
  /** Completes a hosted sign-in from the query that the browser returns with. */
  completeSignIn?(query: URLSearchParams, state: unknown, context: StoreContext): Promise<Outcome>;
  /** Ends a session, or all sessions of a member or a user. `redirectTo` is where the browser must go for that too. */
  endSession?(target: EndSessionTarget, context: StoreContext): Promise<{ readonly redirectTo?: string }>;
  /**
   * Ends the session of a credential that only the store can read (an opaque token, a token whose key is gone), or all sessions
   * of its member or user. Throws like `endSession` where it cannot be done now.
   */
  endPresented?(
    of: StaleCredential,
    scope: "session" | "member" | "user",
    context: StoreContext,
  ): Promise<PresentedEnd>;
  /**
   * Returns where a browser must go so that the store's own page forgets it too. Asks nobody, so that it works while the store
   * is down. `returnTo` is an absolute URL.
   */
  logoutUrl?(of: LogoutTarget, options: { readonly returnTo?: string }): string | undefined;
  /** Loads the RBAC policy in force, for stores that keep one. */
  policy?(organizationId: string | undefined, context: StoreContext): Promise<Policy>;
  /** Loads the full member and organization, without spending the credential. */
  profile?(of: StaleCredential, context: StoreContext): Promise<FullProfile | undefined>;
  /** Asks whether the store answers now; throws where it does not. For `auth.health()`. */
  ping?(context: StoreContext): Promise<void>;
  /** Tells the listener at once, within this process, what is no longer valid. Returns a function that stops it. */
  onInvalidated?(listener: (target: Invalidation) => void): () => void;
  /** Hears what was invalidated in another process, for what the store itself decides from tokens that are fresh. */
  hearInvalidation?(target: Invalidation): void;
  /** Passes events of the store's own (a reused refresh token) to the listener. Returns a function that stops it. */
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

/** Where a store's keys come from. orgate caches them: single flight, back-off, stale-if-error, a negative cache for unknown keys. */
export interface KeySource {
  /** Fetches the whole set. Throws where it cannot; obeys the signal. */
  load(signal: AbortSignal): Promise<JsonWebKeySet>;
  /** Seconds after which the set is fetched again in the background. @defaultValue 600 */
  readonly maxAge?: number;
  /** Seconds between two fetches that unknown keys can cause; `0` for keys in the same process. @defaultValue 30 */
  readonly cooldown?: number;
  /** Seconds between two fetches after failures, at most: 1 s, doubling to this. @defaultValue 60 */
  readonly maxBackOff?: number;
  /** For keys in the same process: returns another value whenever they change. Until then an unknown key causes no fetch. */
  readonly revision?: () => unknown;
}

/** Signature algorithms that orgate verifies (RFC 7518 section 3.1, RFC 8037, RFC 9864). */
export type Algorithm = "RS256" | "PS256" | "ES256" | "EdDSA" | "Ed25519";

/** How a store's access tokens are verified. */
export interface TokenProfile {
  readonly keys: KeySource;
  /** Accepted `iss` values, compared exactly. Empty: `iss` is not checked. */
  readonly issuers: readonly string[];
  /** One of these must be in `aud`. @defaultValue `aud` is not checked */
  readonly audience?: readonly string[];
  readonly algorithms: readonly Algorithm[];
  /** Accepted `typ` header values, compared case-insensitively; `""` accepts a header without one. */
  readonly types: readonly string[];
  /** Header parameters allowed beside `alg`, `kid` and `typ`. @defaultValue none */
  readonly headerParameters?: readonly string[];
  /**
   * What happens to a bare token that no known key has signed. `"ask"`: the store is asked once per distinct token, within
   * limits; a refusal is remembered. @defaultValue "reject"
   */
  readonly unknownKey?: "reject" | "ask";
  /** The claim without which a token is no session. */
  readonly sessionClaim: string;
  /** Lower limits for the store's tokens. @defaultValue 12,288 characters, 32 levels of JSON, 4,000 keys */
  readonly limits?: TokenLimits;
}

/** How large a store's tokens may be. */
export interface TokenLimits {
  /** Characters of the whole token; at most 12,288. */
  readonly maxLength?: number;
  /** Levels of objects and arrays in the claims, the outermost included. */
  readonly depth?: number;
  /** Members of all objects in the claims together. */
  readonly keys?: number;
}

/** Claims of a token whose signature, issuer, audience and class were verified. Times are checked later. */
export interface VerifiedClaims {
  readonly sub: string;
  readonly iat: number;
  readonly exp: number;
  readonly nbf?: number;
  readonly [claim: string]: unknown;
}

/** A store's own cookies. */
export interface CredentialProfile {
  /** The session cookie's name. @defaultValue by `baseUrl`: `__Host-orgate`, ... */
  readonly cookieName?: string;
  /**
   * The password id written into sealed sessions, for other libraries that read the same cookie and know only one id.
   * @defaultValue the password's own number
   */
  readonly passwordId?: string;
  /**
   * A cookie with an opaque session token, beside the cookie with an unsealed JWT. The store is asked about it once per distinct
   * value; it is written from the credential's `refreshToken`.
   */
  readonly opaqueCookieName?: string;
}

/** What a store's sessions can answer; guards check it at construction. */
export interface Capabilities {
  /** Sessions list their authentication factors. */
  readonly factors: boolean;
  /** Sessions tell when the member authenticated. */
  readonly authenticationTime: boolean;
  /** Sessions tell who impersonates. */
  readonly impersonation: boolean;
  /** Tokens carry permission slugs. @defaultValue false */
  readonly permissions?: boolean;
  /** A bare JWT can be renewed, without a refresh token. */
  readonly renewsBareToken: boolean;
  /**
   * A renewal spends the credential, so that its successor must never be lost, and two processes must not renew it at once.
   * `"expired"`: only where the token has expired. @defaultValue true
   */
  readonly renewalSpends?: boolean | "expired";
  /** A session keeps its id when it is switched to another organization. @defaultValue false */
  readonly switchKeepsSessionId?: boolean;
  /** A switch to another organization keeps the token's `sub`: it names the user, not the member. @defaultValue true */
  readonly switchKeepsSubject?: boolean;
  /** The store's policy differs between organizations, and is loaded for each. @defaultValue true */
  readonly policyByOrganization?: boolean;
}

/** Which sessions end. */
export type EndSessionTarget =
  | { readonly sessionId: string }
  | { readonly memberId: string }
  /** All sessions of the user, in every organization. Only for sessions whose member has a `userId`. */
  | { readonly userId: string };

/** A session that ends: by its id, or by a credential that was sealed here. */
export type LogoutTarget = { readonly sessionId: string } | StaleCredential;

/** What became of a credential's session. `unknown`: there is none, or it has ended already. */
export type PresentedEnd =
  | {
      readonly status: "ended";
      /** The session's own ids, where the store learned them. */
      readonly sessionId?: string;
      readonly memberId?: string;
      /** For a sign-out of the user, where the store has users. */
      readonly userId?: string;
      /** Where the store wants the browser to go. */
      readonly redirectTo?: string;
    }
  | { readonly status: "unknown" };

/** Options of `beginSignIn`. */
export interface BeginSignInOptions {
  /** The organization to sign in to. @defaultValue the store or the user chooses */
  readonly organizationId?: string;
  /** The e-mail address that the page is filled in with. */
  readonly loginHint?: string;
  /** Which page comes first. @defaultValue the store's own choice */
  readonly screenHint?: "sign-in" | "sign-up";
  /** Seconds after which the user must authenticate again. @defaultValue the store's own session counts */
  readonly maxAge?: number;
  /** The invitation that the user followed. */
  readonly invitationToken?: string;
  /** Where the store sends the browser back to. @defaultValue the store's own option */
  readonly redirectUri?: string;
  /** The single sign-on connection to sign in by, in place of the store's own page. */
  readonly connectionId?: string;
}
