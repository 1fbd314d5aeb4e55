import { OrgateError, StoreUnavailableError } from "../errors.ts";
import type { MemberSession, RoleAssignment, Verdict } from "../model.ts";
import { decideVerdict } from "../policy/policy.ts";
import { type Freshness, decideFreshness } from "../tokens/verify-token.ts";
import { type CheckedToken, issueAccessToken } from "./access-token.ts";
import { MAX_LIFETIME, checkFields, checkId, checkToken, numberFrom, optionalField } from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { implicitRolesOf, rolesOf, toMemberSession, toProfile } from "./directory.ts";
import type { AuthorityMember, AuthorityOrganization } from "./members/profile.ts";
import { mayStillRenew } from "./renew.ts";
import { makeSessionToken, openSessionToken } from "./secrets.ts";
import { type SessionUse, useSession } from "./sessions.ts";

/** What the member wants to do. */
export interface AuthorizationCheck {
  readonly organizationId: string;
  readonly resource: string;
  readonly action: string;
}

/** What every authentication of an existing session may ask for. */
export interface AuthenticateSessionOptions {
  /** Extends the session to this many minutes from now, 5 to 527,040, if the store is asked; never shortens it. */
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

/** The answer for a session JWT. Optional fields are absent if it was answered locally. */
export interface AuthenticateJwtResult {
  readonly memberSession: MemberSession;
  /** The one presented, or the new one if the store was asked. */
  readonly sessionJwt: string;
  /** Opaque; names the session to `authenticateSession` for as long as it lives. */
  readonly sessionToken?: string;
  readonly member?: AuthorityMember;
  readonly organization?: AuthorityOrganization;
  /** The answer to `authorizationCheck`; always authorized, because a refusal is thrown. */
  readonly verdict?: Verdict;
}

/** The store's answer for a session. */
export interface AuthenticateSessionResult extends AuthenticateJwtResult {
  readonly sessionToken: string;
  readonly member: AuthorityMember;
}

const OPTION_CHECKS = {
  sessionDurationMinutes: optionalField(numberFrom(5, MAX_LIFETIME / 60)),
  authorizationCheck: checkAuthorizationCheck,
};

type CheckedOptions = ReturnType<typeof checkFields<typeof OPTION_CHECKS>>;

/** Authenticates a session JWT: locally while it is fresh, by the store if it is expired or too old. */
export async function authenticateJwt(
  context: AuthorityContext,
  input: AuthenticateJwtInput,
): Promise<AuthenticateJwtResult> {
  const { sessionJwt, maxTokenAgeSeconds, ...options } = checkFields(input, {
    sessionJwt: checkToken,
    maxTokenAgeSeconds: optionalField(numberFrom(0, Number.MAX_SAFE_INTEGER)),
    ...OPTION_CHECKS,
  });
  const { claims, session } = await context.tokens.check(sessionJwt);
  const { memberSession } = session;
  const freshness = findFreshness(context, { claims, session }, maxTokenAgeSeconds);
  if (freshness === "not_yet_valid") throw new OrgateError("clock_skew");
  if (freshness === "fresh") {
    const { organizationId, roles, roleAssignments } = memberSession;
    const actor = { organizationId, roles, roleAssignments, source: "local" } as const;
    const verdict = authorize(context, options, actor);
    return { memberSession, sessionJwt, ...(verdict !== undefined && { verdict }) };
  }
  if (freshness === "expired" && !mayStillRenew(context, claims)) throw new OrgateError("token_expired");
  const use = { userId: claims.sub, organizationId: memberSession.organizationId ?? null };
  return askStore(context, memberSession.id, use, options);
}

/** Authenticates a session token; always answered by the store. */
export async function authenticateSession(
  context: AuthorityContext,
  input: AuthenticateSessionInput,
): Promise<AuthenticateSessionResult> {
  const { sessionToken, ...options } = checkFields(input, { sessionToken: checkToken, ...OPTION_CHECKS });
  const sessionId = await openSessionToken(context.issuer, sessionToken);
  if (sessionId === undefined) throw new OrgateError("invalid_token");
  return askStore(context, sessionId, { organizationId: undefined }, options);
}

/** Refuses `null`: a caller that passes it wants a check, and must not get an answer without one. */
function checkAuthorizationCheck(name: string, value: unknown): AuthorizationCheck | undefined {
  if (value === undefined) return undefined;
  return checkFields(value, { organizationId: checkId, resource: checkId, action: checkId }, name);
}

/** What was revoked in this process is asked about, fresh or not. */
function findFreshness(
  { clock, invalidations }: AuthorityContext,
  { claims, session }: CheckedToken,
  maxAge: number | undefined,
): Freshness {
  const freshness = decideFreshness(
    { ...claims, sessionExpiresAt: session.sessionExpiresAt },
    { now: clock(), clockTolerance: 0, maxAge },
  );
  return freshness === "fresh" && invalidations.concern(session, claims.iat) ? "too_old" : freshness;
}

interface Actor extends Pick<MemberSession, "roles">, Pick<Verdict, "source"> {
  readonly organizationId: string | undefined;
  readonly roleAssignments: readonly RoleAssignment[] | undefined;
}

/** Answers the authorization check, or throws the refusal; `undefined` if none was asked for. */
function authorize(
  { policy }: AuthorityContext,
  { authorizationCheck: check }: CheckedOptions,
  { organizationId, ...actor }: Actor,
): Verdict | undefined {
  if (check === undefined) return undefined;
  if (organizationId !== check.organizationId) throw new OrgateError("organization_mismatch");
  // Without a policy the answer is unknown, which is no denial.
  if (policy === undefined) {
    throw new StoreUnavailableError({ message: "The authority has no policy.", reason: "policy_missing" });
  }
  const verdict = decideVerdict({ ...check, ...actor, policy });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  return verdict;
}

async function askStore(
  context: AuthorityContext,
  sessionId: string,
  use: Pick<SessionUse, "organizationId" | "userId">,
  options: CheckedOptions,
): Promise<AuthenticateSessionResult> {
  const minutes = options.sessionDurationMinutes;
  let verdict: Verdict | undefined;
  const { record, subject, claims } = await useSession(context, sessionId, {
    ...use,
    rotate: false,
    withoutMembership: "end",
    extendBy: minutes === undefined ? undefined : minutes * 60,
    authorize(found) {
      const actor = {
        organizationId: found.organization?.id,
        roles: rolesOf(found),
        roleAssignments: implicitRolesOf(found),
        source: "store",
      } as const;
      verdict = authorize(context, options, actor);
    },
  });
  return {
    memberSession: toMemberSession(record, subject),
    sessionJwt: await issueAccessToken(context, claims),
    sessionToken: await makeSessionToken(context.issuer, record.id),
    ...toProfile(subject),
    ...(verdict !== undefined && { verdict }),
  };
}
