import { OrgateError } from "../errors.ts";
import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor } from "../model.ts";
import { openSessionToken } from "./access-token.ts";
import type { TokenCheck } from "./authenticate-jwt.ts";
import { checkFactors, checkId, checkOptionalId, checkToken, invalidRequest } from "./check-input.ts";
import type {
  AuthenticationResult,
  ExchangeInput,
  RequestOrigin,
  SealRequest,
  SessionReference,
  StepUpInput,
} from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { type ParsedRefreshToken, parseRefreshToken, presentRefreshToken } from "./refresh-token.ts";
import { findSealPassword, presentAuthentication } from "./results.ts";
import {
  type SessionRecord,
  openSession,
  readLiveSession,
  recordOrigin,
  removeSession,
  sessionEnded,
} from "./sessions.ts";
import { loadSubject } from "./subject.ts";
import { endStolenSession } from "./use-session.ts";

/** A session, named by somebody who may. */
export interface SessionToReplace {
  readonly sessionId: string;
  readonly userId?: string | undefined;
  readonly refreshToken?: ParsedRefreshToken | undefined;
}

/** Continues a session in another organization, under a new id. */
export async function exchangeSession(
  context: AuthorityContext,
  tokens: TokenCheck,
  input: ExchangeInput,
): Promise<AuthenticationResult> {
  const organizationId = checkId("organizationId", input.organizationId);
  findSealPassword(input);
  const session = await resolveReference(context, tokens, input);
  return replaceSession(context, session, { organizationId, request: input });
}

/** Adds a factor that the application has checked: a new id, and a new time of authentication. */
export async function stepUp(context: AuthorityContext, input: StepUpInput): Promise<AuthenticationResult> {
  const sessionId = checkId("sessionId", input.sessionId);
  const [factor] = checkFactors([input.factor]);
  findSealPassword(input);
  if (factor === undefined) throw invalidRequest("factor is required.");
  return replaceSession(context, { sessionId }, { factor, request: input });
}

interface Replacement {
  /** @defaultValue the one used most recently */
  readonly organizationId?: string;
  readonly factor?: AuthenticationFactor;
  readonly request: SealRequest & RequestOrigin;
}

/**
 * Opens the session that takes the place of another, and ends that one; of several at once, exactly one succeeds.
 *
 * The end of the session, and how and when the member authenticated, stay; a further factor moves the latter.
 */
export async function replaceSession(
  context: AuthorityContext,
  { sessionId, userId, refreshToken }: SessionToReplace,
  replacement: Replacement,
): Promise<AuthenticationResult> {
  checkOptionalId("organizationId", replacement.organizationId);
  const { record: before } = await readLiveSession(context, sessionId);
  if (userId !== undefined && userId !== before.userId) throw new OrgateError("invalid_token");
  if (refreshToken !== undefined) await assertPresentable(context, before, refreshToken);
  const wanted = replacement.organizationId ?? before.organizationId;
  const subject = await loadSubject(context.directory, before.userId, wanted);
  if (subject === "membership_removed" && replacement.organizationId !== undefined) {
    throw new OrgateError("organization_not_available");
  }
  if (typeof subject === "string") {
    await removeSession(context, sessionId);
    throw sessionEnded(subject);
  }
  const origin = continueFrom(context, before, replacement.factor);
  const opened = await openSession(context, subject, { ...origin, ...recordOrigin(replacement.request) });
  if (!(await endOrUndo(context, sessionId, opened.record.id))) throw sessionEnded("revoked");
  return presentAuthentication(
    context,
    { record: opened.record, subject, refreshToken: opened.refreshToken.token },
    replacement.request,
  );
}

async function endOrUndo(context: AuthorityContext, sessionId: string, newId: string): Promise<boolean> {
  let hasEnded = false;
  try {
    hasEnded = await removeSession(context, sessionId);
    return hasEnded;
  } finally {
    if (!hasEnded) await removeSession(context, newId);
  }
}

function continueFrom(
  { clock }: AuthorityContext,
  before: SessionRecord,
  factor: AuthenticationFactor | undefined,
): Parameters<typeof openSession>[2] {
  const {
    version: _version,
    id: _id,
    userId: _userId,
    organizationId: _organizationId,
    memberIds: _memberIds,
    lastAccessedAt: _lastAccessedAt,
    family: _family,
    ...origin
  } = before;
  if (factor === undefined) return origin;
  const now = Math.floor(clock());
  const others = origin.authenticationFactors.filter(
    ({ type, deliveryMethod }) => type !== factor.type || deliveryMethod !== factor.deliveryMethod,
  );
  const added: AuthenticationFactor = {
    sequenceOrder: others.length === 0 ? "PRIMARY" : "SECONDARY",
    ...factor,
    lastAuthenticatedAt: formatTime(now),
  };
  return { ...origin, authenticationFactors: [...others, added], authenticatedAt: now };
}

async function assertPresentable(
  context: AuthorityContext,
  { id, family, organizationId }: SessionRecord,
  refreshToken: ParsedRefreshToken,
): Promise<void> {
  const { status } = presentRefreshToken(
    family,
    refreshToken,
    { rotate: false, organizationId: undefined, mostRecent: organizationId ?? null },
    { now: context.clock(), grace: context.settings.refreshGrace },
  );
  if (status === "retired") throw await endStolenSession(context, id);
  if (status === "foreign") throw new OrgateError("invalid_token");
}

/** The session that exactly one of the references names. */
async function resolveReference(
  context: AuthorityContext,
  tokens: TokenCheck,
  reference: SessionReference,
): Promise<SessionToReplace> {
  const names = ["sessionId", "sessionJwt", "sessionToken", "refreshToken"] as const;
  const [name, ...others] = names.filter((one) => reference[one] !== undefined);
  if (name === undefined || others.length > 0)
    throw invalidRequest(`Pass exactly one of ${names.join(", ")}.`);
  const value = checkToken(name, reference[name]);
  switch (name) {
    case "sessionId":
      return { sessionId: value };
    case "sessionJwt": {
      const { claims, session } = await tokens.check(value);
      if (context.clock() >= claims.exp + context.settings.expiredTokenRenewal) {
        throw new OrgateError("token_expired");
      }
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
