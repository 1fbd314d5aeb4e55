import { OrgateError } from "../errors.ts";
import { foldEmailAddress } from "../lib/case.ts";
import { formatTime } from "../lib/clock.ts";
import { configurationError, quoteName } from "../lib/problems.ts";
import {
  MAX_LIFETIME,
  checkEmailAddress,
  checkFields,
  checkId,
  checkRoles,
  invalidRequest,
  numberFrom,
  optionalField,
} from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import type { CheckedDirectory, DirectoryUser } from "./directory.ts";
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

/** An invitation to an organization. The token is shown only once: send it to the address. */
export interface Invitation {
  readonly id: string;
  readonly token: string;
  readonly state: "pending";
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  /** RFC 3339. */
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** Invites an e-mail address to an organization. */
export async function invite(context: AuthorityContext, input: InviteInput): Promise<Invitation> {
  const {
    emailAddress,
    organizationId,
    roles,
    expiresIn = DEFAULT_LIFETIME,
  } = checkFields(input, {
    emailAddress: checkEmailAddress,
    organizationId: checkId,
    roles: checkRoles,
    expiresIn: optionalField(numberFrom(1, MAX_LIFETIME)),
  });
  requireAddMembership(context);
  const unknown = context.policy && roles.find((role) => context.policy?.roles.has(role) === false);
  if (unknown !== undefined) {
    throw invalidRequest(
      `roles must be roles of the policy, and ${quoteName(unknown)} is none.`,
      "role_unknown",
    );
  }
  if ((await context.directory.organization(organizationId)) === undefined) {
    throw invalidRequest("There is no such organization.", "organization_not_found");
  }
  const createdAt = Math.floor(context.clock());
  const expiresAt = createdAt + expiresIn;
  const id = `invitation_${makeSecret(18)}`;
  const terms = { id, state: "pending", emailAddress, organizationId, roles } as const;
  const token = await context.records.invitations.issue({ version: 1, ...terms, createdAt, expiresAt });
  return { ...terms, token, createdAt: formatTime(createdAt), expiresAt: formatTime(expiresAt) };
}

/**
 * Accepts an invitation for a user: makes the membership it was issued for, and returns the organization.
 *
 * Throws `sign_in_failed`, and does not spend the invitation, if it is for another address or another organization than the one
 * wanted. Of several callers at once exactly one spends it. It is stored again if the membership cannot be made.
 */
export async function acceptInvitation(
  context: AuthorityContext,
  token: string,
  { user, organizationId }: { user: DirectoryUser; organizationId: string | undefined },
): Promise<string> {
  const { directory, records } = context;
  const addMembership = requireAddMembership(context);
  const invitation = await records.invitations.read(token);
  if (invitation === undefined) throw refused("invitation_invalid");
  if (foldEmailAddress(invitation.emailAddress) !== foldEmailAddress(user.emailAddress)) {
    throw refused("invitation_cannot_be_used_for_email");
  }
  if (organizationId !== undefined && organizationId !== invitation.organizationId) {
    throw refused("invitation_invalid");
  }
  if ((await records.invitations.spend(token)) === undefined) throw refused("invitation_invalid");
  try {
    const membership = {
      userId: user.id,
      organizationId: invitation.organizationId,
      roles: invitation.roles,
    };
    const existing = await directory.membership(user.id, invitation.organizationId);
    if (existing === undefined) await addMembership(membership);
  } catch (error) {
    await records.invitations.restore(token, invitation);
    throw error;
  }
  return invitation.organizationId;
}

function requireAddMembership({
  directory,
}: AuthorityContext): NonNullable<CheckedDirectory["addMembership"]> {
  if (directory.addMembership !== undefined) return directory.addMembership;
  const message = "is required for invitations.";
  throw configurationError(
    "option_invalid",
    "directory.addMembership",
    message,
    "Implement it in the directory.",
  );
}

function refused(reason: string): OrgateError {
  return new OrgateError("sign_in_failed", { reason });
}
