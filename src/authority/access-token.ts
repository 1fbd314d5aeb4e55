import { randomBytes } from "node:crypto";
import { OrgateError } from "../errors.ts";
import type { AuthorityContext } from "./context.ts";
import { deadlineOf } from "./session-record.ts";
import type { SessionRecord } from "./session-record.ts";
import { memberIdOf } from "./subject.ts";
import type { Subject } from "./subject.ts";

/** The longest token that goes out; verifiers refuse longer ones undecoded. */
const MAX_TOKEN_LENGTH = 8192;
/** Header, signature (RSA of 4096 bits) and separators. */
const AROUND_CLAIMS = 1024;

/** Signs the access token of a session, acting as the subject given. */
export function issueAccessToken(
  context: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Promise<string> {
  return context.issuer.sign(buildClaims(context, record, subject), context.wire?.algorithm);
}

/** Throws `session_too_large` where a token would not be accepted back: before anything is stored. */
export function assertTokenFits(context: AuthorityContext, record: SessionRecord, subject: Subject): void {
  const bytes = Buffer.byteLength(JSON.stringify(buildClaims(context, record, subject)));
  if (Math.ceil((bytes * 4) / 3) + AROUND_CLAIMS <= MAX_TOKEN_LENGTH) return;
  throw new OrgateError("session_too_large", {
    message: "The roles, factors and custom claims of this session do not fit into an access token.",
  });
}

function buildClaims(
  context: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Readonly<Record<string, unknown>> {
  const native = buildNativeClaims(context, record, subject);
  return context.wire?.claims(native, record, subject) ?? native;
}

/** What is not a registered claim is nested, so that no custom claim can pass for one of ours. */
function buildNativeClaims(
  { settings, clock }: AuthorityContext,
  record: SessionRecord,
  subject: Subject,
): Record<string, unknown> {
  const { user, place } = subject;
  const issuedAt = Math.floor(clock());
  const [role] = place?.membership.roles ?? [];
  return {
    iss: settings.issuer,
    sub: user.id,
    sid: record.id,
    iat: issuedAt,
    exp: Math.min(
      issuedAt + Math.floor(settings.accessTokenLifetime),
      Math.floor(deadlineOf(record, settings.idleTimeout)),
    ),
    jti: randomBytes(12).toString("base64url"),
    auth_time: record.authenticatedAt,
    ...(place !== undefined && {
      org_id: place.organization.id,
      ...(role !== undefined && { role }),
      roles: place.membership.roles,
      org: { slug: place.organization.slug ?? undefined, name: place.organization.name },
    }),
    ...(record.impersonator !== undefined && {
      act: { sub: record.impersonator.email, reason: record.impersonator.reason },
    }),
    member: { id: memberIdOf(subject), email: user.emailAddress, name: user.name ?? undefined },
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
