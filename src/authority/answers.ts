import type { Impersonator, Member, MemberSession, Organization, Verdict } from "../model.ts";
import type { DirectoryUser } from "./directory.ts";
import type { AuthenticationMethod } from "./operations.ts";

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
