import { formatTime } from "../lib/clock.ts";
import { configurationError, quoteName } from "../lib/problems.ts";
import {
  MAX_LIFETIME,
  checkEmailAddress,
  checkFields,
  checkId,
  checkOneOf,
  checkRoles,
  checkToken,
  invalidRequest,
  numberFrom,
  optionalField,
} from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import { type CheckedDirectory, findUserByAddress } from "./directory.ts";
import { type InvitationRecord, invitationIndexOf } from "./records.ts";
import { isOfDomains } from "./rules/email-domains.ts";
import { isActiveMembership, readJoiningRules } from "./rules/settings.ts";
import { makeSecret } from "./secrets.ts";

const DEFAULT_LIFETIME = 7 * 86_400;

/** Whom to invite, and to which organization. */
export interface InviteInput<Role extends string = string> {
  readonly emailAddress: string;
  readonly organizationId: string;
  /** Roles of the authority's policy, if it has one. */
  readonly roles: readonly Role[];
  /** Seconds until it expires. @defaultValue 7 days */
  readonly expiresIn?: number | undefined;
}

/** An invitation that is pending, without its token. */
export interface InvitationSummary {
  readonly id: string;
  readonly state: "pending";
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  /** RFC 3339. */
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** An invitation to an organization. The token is shown only once: send it to the address. */
export interface Invitation extends InvitationSummary {
  readonly token: string;
}

/** An invitation as the page shows it on which it is accepted. */
export interface ReadableInvitation extends InvitationSummary {
  readonly organizationName: string;
  /** Whether a user has the address already; else the page offers to sign up. */
  readonly hasUser: boolean;
}

/** Which invitations to list; exactly one of them. */
export interface InvitationsTarget {
  readonly organizationId?: string | undefined;
  readonly emailAddress?: string | undefined;
}

/** How an invitation is sent again. */
export interface ResendOptions {
  /** Seconds until it expires. @defaultValue as long as it was issued for */
  readonly expiresIn?: number | undefined;
}

const checkLifetime = optionalField(numberFrom(1, MAX_LIFETIME));

/** Invites an e-mail address to an organization. */
export async function invite(context: AuthorityContext, input: InviteInput): Promise<Invitation> {
  const { expiresIn = DEFAULT_LIFETIME, ...asked } = checkFields(input, {
    emailAddress: checkEmailAddress,
    organizationId: checkId,
    roles: checkRoles,
    expiresIn: checkLifetime,
  });
  await assertMayInvite(context, asked);
  const createdAt = Math.floor(context.clock());
  const id = `invitation_${makeSecret(18)}`;
  return issueInvitation(context, {
    version: 1,
    id,
    state: "pending",
    ...asked,
    createdAt,
    expiresAt: createdAt + expiresIn,
  });
}

async function issueInvitation(context: AuthorityContext, record: InvitationRecord): Promise<Invitation> {
  const token = await context.records.invitations.issue(record);
  return { ...toInvitationSummary(record), token };
}

type Asked = Pick<InvitationRecord, "emailAddress" | "organizationId" | "roles">;

/** Refuses an invitation that the organization does not allow, with a role that nobody can have, or for one of its members. */
async function assertMayInvite(
  context: AuthorityContext,
  { emailAddress, organizationId, roles }: Asked,
): Promise<void> {
  requireAddMembership(context);
  const { directory, policy } = context;
  const unknown = policy && roles.find((role) => !policy.roles.has(role));
  if (unknown !== undefined) {
    const message = `roles must be roles of the policy, and ${quoteName(unknown)} is none.`;
    throw invalidRequest(message, "role_unknown");
  }
  const organization = await directory.organization(organizationId);
  if (organization === undefined) {
    throw invalidRequest("There is no such organization.", "organization_not_found");
  }
  const { invites, emailDomains } = readJoiningRules(organization);
  if (invites === "none") {
    throw invalidRequest("The organization allows no invitations.", "invitations_not_allowed");
  }
  if (invites === "email_domains" && !isOfDomains(emailAddress, emailDomains)) {
    const message = "The organization invites only addresses of its emailAllowedDomains.";
    throw invalidRequest(message, "invitation_domain_not_allowed");
  }
  const user = await findUserByAddress(directory, emailAddress);
  const membership = user && (await directory.membership(user.id, organizationId));
  if (membership !== undefined && isActiveMembership(membership)) {
    throw invalidRequest("The user is a member of the organization already.", "already_member");
  }
}

/** Reads an invitation without spending it; `undefined` if it is unknown, spent, revoked or expired. */
export async function readInvitation(
  { records, directory }: AuthorityContext,
  token: string,
): Promise<ReadableInvitation | undefined> {
  const record = (await records.invitations.read(checkToken("token", token)))?.value;
  if (record === undefined) return undefined;
  const organization = await directory.organization(record.organizationId);
  if (organization === undefined) return undefined;
  const user = await findUserByAddress(directory, record.emailAddress);
  return {
    ...toInvitationSummary(record),
    organizationName: organization.name,
    hasUser: user !== undefined,
  };
}

/** Lists the pending invitations of an organization or for an address, newest first. */
export async function listInvitations(
  { records }: AuthorityContext,
  target: InvitationsTarget,
): Promise<readonly InvitationSummary[]> {
  const [name, value] = checkOneOf(target, ["organizationId", "emailAddress"]);
  const index =
    name === "organizationId"
      ? `organization:${checkId(name, value)}`
      : invitationIndexOf(checkEmailAddress(name, value));
  const found = await records.invitations.listBy(index);
  return found
    .map(({ record }) => record)
    .toSorted((one, other) => other.createdAt - one.createdAt)
    .map(toInvitationSummary);
}

/** Issues an invitation again, with a new token: the one before is no longer good. */
export async function resendInvitation(
  context: AuthorityContext,
  invitationId: string,
  options: ResendOptions = {},
): Promise<Invitation> {
  const id = checkId("invitationId", invitationId);
  const { expiresIn } = checkFields(options, { expiresIn: checkLifetime });
  const { invitations } = context.records;
  const [found] = await invitations.listBy(`invitation:${id}`);
  if (found === undefined) throw invitationNotFound();
  const { record, name } = found;
  await assertMayInvite(context, record);
  const now = Math.floor(context.clock());
  const expiresAt = now + (expiresIn ?? record.expiresAt - record.createdAt);
  const again = await issueInvitation(context, { ...record, createdAt: now, expiresAt });
  if (await invitations.remove(name)) return again;
  // It was accepted, revoked or sent again meanwhile: nothing may come back.
  await invitations.discard(again.token);
  throw invitationNotFound();
}

/** Revokes an invitation. One that is over already is no error. */
export async function revokeInvitation({ records }: AuthorityContext, invitationId: string): Promise<void> {
  const index = `invitation:${checkId("invitationId", invitationId)}`;
  const found = await records.invitations.listBy(index);
  await Promise.all(found.map(({ name }) => records.invitations.remove(name)));
}

function invitationNotFound(): Error {
  return invalidRequest("There is no such invitation.", "invitation_not_found");
}

/** Describes an invitation without its token. */
export function toInvitationSummary(record: InvitationRecord): InvitationSummary {
  const { id, state, emailAddress, organizationId, roles, createdAt, expiresAt } = record;
  return {
    id,
    state,
    emailAddress,
    organizationId,
    roles,
    createdAt: formatTime(createdAt),
    expiresAt: formatTime(expiresAt),
  };
}

/** Returns how the directory makes memberships; throws a `ConfigurationError` if it cannot. */
export function requireAddMembership({
  directory,
}: AuthorityContext): NonNullable<CheckedDirectory["addMembership"]> {
  if (directory.addMembership !== undefined) return directory.addMembership;
  const message = "is required for invitations.";
  const suggestion = "Implement it in the directory.";
  throw configurationError("option_invalid", "directory.addMembership", message, suggestion);
}
