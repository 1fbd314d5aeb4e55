import { OrganizationSelectionRequiredError, OrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator, OrganizationChoice } from "../model.ts";
import { type AuthenticationMethod, factorOf } from "./authentication-factors.ts";
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
  checkId,
  checkImpersonator,
  checkInput,
  checkToken,
  cleanOrigin,
  optional,
} from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import type { DirectoryUser } from "./directory.ts";
import { acceptInvitation } from "./invitations.ts";
import type { AuthenticationRecord, PendingRecord, SignInRecord } from "./records.ts";
import { type NewSession, openSession, removeSession } from "./sessions.ts";
import { type Subject, listMemberships, loadSubject } from "./subject.ts";
import { mayUse } from "./wire-client.ts";

/** Says whom the application has authenticated by password, magic link, SSO or another method. */
export interface AuthenticateInput extends RequestOrigin, SealRequest {
  readonly userId: string;
  readonly authenticationMethod: AuthenticationMethod;
  /** Signs in to this organization, without organization selection. */
  readonly organizationId?: string | undefined;
  /** Joins the organization that the invitation was issued for, and signs in to it. */
  readonly invitationToken?: string | undefined;
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
  readSealPassword(input);
  return signIn(context, signInRecord, input);
}

/** Checks who signs in, to which organization, and how they authenticated just now. */
export function checkSignIn({ clock }: AuthorityContext, input: AuthenticateInput): SignInRecord {
  const { userId, organizationId, invitationToken, authenticationMethod, customClaims, ...checked } =
    checkInput(input, {
      userId: checkId,
      organizationId: optional(checkId),
      invitationToken: optional(checkToken),
      authenticationMethod: checkId,
      authenticationFactors: optional(checkFactors),
      impersonator: optional(checkImpersonator),
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

/** Signs in a user by evidence that was checked before. */
export async function signIn(
  context: AuthorityContext,
  { userId, organizationId, invitationToken, evidence }: SignInRecord,
  request: SealRequest,
): Promise<AuthenticationResult> {
  const user = await readUser(context, userId);
  const wanted = await joinByInvitation(context, invitationToken, { user, organizationId });
  const subject =
    wanted === undefined
      ? await requireOnlyMembership(context, user, evidence)
      : await requireMember(context, userId, wanted);
  const opened = await openSession(context, subject, toNewSession(context, evidence));
  return toAuthenticationResult(context, opened, request);
}

/** Completes a pending authentication with the organization chosen. */
export async function authenticateWithOrganizationSelection(
  context: AuthorityContext,
  input: AuthenticateWithOrganizationSelectionInput,
): Promise<AuthenticationResult> {
  const { pendingAuthenticationToken, organizationId, invitationToken } = checkInput(input, {
    pendingAuthenticationToken: checkToken,
    organizationId: checkId,
    invitationToken: optional(checkToken),
  });
  readSealPassword(input);
  const { userId, evidence } = await readPending(context, pendingAuthenticationToken);
  const user = await readUser(context, userId);
  await joinByInvitation(context, invitationToken, { user, organizationId });
  const subject = await requireMember(context, userId, organizationId);
  const session = toNewSession(context, { ...evidence, ...cleanOrigin(input) });
  const opened = await openSession(context, subject, session);
  // The token is spent last, so that a failure before this line leaves it usable.
  await spendOrUndo(context, pendingAuthenticationToken, opened.record.id);
  return toAuthenticationResult(context, opened, input);
}

/** Lists the organizations that the user is a member of now. */
export async function listOrganizations(
  { directory }: AuthorityContext,
  userId: string,
): Promise<OrganizationChoice[]> {
  const memberships = await listMemberships(directory, userId);
  const names = new Map(memberships.map(({ organization: { id, name } }) => [id, name]));
  return [...names].map(([id, name]) => ({ id, name }));
}

/** Reads a pending authentication without spending it; throws `invalid_pending_authentication` if there is none. */
export async function readPending(context: AuthorityContext, token: string): Promise<PendingRecord> {
  const record = await context.records.pending.read(token);
  if (record !== undefined && mayUse(record.evidence.client, context.wire?.client)) return record;
  throw new OrgateError("invalid_pending_authentication");
}

async function spendOrUndo(context: AuthorityContext, token: string, sessionId: string): Promise<void> {
  let isSpent = false;
  try {
    isSpent = (await context.records.pending.spend(token)) !== undefined;
  } finally {
    if (!isSpent) await removeSession(context, sessionId);
  }
  if (!isSpent) throw new OrgateError("invalid_pending_authentication");
}

function toNewSession({ clock, settings }: AuthorityContext, evidence: AuthenticationRecord): NewSession {
  const startedAt = Math.floor(clock());
  return { ...evidence, startedAt, expiresAt: startedAt + Math.floor(settings.sessionLifetime) };
}

async function readUser({ directory }: AuthorityContext, userId: string): Promise<DirectoryUser> {
  const user = await directory.user(userId);
  if (user === undefined) throw userNotFound();
  return user;
}

async function joinByInvitation(
  context: AuthorityContext,
  invitationToken: string | undefined,
  wanted: { user: DirectoryUser; organizationId: string | undefined },
): Promise<string | undefined> {
  return invitationToken === undefined
    ? wanted.organizationId
    : acceptInvitation(context, invitationToken, wanted);
}

async function requireMember(
  { directory }: AuthorityContext,
  userId: string,
  organizationId: string,
): Promise<Subject> {
  const subject = await loadSubject(directory, userId, organizationId);
  if (subject === "user_removed") throw userNotFound();
  if (subject === "membership_removed") throw new OrgateError("organization_not_available");
  return subject;
}

/** Returns the only membership of the user, if any; throws for the user to choose if there are several. */
async function requireOnlyMembership(
  context: AuthorityContext,
  user: DirectoryUser,
  evidence: AuthenticationRecord,
): Promise<Subject> {
  const { records, clock, settings, wire } = context;
  const organizations = await listOrganizations(context, user.id);
  const [only] = organizations;
  if (only === undefined) return { user };
  if (organizations.length === 1) return requireMember(context, user.id, only.id);
  const token = await records.pending.issue({
    version: 1,
    userId: user.id,
    evidence: { ...evidence, ...(wire?.client !== undefined && { client: wire.client }) },
    expiresAt: clock() + settings.pendingLifetime,
  });
  throw new OrganizationSelectionRequiredError(token, organizations);
}

function userNotFound(): OrgateError {
  return new OrgateError("sign_in_failed", { reason: "user_not_found" });
}
