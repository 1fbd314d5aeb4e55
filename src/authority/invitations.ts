import { randomBytes } from "node:crypto";
import { ConfigurationError, OrgateError } from "../errors.ts";
import { formatTime } from "../lib/clock.ts";
import {
  checkEmailAddress,
  checkId,
  checkOptionalNumber,
  checkRoles,
  invalidRequest,
} from "./check-input.ts";
import type { DirectoryUser } from "./directory.ts";
import type { Invitation, InviteInput } from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { hashToken } from "./refresh-token.ts";
import { makeSingleUseToken, nameOfToken } from "./sign-in.ts";

const WEEK = 7 * 86_400;

interface InvitationRecord {
  readonly version: 1;
  readonly id: string;
  readonly state: "pending";
  readonly emailAddress: string;
  readonly organizationId: string;
  readonly roles: readonly string[];
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** Invites an e-mail address to an organization. The token is stored by its hash alone. */
export async function invite(context: AuthorityContext, input: InviteInput): Promise<Invitation> {
  const emailAddress = checkEmailAddress(input.emailAddress);
  const organizationId = checkId("organizationId", input.organizationId);
  const roles = checkRoles(input.roles);
  const expiresIn = checkOptionalNumber("expiresIn", input.expiresIn, { least: 1, most: 366 * 86_400 });
  requireAddMembership(context);
  if ((await context.directory.organization(organizationId)) === undefined) {
    throw invalidRequest("There is no such organization.", "organization_not_found");
  }
  const createdAt = Math.floor(context.clock());
  const id = `invitation_${randomBytes(18).toString("base64url")}`;
  const terms = { id, state: "pending", emailAddress, organizationId, roles } as const;
  const record: InvitationRecord = {
    version: 1,
    ...terms,
    createdAt,
    expiresAt: createdAt + (expiresIn ?? WEEK),
  };
  const token = makeSingleUseToken();
  await context.repository.insert("invitations", hashToken(token), record, writeOptionsOf(record));
  return {
    ...terms,
    token,
    createdAt: formatTime(createdAt),
    expiresAt: formatTime(record.expiresAt),
  };
}

/**
 * Accepts an invitation for a user: makes the membership it was issued for, and answers with the organization.
 *
 * Refused with `sign_in_failed`, and then not spent, where it is for another address or another organization than the one
 * wanted. Spent by exactly one; where the membership cannot be made, it is put back.
 */
export async function acceptInvitation(
  context: AuthorityContext,
  token: string,
  { user, organizationId }: { user: DirectoryUser; organizationId: string | undefined },
): Promise<string> {
  const addMembership = requireAddMembership(context);
  const name = nameOfToken(token);
  const invitation = name === undefined ? undefined : await readInvitation(context, name);
  if (name === undefined || invitation === undefined) throw refused("invitation_invalid");
  if (invitation.emailAddress.toLowerCase() !== user.emailAddress.toLowerCase()) {
    throw refused("invitation_cannot_be_used_for_email");
  }
  if (organizationId !== undefined && organizationId !== invitation.organizationId) {
    throw refused("invitation_invalid");
  }
  const spent = await context.repository.consume("invitations", name);
  if (spent === undefined) throw refused("invitation_invalid");
  try {
    const known = await context.directory.membership(user.id, invitation.organizationId);
    const { roles } = invitation;
    if (known === undefined) {
      await addMembership({ userId: user.id, organizationId: invitation.organizationId, roles });
    }
  } catch (error) {
    await context.repository.insert("invitations", name, invitation, writeOptionsOf(invitation));
    throw error;
  }
  return invitation.organizationId;
}

async function readInvitation(
  { repository, clock }: AuthorityContext,
  name: string,
): Promise<InvitationRecord | undefined> {
  const invitation = (await repository.read("invitations", name))?.value;
  return isInvitation(invitation) && clock() < invitation.expiresAt ? invitation : undefined;
}

function requireAddMembership({ directory }: AuthorityContext): NonNullable<typeof directory.addMembership> {
  if (directory.addMembership !== undefined) return directory.addMembership;
  throw new ConfigurationError([
    {
      code: "option_invalid",
      option: "directory.addMembership",
      message: "is required for invitations.",
      suggestion: "Implement it in the directory.",
    },
  ]);
}

function writeOptionsOf({ id, organizationId, expiresAt }: InvitationRecord): {
  expiresAt: number;
  indexes: readonly string[];
} {
  return { expiresAt, indexes: [`invitation:${id}`, `organization:${organizationId}`] };
}

function refused(reason: string): OrgateError {
  return new OrgateError("sign_in_failed", { reason });
}

function isInvitation(value: unknown): value is InvitationRecord {
  if (typeof value !== "object" || value === null) return false;
  const roles: unknown = Reflect.get(value, "roles");
  return (
    Reflect.get(value, "version") === 1 &&
    Reflect.get(value, "state") === "pending" &&
    ["id", "emailAddress", "organizationId"].every((name) => typeof Reflect.get(value, name) === "string") &&
    Array.isArray(roles) &&
    roles.every((role) => typeof role === "string") &&
    typeof Reflect.get(value, "expiresAt") === "number"
  );
}
