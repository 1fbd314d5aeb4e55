import { ConfigurationError } from "../errors.ts";
import { createSealer } from "../lib/seal.ts";
import type { MemberSession } from "../model.ts";
import type { SealedSession } from "../store.ts";
import { issueAccessToken } from "./access-token.ts";
import type { AuthenticationResult, SealRequest } from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { type SessionRecord, toMemberSession } from "./sessions.ts";
import { type Subject, memberIdOf, toFullMember, toFullOrganization } from "./subject.ts";

/** WorkOS's SDKs number their one password so; their cookies and ours open alike. */
const SEAL_ID = 1;

/** Signs the access token and lays out the whole answer of an authentication. */
export async function presentAuthentication(
  context: AuthorityContext,
  { record, subject, refreshToken }: { record: SessionRecord; subject: Subject; refreshToken: string },
  request: SealRequest,
): Promise<AuthenticationResult> {
  const organization = toFullOrganization(subject);
  const result: AuthenticationResult = {
    user: subject.user,
    ...(organization !== undefined && { organizationId: organization.id }),
    accessToken: await issueAccessToken(context, record, subject),
    refreshToken,
    authenticationMethod: record.authenticationMethod,
    ...(record.impersonator !== undefined && { impersonator: record.impersonator }),
    memberSession: describeMemberSession(record, subject),
    member: toFullMember(subject),
    ...(organization !== undefined && { organization }),
  };
  const password = findSealPassword(request);
  if (password === undefined) return result;
  const sealedSession = await createSealer({ [SEAL_ID]: password }).seal(toCredential(result));
  return { ...result, sealedSession };
}

/** The part of an authentication that the session cookie carries. */
export function toCredential(result: AuthenticationResult): SealedSession {
  const { accessToken, refreshToken, user, organizationId, authenticationMethod, impersonator } = result;
  return {
    accessToken,
    refreshToken,
    user,
    ...(organizationId !== undefined && { organizationId }),
    authenticationMethod,
    ...(impersonator !== undefined && { impersonator }),
  };
}

/** The session as orgate's model has it, with the roles that the directory says now. */
export function describeMemberSession(record: SessionRecord, subject: Subject): MemberSession {
  const { place } = subject;
  return toMemberSession(record, {
    memberId: memberIdOf(subject),
    ...(place !== undefined && { organizationId: place.organization.id }),
    ...(typeof place?.organization.slug === "string" && { organizationSlug: place.organization.slug }),
    roles: place?.membership.roles ?? [],
  });
}

/** The password to seal with, if sealing was asked for. Checked before an operation does anything. */
export function findSealPassword({ session }: SealRequest): string | undefined {
  if (session?.sealSession !== true) return undefined;
  const { cookiePassword } = session;
  if (typeof cookiePassword === "string" && cookiePassword.length >= 32) return cookiePassword;
  throw new ConfigurationError([
    {
      code: cookiePassword === undefined ? "option_missing" : "option_invalid",
      option: "session.cookiePassword",
      message: "must be a string of at least 32 characters to seal a session.",
      suggestion: "Pass the password that the middleware's cookie has.",
    },
  ]);
}
