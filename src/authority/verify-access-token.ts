import { OrgateError, StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import { type Clock, formatTime, isWritableTime } from "../lib/clock.ts";
import { isAbsentOr, isListOf, isObject, isString, isText } from "../lib/predicates.ts";
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

/**
 * Reads the claims of an access token as orgate's model. Pure.
 *
 * @returns `undefined` for whatever is not a session of this authority, down to the type of each claim.
 */
export function interpretClaims(claims: VerifiedClaims): Interpretation | undefined {
  const { sid, auth_time: authenticatedAt, session, custom_claims: customClaims = null } = claims;
  if (!isText(sid) || !isWritableTime(authenticatedAt) || !isSessionClaims(session)) return undefined;
  if (customClaims !== null && !isObject(customClaims)) return undefined;
  const scope = readScope(claims);
  const impersonator = readImpersonator(claims["act"]);
  if (scope === undefined || impersonator === "malformed") return undefined;
  const member = readMember(claims, scope);
  if (member === undefined) return undefined;
  const { organization, roles } = scope;
  // Frozen as it is made: a frozen copy of something that is not frozen costs many times more.
  const memberSession = Object.freeze<MemberSession>({
    id: sid,
    memberId: member.id,
    ...(organization !== undefined && { organizationId: organization.id }),
    ...(organization?.slug !== undefined && { organizationSlug: organization.slug }),
    startedAt: formatTime(session.started_at),
    lastAccessedAt: formatTime(session.last_accessed_at),
    expiresAt: formatTime(session.expires_at),
    authenticationFactors: session.factors,
    roles,
    customClaims,
    ...(impersonator !== undefined && { impersonator }),
    authenticationMethod: session.method,
  });
  return {
    memberSession,
    member,
    ...(organization !== undefined && { organization }),
    sessionExpiresAt: session.expires_at,
    authenticatedAt,
    isFrozen: true,
  };
}

interface SessionClaims {
  readonly started_at: number;
  readonly last_accessed_at: number;
  readonly expires_at: number;
  readonly factors: readonly AuthenticationFactor[];
  readonly method: string;
}

function isSessionClaims(value: unknown): value is SessionClaims {
  return (
    isObject(value) &&
    isWritableTime(value["started_at"]) &&
    isWritableTime(value["last_accessed_at"]) &&
    isWritableTime(value["expires_at"]) &&
    isListOf(value["factors"], isFactor) &&
    isText(value["method"])
  );
}

/** The organization that a token is for, and the roles in it. */
interface TokenScope {
  readonly organization?: Organization;
  readonly roles: readonly string[];
}

const NO_ORGANIZATION: TokenScope = { roles: Object.freeze([]) };

function readScope({ org_id: id, org, roles }: VerifiedClaims): TokenScope | undefined {
  if (id === undefined && org === undefined && roles === undefined) return NO_ORGANIZATION;
  if (!isText(id) || !isObject(org) || !isListOf(roles, isString)) return undefined;
  const { slug, name } = org;
  if (!isString(name) || !isAbsentOr(slug, isString)) return undefined;
  const organization = Object.freeze<Organization>({ id, ...(slug !== undefined && { slug }), name });
  return { organization, roles };
}

function readMember(
  { sub, member }: VerifiedClaims,
  { organization, roles }: TokenScope,
): Member | undefined {
  if (!isObject(member)) return undefined;
  const { id, email, name } = member;
  if (!isText(id) || !isString(email) || !isAbsentOr(name, isString)) return undefined;
  return Object.freeze<Member>({
    id,
    userId: sub,
    emailAddress: email,
    ...(name !== undefined && { name }),
    ...(organization !== undefined && { organizationId: organization.id }),
    roles,
  });
}

function readImpersonator(act: unknown): Impersonator | undefined | "malformed" {
  if (act === undefined) return undefined;
  if (!isObject(act)) return "malformed";
  const { sub: email, reason } = act;
  if (!isText(email) || !isAbsentOr(reason, isString)) return "malformed";
  return Object.freeze<Impersonator>({ email, ...(reason !== undefined && { reason }) });
}
