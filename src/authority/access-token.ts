import { OrgateError } from "../errors.ts";
import { MAX_TOKEN_LENGTH } from "../tokens/verify-token.ts";
import type { AuthorityContext } from "./context.ts";
import { type SessionRecord, deadlineOf } from "./records.ts";
import { makeSecret } from "./secrets.ts";
import { type Subject, memberIdOf, rolesOf } from "./subject.ts";

/** Header, signature (RSA of 4096 bits) and separators. */
const LENGTH_AROUND_CLAIMS = 1024;

/** Signs the access token of a session, acting as the subject. */
export function issueAccessToken(
  context: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Promise<string> {
  return context.issuer.sign(buildClaims(context, record, subject), context.wire?.algorithm);
}

/** Throws `session_too_large` if verifiers would reject the token. Call it before anything is stored. */
export function assertTokenFits(context: AuthorityContext, record: SessionRecord, subject: Subject): void {
  const bytes = Buffer.byteLength(JSON.stringify(buildClaims(context, record, subject)));
  if (Math.ceil((bytes * 4) / 3) + LENGTH_AROUND_CLAIMS <= MAX_TOKEN_LENGTH) return;
  throw new OrgateError("session_too_large", {
    message: "The roles, factors and custom claims of this session do not fit into an access token.",
  });
}

type Claims = Readonly<Record<string, unknown>>;

function buildClaims(context: AuthorityContext, record: SessionRecord, subject: Subject): Claims {
  const native = buildNativeClaims(context, record, subject);
  return context.wire?.claims(native, record, subject) ?? native;
}

/** Claims that are not registered are nested, so that no custom claim can pass for one of ours. */
function buildNativeClaims(
  { settings, clock }: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Claims {
  const { user, organization } = subject;
  const roles = rolesOf(subject);
  const issuedAt = Math.floor(clock());
  const deadline = Math.floor(deadlineOf(record, settings.idleTimeout));
  return {
    iss: settings.issuer,
    sub: user.id,
    sid: record.id,
    iat: issuedAt,
    exp: Math.min(issuedAt + Math.floor(settings.accessTokenLifetime), deadline),
    jti: makeSecret(12),
    auth_time: record.authenticatedAt,
    ...(organization !== undefined && {
      org_id: organization.id,
      role: roles[0],
      roles,
      org: { slug: organization.slug, name: organization.name },
    }),
    ...(record.impersonator !== undefined && {
      act: { sub: record.impersonator.email, reason: record.impersonator.reason },
    }),
    member: { id: memberIdOf(subject), email: user.emailAddress, name: user.name },
    session: {
      started_at: record.startedAt,
      last_accessed_at: record.lastAccessedAt,
      expires_at: record.expiresAt,
      factors: record.authenticationFactors,
      method: record.authenticationMethod,
    },
    ...(record.customClaims !== null && { custom_claims: record.customClaims }),
  };
}
