import { createSealer } from "../lib/crypto.ts";
import { configurationError } from "../lib/problems.ts";
import type { Impersonator, Member, MemberSession, Organization } from "../model.ts";
import { issueAccessToken } from "./access-token.ts";
import type { AuthenticationMethod } from "./authentication-factors.ts";
import type { AuthorityContext } from "./context.ts";
import { type DirectoryUser, toMemberSession, toProfile } from "./directory.ts";
import type { OpenedSession, UsedSession } from "./sessions.ts";

/** WorkOS's SDKs give their one password this number; their cookies and ours are then interchangeable. */
const SEAL_ID = 1;

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

/** What the session cookie carries of an authentication. */
export interface SessionCredential {
  readonly user: DirectoryUser;
  /** Absent for a user without any organization. */
  readonly organizationId?: string;
  readonly accessToken: string;
  readonly refreshToken?: string;
  readonly authenticationMethod: AuthenticationMethod;
  readonly impersonator?: Impersonator;
}

/** A completed authentication. Holds credentials: hand it to `auth.establish` or to the client, never to a log. */
export interface AuthenticationResult extends SessionCredential {
  readonly refreshToken: string;
  /** The value for the session cookie, if it was asked for. */
  readonly sealedSession?: string;
  readonly memberSession: MemberSession;
  readonly member: Member;
  readonly organization?: Organization;
}

/** Signs the access token of a session, and lists what the session cookie carries. */
export async function toSessionCredential(
  context: AuthorityContext,
  { record, subject, refreshToken }: UsedSession,
): Promise<SessionCredential> {
  const { user, organization } = subject;
  return {
    user,
    ...(organization !== undefined && { organizationId: organization.id }),
    accessToken: await issueAccessToken(context, record, subject),
    ...(refreshToken !== undefined && { refreshToken }),
    authenticationMethod: record.authenticationMethod,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
  };
}

/** Signs the access token of a session, and makes the whole result of an authentication. */
export async function toAuthenticationResult(
  context: AuthorityContext,
  session: OpenedSession,
  request: SealRequest,
): Promise<AuthenticationResult> {
  const { record, subject, refreshToken } = session;
  const credential = await toSessionCredential(context, session);
  const password = readSealPassword(request);
  return {
    ...credential,
    refreshToken,
    ...(password !== undefined && {
      sealedSession: await createSealer({ [SEAL_ID]: password }).seal({ ...credential }),
    }),
    memberSession: toMemberSession(record, subject),
    ...toProfile(subject),
  };
}

/** Reads the password to seal with, if sealing is asked for. Call it before an operation does anything. */
export function readSealPassword({ session }: SealRequest): string | undefined {
  if (session?.sealSession !== true) return undefined;
  const { cookiePassword } = session;
  if (typeof cookiePassword === "string" && cookiePassword.length >= 32) return cookiePassword;
  throw configurationError(
    cookiePassword === undefined ? "option_missing" : "option_invalid",
    "session.cookiePassword",
    "must be a string of at least 32 characters to seal a session.",
    "Pass the password that the middleware's cookie has.",
  );
}
