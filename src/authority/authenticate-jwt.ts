import { OrgateError, StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import type { Verdict } from "../model.ts";
import type { Policy } from "../policy/policy.ts";
import { decideVerdict } from "../policy/verdict.ts";
import type { Interpretation, TokenProfile, VerifiedClaims } from "../store.ts";
import { decideFreshness } from "../tokens/freshness.ts";
import { createKeySet } from "../tokens/key-set.ts";
import { createTokenVerifier } from "../tokens/verify-token.ts";
import { interpretClaims, issueAccessToken, makeSessionToken, openSessionToken } from "./access-token.ts";
import { checkId, checkOptionalNumber, checkToken } from "./check-input.ts";
import type {
  AuthenticateJwtInput,
  AuthenticateJwtResult,
  AuthenticateSessionInput,
  AuthenticateSessionOptions,
  AuthenticateSessionResult,
  AuthorizationCheck,
} from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { describeMemberSession } from "./results.ts";
import { toFullMember, toFullOrganization } from "./subject.ts";
import { useSession } from "./use-session.ts";

/** What the two operations need beside the context. */
export interface AuthenticationTools {
  readonly tokens: TokenCheck;
  readonly policy: Policy | undefined;
}

const MINUTES = { least: 5, most: 527_040 };
const AGES = { least: 0, most: Number.MAX_SAFE_INTEGER };

/** Authenticates a session JWT: locally while it is fresh, by the store when it is expired or too old. */
export async function authenticateJwt(
  context: AuthorityContext,
  tools: AuthenticationTools,
  input: AuthenticateJwtInput,
): Promise<AuthenticateJwtResult> {
  const sessionJwt = checkToken("sessionJwt", input.sessionJwt);
  const maxAge = checkOptionalNumber("maxTokenAgeSeconds", input.maxTokenAgeSeconds, AGES);
  const options = checkOptions(tools, input);
  const checked = await tools.tokens.check(sessionJwt);
  const freshness = judge(context, checked, maxAge);
  if (freshness === "not_yet_valid") throw new OrgateError("clock_skew");
  if (freshness === "fresh") {
    const { memberSession } = checked.session;
    const verdict = options.decide?.({ ...memberSession, source: "local" });
    return { memberSession, sessionJwt, ...(verdict !== undefined && { verdict }) };
  }
  const { claims, session } = checked;
  if (freshness === "expired" && context.clock() >= claims.exp + context.settings.expiredTokenRenewal) {
    throw new OrgateError("token_expired");
  }
  const { id, organizationId } = session.memberSession;
  return askStore(
    context,
    { sessionId: id, userId: claims.sub, organizationId: organizationId ?? null },
    options,
  );
}

/** Authenticates a session token; always answered by the store. */
export async function authenticateSession(
  context: AuthorityContext,
  tools: AuthenticationTools,
  input: AuthenticateSessionInput,
): Promise<AuthenticateSessionResult> {
  const token = checkToken("sessionToken", input.sessionToken);
  const options = checkOptions(tools, input);
  const sessionId = await openSessionToken(context.issuer, token);
  if (sessionId === undefined) throw new OrgateError("invalid_token");
  return askStore(context, { sessionId, organizationId: undefined }, options);
}

/** Whether a verified token answers by itself; what was revoked in this process is asked about, fresh or not. */
function judge(
  { clock, invalidations }: AuthorityContext,
  { claims, session }: CheckedToken,
  maxAge: number | undefined,
): ReturnType<typeof decideFreshness> {
  const freshness = decideFreshness(
    { ...claims, sessionExpiresAt: session.sessionExpiresAt },
    { now: clock(), clockTolerance: 0, maxAge },
  );
  return freshness === "fresh" && invalidations.concern(session, claims.iat) ? "too_old" : freshness;
}

interface Actor {
  readonly organizationId?: string;
  readonly roles: readonly string[];
  readonly source: Verdict["source"];
}

interface CheckedOptions {
  readonly extendBy: number | undefined;
  /** Answers the authorization check, or throws the refusal; absent where none was asked for. */
  readonly decide: ((actor: Actor) => Verdict) | undefined;
}

function checkOptions({ policy }: AuthenticationTools, options: AuthenticateSessionOptions): CheckedOptions {
  const minutes = checkOptionalNumber("sessionDurationMinutes", options.sessionDurationMinutes, MINUTES);
  const extendBy = minutes === undefined ? undefined : minutes * 60;
  if (options.authorizationCheck === undefined) return { extendBy, decide: undefined };
  // Whoever says null meant to ask something: they are told, and not waved through.
  const check: AuthorizationCheck | null = options.authorizationCheck;
  const question: AuthorizationCheck = {
    organizationId: checkId("authorizationCheck.organizationId", check?.organizationId),
    resource: checkId("authorizationCheck.resource", check?.resource),
    action: checkId("authorizationCheck.action", check?.action),
  };
  return { extendBy, decide: (actor) => decide(policy, question, actor) };
}

function decide(policy: Policy | undefined, question: AuthorizationCheck, actor: Actor): Verdict {
  if (actor.organizationId !== question.organizationId) throw new OrgateError("organization_mismatch");
  // Without a policy nobody knows; that is no denial.
  if (policy === undefined) {
    throw new StoreUnavailableError({ message: "The authority has no policy.", reason: "policy_missing" });
  }
  const verdict = decideVerdict({ ...question, policy, roles: actor.roles, source: actor.source });
  if (!verdict.authorized) throw new OrgateError("permission_denied");
  return verdict;
}

async function askStore(
  context: AuthorityContext,
  session: { sessionId: string; userId?: string; organizationId: string | null | undefined },
  { extendBy, decide: decideFor }: CheckedOptions,
): Promise<AuthenticateSessionResult> {
  let verdict: Verdict | undefined;
  const { record, subject } = await useSession(context, session.sessionId, {
    rotate: false,
    organizationId: session.organizationId,
    userId: session.userId,
    withoutMembership: "end",
    extendBy,
    authorize({ place }) {
      verdict = decideFor?.({
        ...(place !== undefined && { organizationId: place.organization.id }),
        roles: place?.membership.roles ?? [],
        source: "store",
      });
    },
  });
  const sessionToken = await makeSessionToken(context.issuer, record.id);
  if (sessionToken === undefined) throw new StoreUnavailableError({ reason: "session_unreadable" });
  const organization = toFullOrganization(subject);
  return {
    memberSession: describeMemberSession(record, subject),
    sessionJwt: await issueAccessToken(context, record, subject),
    sessionToken,
    member: toFullMember(subject),
    ...(organization !== undefined && { organization }),
    ...(verdict !== undefined && { verdict }),
  };
}

/** A session JWT of this authority, its signature verified. Times are not judged. */
export interface CheckedToken {
  readonly claims: VerifiedClaims;
  readonly session: Interpretation;
}

/** Verifies session JWTs outside the middleware; throws `invalid_token` or `store_unavailable`. */
export interface TokenCheck {
  check(sessionJwt: string): Promise<CheckedToken>;
  close(): void;
}

/** Makes the check over the same verification that the middleware does. */
export function createTokenCheck(
  profile: TokenProfile,
  context: { readonly clock: Clock; readonly events: EventSink },
): TokenCheck {
  const keys = createKeySet(profile.keys, context);
  const verifier = createTokenVerifier(profile, keys);
  return {
    async check(sessionJwt) {
      const verification = await verifier.verify(sessionJwt);
      if (verification.status === "unavailable") {
        throw new StoreUnavailableError({ reason: verification.reason, retryAfter: verification.retryAfter });
      }
      if (verification.status === "rejected") {
        throw new OrgateError("invalid_token", { reason: verification.reason });
      }
      const { claims } = verification;
      const session = interpretClaims(claims);
      if (session === undefined) throw new OrgateError("invalid_token", { reason: "class" });
      return { claims, session };
    },
    close: () => keys.close(),
  };
}
