import type {
  AuthenticationFactor,
  Impersonator,
  Member,
  MemberSession,
  Organization,
  Verdict,
} from "../model.ts";
import type { DirectoryUser } from "./directory.ts";

/** How a user authenticated: WorkOS's list, and whatever else an application names. */
export type AuthenticationMethod =
  | "SSO"
  | "Password"
  | "Passkey"
  | "AppleOAuth"
  | "BitbucketOAuth"
  | "CrossAppAuth"
  | "DiscordOAuth"
  | "ExternalAuth"
  | "GitHubOAuth"
  | "GitLabOAuth"
  | "GoogleOAuth"
  | "IntuitOAuth"
  | "LinkedInOAuth"
  | "MicrosoftOAuth"
  | "SalesforceOAuth"
  | "SlackOAuth"
  | "VercelMarketplaceOAuth"
  | "VercelOAuth"
  | "XeroOAuth"
  | "MagicAuth"
  | "Impersonation"
  | "MigratedSession"
  | (string & {});

/** Where a request came from; recorded on the session that it opens. */
export interface RequestOrigin {
  /** At most 45 characters are kept. */
  readonly ipAddress?: string | undefined;
  /** At most 512 characters are kept, without control characters. */
  readonly userAgent?: string | undefined;
}

/** Asks for the result to be sealed as well, in the form of the session cookie. */
export interface SealRequest {
  readonly session?:
    | {
        readonly sealSession: boolean;
        /** At least 32 characters; required to seal. */
        readonly cookiePassword?: string | undefined;
      }
    | undefined;
}

/** What the application says after it has checked the password, the magic link or the SSO response. */
export interface AuthenticateInput extends RequestOrigin, SealRequest {
  readonly userId: string;
  readonly authenticationMethod: AuthenticationMethod;
  /** Signs in to this organization, without organization selection. */
  readonly organizationId?: string | undefined;
  /** Joins the organization that the invitation was issued for, and signs in to it. */
  readonly invitationToken?: string | undefined;
  readonly impersonator?: Impersonator | undefined;
  /** How they proved who they are. @defaultValue one factor, by the method */
  readonly authenticationFactors?: readonly AuthenticationFactor[] | undefined;
  /** Carried by the token, under a name of their own; at most 4 KB of JSON. */
  readonly customClaims?: Readonly<Record<string, unknown>> | null | undefined;
}

/** The choice of an organization. */
export interface AuthenticateWithOrganizationSelectionInput extends RequestOrigin, SealRequest {
  readonly pendingAuthenticationToken: string;
  readonly organizationId: string;
  /** Joins the organization first; the invitation must be for the organization chosen. */
  readonly invitationToken?: string | undefined;
}

/** A refresh token, to be exchanged for a new pair. */
export interface AuthenticateWithRefreshTokenInput extends SealRequest {
  readonly refreshToken: string;
  /** @defaultValue the organization the session used most recently */
  readonly organizationId?: string | undefined;
}

/** What the member wants to do. */
export interface AuthorizationCheck {
  readonly organizationId: string;
  readonly resource: string;
  readonly action: string;
}

/** What goes with every authentication of an existing session. */
export interface AuthenticateSessionOptions {
  /** Extends the session to this many minutes from now, 5 to 527,040, where the store is asked; never shortens it. */
  readonly sessionDurationMinutes?: number | undefined;
  readonly authorizationCheck?: AuthorizationCheck | undefined;
}

/** A session JWT, answered locally while it is fresh. */
export interface AuthenticateJwtInput extends AuthenticateSessionOptions {
  readonly sessionJwt: string;
  /** Asks the store for tokens of this age in seconds and above; `0`: always. @defaultValue only expired ones are asked about */
  readonly maxTokenAgeSeconds?: number | undefined;
}

/** A session token, always answered by the store. */
export interface AuthenticateSessionInput extends AuthenticateSessionOptions {
  readonly sessionToken: string;
}

/** Names one session, in exactly one way. */
export interface SessionReference {
  readonly sessionId?: string | undefined;
  readonly sessionJwt?: string | undefined;
  readonly sessionToken?: string | undefined;
  readonly refreshToken?: string | undefined;
}

/** A session, and the organization it goes on in. */
export interface ExchangeInput extends SessionReference, RequestOrigin, SealRequest {
  readonly organizationId: string;
}

/** A further factor, which the application has checked. */
export interface StepUpInput extends RequestOrigin, SealRequest {
  readonly sessionId: string;
  /** Replaces the session's factor of the same type and delivery method. */
  readonly factor: AuthenticationFactor;
}

/** Whom to invite, to what. */
export interface InviteInput {
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  /** Seconds until it lapses. @defaultValue 7 days */
  readonly expiresIn?: number | undefined;
}

/** Whose sessions are meant; exactly one of them. */
export interface SessionsTarget {
  readonly memberId?: string | undefined;
  readonly userId?: string | undefined;
}

/** Which sessions to end; exactly one of them. */
export interface RevokeTarget extends SessionsTarget {
  readonly sessionId?: string | undefined;
}

/** An invitation to an organization. The token is shown this once: send it to the address. */
export interface Invitation {
  readonly id: string;
  readonly token: string;
  readonly state: "pending";
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  /** RFC 3339. */
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** A live session, as lists show it. */
export interface SessionSummary extends MemberSession {
  readonly userId: string;
  readonly ipAddress?: string;
  readonly userAgent?: string;
}

/** A completed authentication. Holds credentials: hand it to `auth.establish` or to the client, never to a log. */
export interface AuthenticationResult {
  readonly user: DirectoryUser;
  /** Absent for a user without any organization. */
  readonly organizationId?: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly authenticationMethod: AuthenticationMethod;
  readonly impersonator?: Impersonator;
  /** The value for the session cookie, where it was asked for. */
  readonly sealedSession?: string;
  readonly memberSession: MemberSession;
  readonly member: Member;
  readonly organization?: Organization;
}

/** The answer for a session JWT. What is not there was answered locally. */
export interface AuthenticateJwtResult {
  readonly memberSession: MemberSession;
  /** The one presented, or the new one where the store was asked. */
  readonly sessionJwt: string;
  /** Opaque; names the session to `authenticateSession` for as long as it lives. */
  readonly sessionToken?: string;
  readonly member?: Member;
  readonly organization?: Organization;
  /** The answer to `authorizationCheck`; always authorized, because a refusal is thrown. */
  readonly verdict?: Verdict;
}

/** The answer of the store for a session. */
export interface AuthenticateSessionResult extends AuthenticateJwtResult {
  readonly sessionToken: string;
  readonly member: Member;
}
