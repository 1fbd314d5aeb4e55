import { createSealer } from "../lib/crypto.ts";
import { configurationError, quoteName } from "../lib/problems.ts";
import type { Impersonator, MemberSession } from "../model.ts";
import { issueAccessToken } from "./access-token.ts";
import type { AuthenticationMethod } from "./authentication-factors.ts";
import type { AuthorityContext } from "./context.ts";
import { type DirectoryUser, type Subject, toMemberSession, toProfile } from "./directory.ts";
import type { AuthorityMember, AuthorityOrganization } from "./members/profile.ts";
import { MAX_SEALED_BYTES, type SealedFields, sealFields } from "./members/sealed-user.ts";
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
  /** The fields that the option `seal` names; a wire protocol's routers return the whole user. */
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
  readonly member: AuthorityMember;
  readonly organization?: AuthorityOrganization;
}

/** Signs the access token of a session, and lists what the session cookie carries. */
export async function toSessionCredential(
  context: AuthorityContext,
  { record, subject, claims, refreshToken }: UsedSession,
): Promise<SessionCredential> {
  const { user, organization } = subject;
  return {
    // What a wire protocol's client gets is in no cookie of ours.
    user: context.wire === undefined ? sealedUserOf(context, subject).user : user,
    ...(organization !== undefined && { organizationId: organization.id }),
    accessToken: await issueAccessToken(context, claims),
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
  const { user, leftOut } = sealedUserOf(context, subject);
  if (leftOut.length > 0) reportLeftOut(context, leftOut);
  return {
    ...credential,
    refreshToken,
    ...(password !== undefined && {
      sealedSession: await createSealer({ [SEAL_ID]: password }).seal({ ...credential, user }),
    }),
    memberSession: toMemberSession(record, subject),
    ...toProfile(subject),
  };
}

function sealedUserOf({ settings }: AuthorityContext, { user }: Subject): SealedFields<DirectoryUser> {
  return sealFields(user, settings.seal);
}

/** Tells the developer at sign-in, where it is noticed, and not at some renewal of a session that has grown. */
function reportLeftOut({ events }: AuthorityContext, names: readonly string[]): void {
  const list = names.map(quoteName).join(", ");
  const error = new RangeError(
    `The fields ${list} of the user do not fit into the ${MAX_SEALED_BYTES} bytes of the option seal.`,
  );
  events.emit({ type: "misconfigured", reason: "sealed_fields_too_large", error });
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
