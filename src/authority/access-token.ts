import { OrgateError, StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { type Clock, formatTime, isWritableTime } from "../lib/clock.ts";
import {
  type Predicate,
  absentOr,
  arrayOf,
  isObject,
  isString,
  isText,
  nullOr,
  objectWith,
} from "../lib/values.ts";
import type {
  AuthenticationFactor,
  Impersonator,
  Member,
  MemberSession,
  Organization,
  RoleAssignment,
} from "../model.ts";
import type { Interpretation, TokenProfile, VerifiedClaims } from "../store.ts";
import { createKeySet } from "../tokens/key-set.ts";
import { MAX_TOKEN_LENGTH, createTokenVerifier } from "../tokens/verify-token.ts";
import type { AuthorityContext } from "./context.ts";
import { type Subject, implicitRolesOf, memberIdOf, rolesOf } from "./directory.ts";
import { type SessionRecord, deadlineOf, isFactor } from "./records.ts";
import { isRoleAssignment } from "./members/roles.ts";
import { makeSecret } from "./secrets.ts";

/** Header, signature (RSA of 4096 bits) and separators. */
const LENGTH_AROUND_CLAIMS = 1024;

/** The claims of an access token. */
export type Claims = Readonly<Record<string, unknown>>;

/** Signs the access token of a session with the claims that {@link makeClaims} made for it. */
export function issueAccessToken({ issuer, wire }: AuthorityContext, claims: Claims): Promise<string> {
  return issuer.sign(claims, wire?.algorithm);
}

/**
 * Makes the claims of a session that acts as the subject. Call it before anything is stored.
 *
 * @throws `session_too_large` if verifiers would reject the token
 */
export function makeClaims(context: AuthorityContext, record: SessionRecord, subject: Subject): Claims {
  const native = buildNativeClaims(context, record, subject);
  const claims = context.wire?.claims(native, record, subject) ?? native;
  const bytes = Buffer.byteLength(JSON.stringify(claims));
  if (Math.ceil((bytes * 4) / 3) + LENGTH_AROUND_CLAIMS <= MAX_TOKEN_LENGTH) return claims;
  throw new OrgateError("session_too_large", {
    message: "The roles, factors and custom claims of this session do not fit into an access token.",
  });
}

/** Claims that are not registered are nested, so that no custom claim can pass for one of ours. */
function buildNativeClaims({ settings }: AuthorityContext, record: SessionRecord, subject: Subject): Claims {
  const { user, organization } = subject;
  const roles = rolesOf(subject);
  const implicitRoles = implicitRolesOf(subject);
  // A change in the directory after it was asked must find the token older than itself.
  const issuedAt = Math.floor(subject.readAt);
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
      ...(implicitRoles.length > 0 && { role_sources: implicitRoles }),
      org: { slug: organization.slug, name: organization.name },
    }),
    ...(record.impersonator !== undefined && {
      act: { sub: record.impersonator.email, reason: record.impersonator.reason },
    }),
    member: {
      id: memberIdOf(subject),
      email: user.emailAddress,
      name: subject.membership?.name ?? user.name,
    },
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

/** An access token of this authority whose signature is verified. Its times are not checked. */
export interface CheckedToken<Session = Interpretation> {
  readonly claims: VerifiedClaims;
  readonly session: Session;
}

/** Verifies access tokens outside the middleware. */
export interface TokenCheck<Session = Interpretation> {
  /** Throws `invalid_token`, or `store_unavailable` if the keys cannot be loaded. */
  check(accessToken: string): Promise<CheckedToken<Session>>;
  close(): void;
}

/**
 * Makes the check over the same verification that the middleware does.
 *
 * @param interpret - reads the verified claims; `undefined` if they are no session.
 */
export function createTokenCheck<Session>(
  profile: TokenProfile,
  context: { readonly clock: Clock; readonly events: EventSink },
  interpret: (claims: VerifiedClaims) => Session | undefined,
): TokenCheck<Session> {
  const keys = createKeySet(profile.keys, context);
  const verifier = createTokenVerifier(profile, keys);
  return {
    async check(accessToken) {
      const verification = await verifier.verify(accessToken);
      if (verification.status === "unavailable") {
        const { reason, retryAfter } = verification;
        throw new StoreUnavailableError({ reason, retryAfter });
      }
      if (verification.status === "rejected") {
        throw new OrgateError("invalid_token", { reason: verification.reason });
      }
      const { claims } = verification;
      const session = interpret(claims);
      if (session === undefined) throw new OrgateError("invalid_token", { reason: "class" });
      return { claims, session };
    },
    close: () => keys.close(),
  };
}

/** The claims of an access token that make it a session of this authority. Times are seconds since the epoch; `null` counts as absent. */
interface SessionClaims {
  readonly sid: string;
  readonly auth_time: number;
  readonly org_id?: string | null;
  readonly org?: { readonly slug?: string | null; readonly name: string } | null;
  readonly roles?: readonly string[] | null;
  /** The roles that were not assigned directly. */
  readonly role_sources?: readonly RoleAssignment[] | null;
  /** RFC 8693 section 4.1. */
  readonly act?: { readonly sub: string; readonly reason?: string | null } | null;
  readonly member: { readonly id: string; readonly email: string; readonly name?: string | null };
  readonly session: {
    readonly started_at: number;
    readonly last_accessed_at: number;
    readonly expires_at: number;
    readonly factors: readonly AuthenticationFactor[];
    readonly method: string;
  };
  readonly custom_claims?: Readonly<Record<string, unknown>> | null;
}

const optional = <Value>(check: Predicate<Value>): Predicate<Value | null | undefined> =>
  absentOr(nullOr(check));

const isSessionClaims = objectWith<SessionClaims>({
  sid: isText,
  auth_time: isWritableTime,
  org_id: optional(isText),
  org: optional(objectWith<NonNullable<SessionClaims["org"]>>({ slug: optional(isString), name: isString })),
  roles: optional(arrayOf(isString)),
  role_sources: optional(arrayOf(isRoleAssignment)),
  act: optional(objectWith<NonNullable<SessionClaims["act"]>>({ sub: isText, reason: optional(isString) })),
  member: objectWith<SessionClaims["member"]>({ id: isText, email: isString, name: optional(isString) }),
  session: objectWith<SessionClaims["session"]>({
    started_at: isWritableTime,
    last_accessed_at: isWritableTime,
    expires_at: isWritableTime,
    factors: arrayOf(isFactor),
    method: isText,
  }),
  custom_claims: optional(isObject),
});

const WITHOUT_ROLES: readonly string[] = Object.freeze([]);

/**
 * Reads the claims of an access token as orgate's model. Pure.
 *
 * @returns `undefined` for whatever is not a session of this authority, down to the type of each claim.
 */
export function interpretSessionClaims(claims: VerifiedClaims): Interpretation | undefined {
  if (!isSessionClaims(claims)) return undefined;
  const { member, session } = claims;
  const organizationId = claims.org_id ?? undefined;
  const org = claims.org ?? undefined;
  const roles = claims.roles ?? WITHOUT_ROLES;
  const given = [organizationId, org, claims.roles ?? undefined].filter(
    (claim) => claim !== undefined,
  ).length;
  if (given !== 0 && given !== 3) return undefined;
  // Frozen as it is made: a frozen copy of something that is not frozen costs many times more.
  const organization =
    organizationId === undefined || org === undefined ? undefined : toOrganization(organizationId, org);
  return {
    memberSession: toMemberSession(claims),
    member: Object.freeze<Member>({
      id: member.id,
      userId: claims.sub,
      emailAddress: member.email,
      ...(isString(member.name) && { name: member.name }),
      ...(organizationId !== undefined && { organizationId }),
      roles,
    }),
    ...(organization !== undefined && { organization }),
    sessionExpiresAt: session.expires_at,
    authenticatedAt: claims.auth_time,
    isFrozen: true,
  };
}

function toMemberSession({
  sid,
  org_id,
  org,
  act,
  roles,
  role_sources,
  member,
  session,
  custom_claims = null,
}: SessionClaims): MemberSession {
  const roleAssignments = role_sources ?? undefined;
  return Object.freeze<MemberSession>({
    id: sid,
    memberId: member.id,
    ...(isString(org_id) && { organizationId: org_id }),
    ...(isString(org?.slug) && { organizationSlug: org.slug }),
    startedAt: formatTime(session.started_at),
    lastAccessedAt: formatTime(session.last_accessed_at),
    expiresAt: formatTime(session.expires_at),
    authenticationFactors: session.factors,
    roles: roles ?? WITHOUT_ROLES,
    ...(roleAssignments !== undefined && { roleAssignments }),
    customClaims: custom_claims,
    ...(isObject(act) && { impersonator: toImpersonator(act) }),
    authenticationMethod: session.method,
  });
}

function toOrganization(id: string, { slug, name }: NonNullable<SessionClaims["org"]>): Organization {
  return Object.freeze<Organization>({ id, ...(isString(slug) && { slug }), name });
}

function toImpersonator({ sub: email, reason }: NonNullable<SessionClaims["act"]>): Impersonator {
  return Object.freeze<Impersonator>({ email, ...(isString(reason) && { reason }) });
}
