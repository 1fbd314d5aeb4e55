import { OrgateError } from "../errors.ts";
import { formatTime } from "../lib/clock.ts";
import type { AuthenticationFactor } from "../model.ts";
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
import { loadSubject } from "./directory.ts";
import type { SessionRecord } from "./records.ts";
import { parseRefreshToken } from "./refresh-token.ts";
import { type StaleSession, mayStillRenew } from "./renew.ts";
import { openSessionToken } from "./secrets.ts";
import {
  type NewSession,
  acceptRefreshToken,
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
  { organizationId, factor, request }: Replacement,
): Promise<AuthenticationResult> {
  if (organizationId !== undefined) checkId("organizationId", organizationId);
  const { value: before } = await readLiveSession(context, sessionId);
  if (userId !== undefined && userId !== before.userId) throw new OrgateError("invalid_token");
  if (refreshToken !== undefined) {
    await acceptRefreshToken(context, before, refreshToken, { rotate: false, organizationId: undefined });
  }
  const next = { ...continueSession(context, before, factor), ...cleanOrigin(request) };
  const subject = await loadSubject(
    context,
    before.userId,
    organizationId ?? before.organizationId,
    next.authenticationFactors,
  );
  if (subject === "membership_removed" && organizationId !== undefined) {
    throw new OrgateError("organization_not_available");
  }
  if (typeof subject === "string") {
    await removeSession(context, sessionId);
    throw sessionEnded(subject);
  }
  const opened = await openSession(context, subject, next, async () => {
    if (!(await removeSession(context, sessionId))) throw sessionEnded("revoked");
  });
  return toAuthenticationResult(context, opened, request);
}

/** What the next session takes over; `openSession` sets the members that belong to one session. */
function continueSession(
  { clock }: AuthorityContext,
  before: SessionRecord,
  factor: AuthenticationFactor | undefined,
): NewSession {
  if (factor === undefined) return before;
  const now = Math.floor(clock());
  const others = before.authenticationFactors.filter(
    ({ type, deliveryMethod }) => type !== factor.type || deliveryMethod !== factor.deliveryMethod,
  );
  const added: AuthenticationFactor = {
    sequenceOrder: others.length === 0 ? "PRIMARY" : "SECONDARY",
    ...factor,
    lastAuthenticatedAt: formatTime(now),
  };
  return { ...before, authenticationFactors: [...others, added], authenticatedAt: now };
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
