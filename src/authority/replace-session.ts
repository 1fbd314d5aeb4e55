import { OrgateError } from "../errors.ts";
import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor } from "../model.ts";
import { addFactor } from "./authentication-factors.ts";
import {
  type AuthenticationResult,
  type SealRequest,
  readSealPassword,
  toAuthenticationResult,
} from "./authentication-result.ts";
import {
  type RequestOrigin,
  checkFactors,
  checkFields,
  checkId,
  checkOneOf,
  checkToken,
  cleanOrigin,
  invalidRequest,
} from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { type Subject, type SubjectProblem, loadSubject } from "./directory.ts";
import type { SessionRecord } from "./records.ts";
import { parseRefreshToken } from "./refresh-token.ts";
import { type StaleSession, mayStillRenew } from "./renew.ts";
import { requireInvitation } from "./accept-invitation.ts";
import { type SignInTarget, findMember } from "./find-member.ts";
import { requireRules } from "./rules/rules.ts";
import { openSessionToken } from "./secrets.ts";
import {
  type NewSession,
  acceptRefreshToken,
  endReplacedSession,
  openSession,
  readLiveSession,
  removeSession,
  sessionEnded,
} from "./sessions.ts";

/** Names one session, in exactly one way. */
export interface SessionReference {
  readonly sessionId?: string | undefined;
  readonly sessionJwt?: string | undefined;
  readonly sessionToken?: string | undefined;
  readonly refreshToken?: string | undefined;
}

/** A session, and the organization to continue it in. */
export interface ExchangeInput extends SessionReference, RequestOrigin, SealRequest {
  readonly organizationId: string;
}

/** A further factor, which the application has checked. */
export interface StepUpInput extends RequestOrigin, SealRequest {
  readonly sessionId: string;
  /** Replaces the session's factor of the same type and delivery method. */
  readonly factor: AuthenticationFactor;
}

/** Continues a session in another organization, under a new id. */
export async function exchangeSession(
  context: AuthorityContext,
  input: ExchangeInput,
): Promise<AuthenticationResult> {
  const { organizationId } = checkFields(input, { organizationId: checkId });
  readSealPassword(input);
  const session = await resolveReference(context, input);
  return replaceSession(context, session, { organizationId, request: input });
}

/** Adds a factor that the application has checked, under a new id; moves the time of authentication. */
export async function stepUp(context: AuthorityContext, input: StepUpInput): Promise<AuthenticationResult> {
  const { sessionId, factor } = checkFields(input, { sessionId: checkId, factor: checkFactor });
  readSealPassword(input);
  return replaceSession(context, { sessionId }, { factor, request: input });
}

function checkFactor(name: string, value: unknown): AuthenticationFactor {
  const [factor] = checkFactors(name, [value]);
  if (factor === undefined) throw invalidRequest(`${name} is required.`);
  return factor;
}

interface Replacement {
  /** @defaultValue the one used most recently */
  readonly organizationId?: string;
  readonly factor?: AuthenticationFactor;
  /** Joins the organization of the invitation first, and continues there. */
  readonly invitationToken?: string;
  readonly request: SealRequest & RequestOrigin;
}

/**
 * Opens the session that replaces another, and ends that one; of several callers at once exactly one succeeds.
 *
 * The time at which the session ends, and how and when the member authenticated, stay; a further factor moves the latter.
 */
export async function replaceSession(
  context: AuthorityContext,
  { sessionId, userId, refreshToken }: Partial<StaleSession> & Pick<StaleSession, "sessionId">,
  { organizationId, factor, invitationToken, request }: Replacement,
): Promise<AuthenticationResult> {
  if (organizationId !== undefined) checkId("organizationId", organizationId);
  const found = await readLiveSession(context, sessionId);
  const before = found.value;
  if (userId !== undefined && userId !== before.userId) throw new OrgateError("invalid_token");
  if (refreshToken !== undefined) {
    await acceptRefreshToken(context, before, refreshToken, { rotate: false, organizationId: undefined });
  }
  const next = { ...continueSession(context, before, factor), ...cleanOrigin(request) };
  const { authenticationFactors: factors } = next;
  const target: ReplacementTarget =
    invitationToken === undefined
      ? {
          subject: await loadSubject(
            context,
            before.userId,
            organizationId ?? before.organizationId,
            factors,
          ),
        }
      : await findInvited(context, before, invitationToken);
  if (target.subject === "membership_removed" && organizationId !== undefined) {
    throw new OrgateError("organization_not_available");
  }
  if (typeof target.subject === "string") {
    await removeSession(context, sessionId);
    throw sessionEnded(target.subject);
  }
  const phase = factor === undefined ? "switch" : "step_up";
  await requireRules(
    context,
    { phase, subject: target.subject, session: next, from: before.organizationId },
    { organizationId: target.subject.organization?.id, invitationToken, sessionId },
  );
  const subject = (await target.join?.()) ?? target.subject;
  const opened = await openSession(context, subject, next, (successorId) =>
    endReplacedSession(context, found, successorId),
  );
  return toAuthenticationResult(context, opened, request);
}

/** Whom the next session will act for, if there is anybody. */
type ReplacementTarget =
  | SignInTarget
  | { readonly subject: Subject | SubjectProblem; readonly join?: undefined };

/** Finds the member that the session's user becomes by an invitation. */
async function findInvited(
  context: AuthorityContext,
  { userId, authenticationFactors }: SessionRecord,
  invitationToken: string,
): Promise<ReplacementTarget> {
  const user = await context.directory.user(userId);
  if (user === undefined) return { subject: "user_removed" };
  const wanted = { user, organizationId: undefined };
  const invitation = await requireInvitation(context, invitationToken, wanted);
  const { organizationId } = invitation.found.value;
  return findMember(context, { user, organizationId, authenticationFactors, invitation });
}

/** What the next session takes over; `openSession` sets the members that belong to one session. */
function continueSession(
  { clock }: AuthorityContext,
  before: SessionRecord,
  factor: AuthenticationFactor | undefined,
): NewSession {
  if (factor === undefined) return before;
  const now = Math.floor(clock());
  const added = { ...factor, lastAuthenticatedAt: formatTime(now) };
  const authenticationFactors = addFactor(before.authenticationFactors, added);
  return { ...before, authenticationFactors, authenticatedAt: now };
}

/** Finds the session that exactly one of the references names. */
async function resolveReference(
  context: AuthorityContext,
  reference: SessionReference,
): Promise<Parameters<typeof replaceSession>[1]> {
  const names = ["sessionId", "sessionJwt", "sessionToken", "refreshToken"] as const;
  const [name, given] = checkOneOf(reference, names);
  const value = checkToken(name, given);
  switch (name) {
    case "sessionId":
      return { sessionId: value };
    case "sessionJwt": {
      const { claims, session } = await context.tokens.check(value);
      if (!mayStillRenew(context, claims)) throw new OrgateError("token_expired");
      return { sessionId: session.memberSession.id, userId: claims.sub };
    }
    case "sessionToken": {
      const sessionId = await openSessionToken(context.issuer, value);
      if (sessionId === undefined) throw new OrgateError("invalid_token");
      return { sessionId };
    }
    default: {
      const refreshToken = parseRefreshToken(value);
      if (refreshToken === undefined) throw new OrgateError("invalid_token");
      return { sessionId: refreshToken.sessionId, refreshToken };
    }
  }
}
