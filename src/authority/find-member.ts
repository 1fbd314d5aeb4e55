import { OrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";
import { type HeldInvitation, joinByInvitation, membershipBy } from "./accept-invitation.ts";
import type { AuthorityContext } from "./context.ts";
import { type DirectoryUser, type Subject, loadSubject, subjectOf } from "./directory.ts";
import { findProvisioning, provisionMember } from "./rules/provisioning.ts";
import { isActiveMember } from "./rules/settings.ts";

/** Who wants to be in which organization, and by what. */
export interface MemberQuestion {
  readonly user: DirectoryUser;
  readonly organizationId: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  /** Somebody else acts in the user's name, and makes them a member of nothing. */
  readonly impersonator?: Impersonator | undefined;
  readonly invitation: HeldInvitation | undefined;
}

/** Whom a session will act for. */
export interface SignInTarget {
  /** Whom the session will act for; of a user who is about to join, with the membership as it will be. */
  readonly subject: Subject;
  /** Makes the membership, and returns the subject as the directory has it then. */
  readonly join?: () => Promise<Subject>;
}

/** Finds the member that a user is in an organization, or may become: by an invitation, or just in time. */
export async function findMember(context: AuthorityContext, question: MemberQuestion): Promise<SignInTarget> {
  const { user, organizationId, authenticationFactors, impersonator, invitation } = question;
  const { directory, clock } = context;
  const reload = (): Promise<Subject> =>
    requireMember(context, user.id, organizationId, authenticationFactors);
  const found = await loadSubject(context, user.id, organizationId, authenticationFactors);
  if (found === "user_removed") throw userNotFound();
  const join =
    invitation === undefined
      ? undefined
      : async () => {
          await joinByInvitation(context, invitation, user);
          return reload();
        };
  if (found !== "membership_removed") return { subject: found, ...(join !== undefined && { join }) };
  const known = { user, factors: authenticationFactors, readAt: clock() };
  const organization = await directory.organization(organizationId);
  if (organization === undefined) throw new OrgateError("organization_not_available");
  if (invitation !== undefined && join !== undefined) {
    const membership = membershipBy(invitation.found.value, user);
    if (!isActiveMember(user, membership)) throw new OrgateError("organization_not_available");
    return { subject: subjectOf(context, { ...known, membership, organization }), join };
  }
  const ground =
    directory.addMembership === undefined || impersonator !== undefined || !isActiveMember(user, undefined)
      ? undefined
      : findProvisioning(organization, user, authenticationFactors);
  // A membership that is there and not in force was ended by somebody: a domain does not bring it back.
  if (ground === undefined || (await directory.membership(user.id, organizationId)) !== undefined) {
    throw new OrgateError("organization_not_available");
  }
  const membership = { userId: user.id, organizationId, roles: [] };
  return {
    subject: subjectOf(context, { ...known, membership, organization }),
    async join() {
      await provisionMember(context, membership, ground);
      return reload();
    },
  };
}

/** Reads the member that a user is in an organization. Throws `organization_not_available`, or `sign_in_failed` without the user. */
export async function requireMember(
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

/** Makes the refusal for a user whom the directory does not know. */
export function userNotFound(): OrgateError {
  return new OrgateError("sign_in_failed", { reason: "user_not_found" });
}
