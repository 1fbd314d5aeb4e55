import { OrgateError, StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { type Clock, formatTime, isWritableTime } from "../lib/clock.ts";
import { absentOr, isObject, isString, isText, arrayOf, nullOr, objectWith } from "../lib/predicates.ts";
import type { AuthenticationFactor, Impersonator, Member, MemberSession, Organization } from "../model.ts";
import type { Interpretation, TokenProfile, VerifiedClaims } from "../store.ts";
import { createKeySet } from "../tokens/key-set.ts";
import { createTokenVerifier } from "../tokens/verify-token.ts";
import { isFactor } from "./records.ts";

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

/** The claims of an access token that make it a session of this authority. Times are seconds since the epoch. */
interface SessionClaims {
  readonly sid: string;
  readonly auth_time: number;
  readonly org_id?: string;
  readonly org?: { readonly slug?: string; readonly name: string };
  readonly roles?: readonly string[];
  /** RFC 8693 section 4.1. */
  readonly act?: { readonly sub: string; readonly reason?: string };
  readonly member: { readonly id: string; readonly email: string; readonly name?: string };
  readonly session: {
    readonly started_at: number;
    readonly last_accessed_at: number;
    readonly expires_at: number;
    readonly factors: readonly AuthenticationFactor[];
    readonly method: string;
  };
  readonly custom_claims?: Readonly<Record<string, unknown>> | null;
}

const isSessionClaims = objectWith<SessionClaims>({
  sid: isText,
  auth_time: isWritableTime,
  org_id: absentOr(isText),
  org: absentOr(objectWith<NonNullable<SessionClaims["org"]>>({ slug: absentOr(isString), name: isString })),
  roles: absentOr(arrayOf(isString)),
  act: absentOr(objectWith<NonNullable<SessionClaims["act"]>>({ sub: isText, reason: absentOr(isString) })),
  member: objectWith<SessionClaims["member"]>({ id: isText, email: isString, name: absentOr(isString) }),
  session: objectWith<SessionClaims["session"]>({
    started_at: isWritableTime,
    last_accessed_at: isWritableTime,
    expires_at: isWritableTime,
    factors: arrayOf(isFactor),
    method: isText,
  }),
  custom_claims: absentOr(nullOr(isObject)),
});

const WITHOUT_ROLES: readonly string[] = Object.freeze([]);

/**
 * Reads the claims of an access token as orgate's model. Pure.
 *
 * @returns `undefined` for whatever is not a session of this authority, down to the type of each claim.
 */
export function interpretSessionClaims(claims: VerifiedClaims): Interpretation | undefined {
  if (!isSessionClaims(claims)) return undefined;
  const { org_id: organizationId, org, roles = WITHOUT_ROLES, member, session } = claims;
  const given = [organizationId, org, claims.roles].filter((claim) => claim !== undefined).length;
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
      ...(member.name !== undefined && { name: member.name }),
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
  roles = WITHOUT_ROLES,
  member,
  session,
  custom_claims = null,
}: SessionClaims): MemberSession {
  return Object.freeze<MemberSession>({
    id: sid,
    memberId: member.id,
    ...(org_id !== undefined && { organizationId: org_id }),
    ...(org?.slug !== undefined && { organizationSlug: org.slug }),
    startedAt: formatTime(session.started_at),
    lastAccessedAt: formatTime(session.last_accessed_at),
    expiresAt: formatTime(session.expires_at),
    authenticationFactors: session.factors,
    roles,
    customClaims: custom_claims,
    ...(act !== undefined && { impersonator: toImpersonator(act) }),
    authenticationMethod: session.method,
  });
}

function toOrganization(id: string, { slug, name }: NonNullable<SessionClaims["org"]>): Organization {
  return Object.freeze<Organization>({ id, ...(slug !== undefined && { slug }), name });
}

function toImpersonator({ sub: email, reason }: NonNullable<SessionClaims["act"]>): Impersonator {
  return Object.freeze<Impersonator>({ email, ...(reason !== undefined && { reason }) });
}
