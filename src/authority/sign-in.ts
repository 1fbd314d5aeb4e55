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
  checkFields,
  checkId,
  checkImpersonator,
  checkToken,
  cleanOrigin,
  optionalField,
} from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { type Subject, listMemberships, loadSubject } from "./directory.ts";
import { acceptInvitation } from "./invitations.ts";
import type { AuthenticationRecord, PendingRecord, SignInRecord } from "./records.ts";
import { openSession } from "./sessions.ts";
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

/**
 * Signs in a user by evidence that was checked before.
 *
 * @param spend - as for {@link openSession}
 */
export async function signIn(
  context: AuthorityContext,
  { userId, organizationId, invitationToken, evidence }: SignInRecord,
  request: SealRequest,
  spend?: () => Promise<void>,
): Promise<AuthenticationResult> {
  const { authenticationFactors: factors } = evidence;
  const person = await loadSubject(context, userId, undefined, factors);
  if (typeof person === "string") throw userNotFound();
  const { user } = person;
  const wanted =
    invitationToken === undefined
      ? organizationId
      : await acceptInvitation(context, invitationToken, { user, organizationId });
  const subject =
    wanted === undefined
      ? await requireOnlyMembership(context, person, evidence)
      : await requireMember(context, userId, wanted, factors);
  const startedAt = Math.floor(context.clock());
  const expiresAt = startedAt + Math.floor(context.settings.sessionLifetime);
  const opened = await openSession(context, subject, { ...evidence, startedAt, expiresAt }, spend);
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
  const { userId, evidence } = await requirePending(context, pendingAuthenticationToken);
  const signInRecord = { ...choice, userId, evidence: { ...evidence, ...cleanOrigin(input) } };
  return signIn(context, signInRecord, input, async () => {
    const spent = await context.records.pending.spend(pendingAuthenticationToken);
    if (spent === undefined) throw new OrgateError("invalid_pending_authentication");
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
  const record = await context.records.pending.read(token);
  if (record !== undefined && mayUse(record.evidence.client, context.wire?.client)) return record;
  throw new OrgateError("invalid_pending_authentication");
}

async function requireMember(
  context: AuthorityContext,
  userId: string,
  organizationId: string,
  factors: readonly AuthenticationFactor[],
): Promise<Subject> {
  const subject = await loadSubject(context, userId, organizationId, factors);
  if (subject === "user_removed") throw userNotFound();
  if (subject === "membership_removed") throw new OrgateError("organization_not_available");
  return subject;
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

function userNotFound(): OrgateError {
  return new OrgateError("sign_in_failed", { reason: "user_not_found" });
}
