import { OrganizationSelectionRequiredError, OrgateError, isOrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator, OrganizationChoice } from "../model.ts";
import { type AuthenticationMethod, addFactor, factorOf } from "./authentication-factors.ts";
import {
  type AuthenticationResult,
  type SealRequest,
  readSealPassword,
  toAuthenticationResult,
} from "./authentication-result.ts";
import {
  type RequestOrigin,
  checkCustomClaims,
  checkFactors,
  checkFields,
  checkId,
  checkImpersonator,
  checkToken,
  cleanOrigin,
  optionalField,
} from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { type Subject, listMemberships, loadSubject } from "./directory.ts";
import { requireInvitation } from "./accept-invitation.ts";
import { findMember, requireMember, userNotFound } from "./find-member.ts";
import type { AuthenticationRecord, PendingRecord, SignInRecord } from "./records.ts";
import type { Versioned } from "./repository.ts";
import { mfaMethodOf } from "./rules/factor-names.ts";
import { lifetimeIn, requireRules } from "./rules/rules.ts";
import { type SpendForSession, openSession, readLiveSession } from "./sessions.ts";
import { mayUse } from "./wire-client.ts";

/** Says whom the application has authenticated by password, magic link, SSO or another method. */
export interface AuthenticateInput extends RequestOrigin, SealRequest {
  readonly userId: string;
  readonly authenticationMethod: AuthenticationMethod;
  /** Signs in to this organization, without organization selection. */
  readonly organizationId?: string | undefined;
  /** Joins the organization that the invitation was issued for, and signs in to it. */
  readonly invitationToken?: string | undefined;
  /**
   * Continues a pending authentication of the same user after a further step: its factors count as well, and so do its organization
   * and its invitation.
   */
  readonly pendingAuthenticationToken?: string | undefined;
  readonly impersonator?: Impersonator | undefined;
  /** How the user proved who they are. @defaultValue one factor, by the method */
  readonly authenticationFactors?: readonly AuthenticationFactor[] | undefined;
  /** Carried by the token, under a name of their own; at most 4 KB of JSON. */
  readonly customClaims?: Readonly<Record<string, unknown>> | null | undefined;
}

/** The choice of an organization. */
export interface AuthenticateWithOrganizationSelectionInput extends RequestOrigin, SealRequest {
  readonly pendingAuthenticationToken: string;
  readonly organizationId: string;
  /** Joins the organization first; the invitation must be for the organization chosen. */
  readonly invitationToken?: string | undefined;
}

/** Signs in a user whom the application has authenticated. */
export async function authenticate(
  context: AuthorityContext,
  input: AuthenticateInput,
): Promise<AuthenticationResult> {
  const signInRecord = checkSignIn(context, input);
  const { pendingAuthenticationToken } = checkFields(input, {
    pendingAuthenticationToken: optionalField(checkToken),
  });
  readSealPassword(input);
  if (pendingAuthenticationToken === undefined) return signIn(context, signInRecord, input);
  const found = await readPending(context, pendingAuthenticationToken);
  const pending = found.value;
  if (pending.userId !== signInRecord.userId) throw new OrgateError("invalid_pending_authentication");
  return signIn(context, continueSignIn(pending, signInRecord), input, {
    continues: pending,
    spend: spendPending(context, pendingAuthenticationToken, found),
  });
}

/** Adds what the user has just done to what is pending. A second factor leaves the method of the first. */
function continueSignIn(pending: PendingRecord, added: SignInRecord): SignInRecord {
  const { evidence: before } = pending;
  const { evidence: now } = added;
  const isSecond = now.authenticationFactors.every((factor) => mfaMethodOf(factor) !== undefined);
  const { impersonator = before.impersonator } = now;
  const organizationId = added.organizationId ?? pending.organizationId;
  return {
    userId: pending.userId,
    organizationId,
    invitationToken: added.invitationToken ?? pendingInvitation(pending, organizationId),
    evidence: {
      ...before,
      ...now,
      authenticationMethod: isSecond ? before.authenticationMethod : now.authenticationMethod,
      authenticationFactors: now.authenticationFactors
        .map(({ sequenceOrder: _order, ...factor }) => factor)
        .reduce(addFactor, before.authenticationFactors),
      ...(impersonator !== undefined && { impersonator }),
      customClaims: now.customClaims ?? before.customClaims,
    },
  };
}

/** The invitation that is pending is for one organization: choosing another one leaves it as it is. */
function pendingInvitation(pending: PendingRecord, organizationId: string | undefined): string | undefined {
  return organizationId === pending.organizationId ? pending.invitationToken : undefined;
}

function spendPending(
  { records }: AuthorityContext,
  token: string,
  pending: Versioned<PendingRecord>,
): SpendForSession {
  return async (sessionId) => {
    if (await records.pending.spend(token, pending, sessionId)) return;
    throw new OrgateError("invalid_pending_authentication");
  };
}

/** Checks who signs in, to which organization, and how they authenticated just now. */
export function checkSignIn({ clock }: AuthorityContext, input: AuthenticateInput): SignInRecord {
  const { userId, organizationId, invitationToken, authenticationMethod, customClaims, ...checked } =
    checkFields(input, {
      userId: checkId,
      organizationId: optionalField(checkId),
      invitationToken: optionalField(checkToken),
      authenticationMethod: checkId,
      authenticationFactors: optionalField(checkFactors),
      impersonator: optionalField(checkImpersonator),
      customClaims: checkCustomClaims,
    });
  const authenticatedAt = Math.floor(clock());
  const { authenticationFactors = [factorOf(authenticationMethod, authenticatedAt)], impersonator } = checked;
  const evidence: AuthenticationRecord = {
    authenticationMethod,
    authenticationFactors,
    ...(impersonator !== undefined && { impersonator }),
    customClaims,
    ...cleanOrigin(input),
    authenticatedAt,
  };
  return { userId, organizationId, invitationToken, evidence };
}

/** How a sign-in ends, beyond opening the session. */
interface SignInCompletion {
  readonly phase?: "sign_in" | "selection";
  /** As for {@link openSession}. */
  readonly spend?: SpendForSession;
  /** What it continues: a further step neither prolongs it nor outlives its session. */
  readonly continues?: PendingRecord;
}

/** Signs in a user by evidence that was checked before. Nobody becomes a member before the rules are met. */
export async function signIn(
  context: AuthorityContext,
  { userId, organizationId, invitationToken, evidence }: SignInRecord,
  request: SealRequest,
  { phase = "sign_in", spend, continues }: SignInCompletion = {},
): Promise<AuthenticationResult> {
  const { authenticationFactors: factors } = evidence;
  const person = await loadSubject(context, userId, undefined, factors);
  if (typeof person === "string") throw userNotFound();
  const { user } = person;
  const invitation =
    invitationToken === undefined
      ? undefined
      : await requireInvitation(context, invitationToken, { user, organizationId });
  const wanted = invitation?.found.value.organizationId ?? organizationId;
  const target =
    wanted === undefined
      ? { subject: await requireOnlyMembership(context, person, evidence) }
      : await findMember(context, {
          user,
          organizationId: wanted,
          authenticationFactors: factors,
          impersonator: evidence.impersonator,
          invitation,
        });
  await requireRules(
    context,
    { phase, subject: target.subject, session: evidence },
    {
      organizationId: target.subject.organization?.id,
      invitationToken,
      sessionId: continues?.sessionId,
      expiresAt: continues?.expiresAt,
    },
  );
  const subject = (await target.join?.()) ?? target.subject;
  const startedAt = Math.floor(context.clock());
  const end = startedAt + lifetimeIn(context, subject.organization);
  const opened = await openSession(context, subject, { ...evidence, startedAt, expiresAt: end }, spend);
  return toAuthenticationResult(context, opened, request);
}

/** Completes a pending authentication with the organization chosen. */
export async function authenticateWithOrganizationSelection(
  context: AuthorityContext,
  input: AuthenticateWithOrganizationSelectionInput,
): Promise<AuthenticationResult> {
  const { pendingAuthenticationToken, ...choice } = checkFields(input, {
    pendingAuthenticationToken: checkToken,
    organizationId: checkId,
    invitationToken: optionalField(checkToken),
  });
  readSealPassword(input);
  const found = await readPending(context, pendingAuthenticationToken);
  const pending = found.value;
  const { userId, evidence } = pending;
  const signInRecord = {
    ...choice,
    userId,
    invitationToken: choice.invitationToken ?? pendingInvitation(pending, choice.organizationId),
    evidence: { ...evidence, ...cleanOrigin(input) },
  };
  return signIn(context, signInRecord, input, {
    phase: "selection",
    continues: pending,
    spend: spendPending(context, pendingAuthenticationToken, found),
  });
}

/** Lists the organizations that the user is a member of now. */
export async function listOrganizationChoices(
  { directory }: AuthorityContext,
  userId: string,
): Promise<OrganizationChoice[]> {
  const memberships = await listMemberships(directory, userId);
  const names = new Map(memberships.map(({ organization: { id, name } }) => [id, name]));
  return [...names].map(([id, name]) => ({ id, name }));
}

/** Reads a pending authentication without spending it; throws `invalid_pending_authentication` if there is none. */
export async function requirePending(context: AuthorityContext, token: string): Promise<PendingRecord> {
  return (await readPending(context, token)).value;
}

async function readPending(context: AuthorityContext, token: string): Promise<Versioned<PendingRecord>> {
  const found = await context.records.pending.read(token);
  if (found === undefined || !mayUse(found.value.evidence.client, context.wire?.client)) {
    throw new OrgateError("invalid_pending_authentication");
  }
  const { sessionId } = found.value;
  if (sessionId !== undefined) await requireLive(context, sessionId);
  return found;
}

/** What was begun from a session ends with it. */
async function requireLive(context: AuthorityContext, sessionId: string): Promise<void> {
  try {
    await readLiveSession(context, sessionId);
  } catch (cause) {
    if (!isOrgateError(cause) || cause.code !== "session_revoked") throw cause;
    throw new OrgateError("invalid_pending_authentication", { cause });
  }
}

/** Returns the only membership of the user, if any; throws for the user to choose if there are several. */
async function requireOnlyMembership(
  context: AuthorityContext,
  subject: Subject,
  evidence: AuthenticationRecord,
): Promise<Subject> {
  const { user } = subject;
  const { records, clock, settings, wire } = context;
  const organizations = await listOrganizationChoices(context, user.id);
  const [only] = organizations;
  if (only === undefined) return subject;
  if (organizations.length === 1) {
    return requireMember(context, user.id, only.id, evidence.authenticationFactors);
  }
  const token = await records.pending.issue({
    version: 1,
    userId: user.id,
    evidence: { ...evidence, ...(wire?.client !== undefined && { client: wire.client }) },
    expiresAt: clock() + settings.pendingLifetime,
  });
  throw new OrganizationSelectionRequiredError(token, organizations);
}
