import { OrgateError } from "../errors.ts";
import { foldEmailAddress } from "../lib/case.ts";
import { isObject } from "../lib/values.ts";
import { checkFields, checkId, checkToken, invalidRequest, optionalField } from "./check-input.ts";
import type { AuthorityContext } from "./context.ts";
import {
  type DirectoryMembership,
  type DirectoryUser,
  type NewDirectoryUser,
  findUserByAddress,
} from "./directory.ts";
import { type InvitationSummary, requireAddMembership, toInvitationSummary } from "./invitations.ts";
import type { InvitationRecord } from "./records.ts";
import { type Versioned, malformedAnswer } from "./repository.ts";
import { isActiveMembership, isAwaited } from "./rules/settings.ts";
import { makeSecret } from "./secrets.ts";

/** An invitation, and who accepts it. */
export interface AcceptInvitationInput {
  readonly invitationToken: string;
  /** @defaultValue the user with the address that was invited, or else a new one */
  readonly userId?: string | undefined;
  /** What a new user is made with, beside the address; `emailVerified` is `true`. */
  readonly user?: Readonly<Record<string, unknown>> | undefined;
}

/** An invitation that was accepted. */
export interface AcceptedInvitation {
  readonly invitation: InvitationSummary;
  readonly user: DirectoryUser;
  readonly membership: DirectoryMembership;
  /** Whether the user was made for it. */
  readonly isNewUser: boolean;
}

/**
 * Accepts an invitation without signing in: makes the membership, and the user where there is none with its address.
 *
 * The user is made only after the token was found good and spent. If anything fails after that, the invitation is stored again.
 */
export async function acceptInvitation(
  context: AuthorityContext,
  input: AcceptInvitationInput,
): Promise<AcceptedInvitation> {
  const {
    invitationToken: token,
    userId,
    user: fields,
  } = checkFields(input, {
    invitationToken: checkToken,
    userId: optionalField(checkId),
    user: optionalField(checkNewUser),
  });
  const { directory } = context;
  const found = await readInvitationRecord(context, token);
  const invitation = found.value;
  const existing =
    userId === undefined
      ? await findUserByAddress(directory, invitation.emailAddress)
      : await directory.user(userId);
  if (existing === undefined && (userId !== undefined || directory.createUser === undefined)) {
    throw refused("user_not_found");
  }
  if (existing !== undefined) assertIsFor(invitation, existing);
  let user = existing;
  const membership = await spendToJoin(context, { token, found }, async () => {
    user ??= await createUser(context, { ...fields, emailAddress: invitation.emailAddress });
    return user;
  });
  if (user === undefined) throw new TypeError("An invitation is accepted for a user.");
  const isNewUser = existing === undefined;
  return { invitation: toInvitationSummary(invitation), user, membership, isNewUser };
}

function checkNewUser(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (isObject(value)) return value;
  throw invalidRequest(`${name} must be an object.`);
}

async function createUser({ directory }: AuthorityContext, given: NewDirectoryUser): Promise<DirectoryUser> {
  // The token was sent to the address, so whoever has it reads the mail there.
  const user = await directory.createUser?.({ ...given, emailVerified: true });
  if (user === undefined || foldEmailAddress(user.emailAddress) !== foldEmailAddress(given.emailAddress)) {
    throw malformedAnswer("directory.createUser");
  }
  return user;
}

/** Whom a sign-in with an invitation is for. */
interface InvitedUser {
  readonly user: DirectoryUser;
  /** The organization that the user wants to sign in to; `undefined`: that of the invitation. */
  readonly organizationId: string | undefined;
}

/**
 * Reads an invitation for a user, without spending it.
 *
 * Throws `sign_in_failed` if it is spent, or for another address or another organization than the one wanted.
 */
export async function requireInvitation(
  context: AuthorityContext,
  token: string,
  { user, organizationId }: InvitedUser,
): Promise<HeldInvitation> {
  const found = await readInvitationRecord(context, token);
  assertIsFor(found.value, user);
  if (organizationId !== undefined && organizationId !== found.value.organizationId) {
    throw refused("invitation_invalid");
  }
  return { token, found };
}

/** Spends an invitation that {@link requireInvitation} returned, and makes the membership. */
export async function joinByInvitation(
  context: AuthorityContext,
  invitation: HeldInvitation,
  user: DirectoryUser,
): Promise<void> {
  await spendToJoin(context, invitation, async () => user);
}

/** An invitation that was read and not spent, and its token. */
export interface HeldInvitation {
  readonly token: string;
  readonly found: Versioned<InvitationRecord>;
}

/** Spends an invitation, and makes the membership it was issued for. Of several callers at once exactly one spends it. */
async function spendToJoin(
  context: AuthorityContext,
  { token, found }: HeldInvitation,
  findUser: () => Promise<DirectoryUser>,
): Promise<DirectoryMembership> {
  const { directory, records } = context;
  const addMembership = requireAddMembership(context);
  const invitation = found.value;
  const attempt = makeSecret();
  if (!(await records.invitations.spend(token, found, attempt))) throw refused("invitation_invalid");
  try {
    const user = await findUser();
    const { organizationId } = invitation;
    const existing = await directory.membership(user.id, organizationId);
    if (existing !== undefined && isActiveMembership(existing)) return existing;
    const membership = membershipBy(invitation, user);
    await addMembership(membership);
    return (await directory.membership(user.id, organizationId)) ?? membership;
  } catch (error) {
    await records.invitations.restore(token, invitation, attempt);
    throw error;
  }
}

/** The membership that an invitation makes. It is active, also where the user was awaited until now. */
export function membershipBy(
  { organizationId, roles }: InvitationRecord,
  user: DirectoryUser,
): DirectoryMembership {
  return { userId: user.id, organizationId, roles, ...(isAwaited(user) && { status: "active" }) };
}

async function readInvitationRecord(
  context: AuthorityContext,
  token: string,
): Promise<Versioned<InvitationRecord>> {
  requireAddMembership(context);
  const found = await context.records.invitations.read(token);
  if (found === undefined) throw refused("invitation_invalid");
  return found;
}

function assertIsFor({ emailAddress }: InvitationRecord, user: DirectoryUser): void {
  if (foldEmailAddress(emailAddress) === foldEmailAddress(user.emailAddress)) return;
  throw refused("invitation_cannot_be_used_for_email");
}

function refused(reason: string): OrgateError {
  return new OrgateError("sign_in_failed", { reason });
}
