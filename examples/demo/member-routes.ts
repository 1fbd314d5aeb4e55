import { urlencoded, type Express, type Response } from "express";
import { isOrgateError, type GuardOptions } from "orgate";
import type { Authority } from "orgate/authority";
import { handler, type SignedInRequest } from "orgate/express";
import { rolesFor } from "./company.ts";
import { toMail } from "./invitation-routes.ts";
import type { Mailbox } from "./mailbox.ts";
import { renderMembers, type ListedMember } from "./member-pages.ts";
import { USER_IDS } from "./people.ts";
import type { Auth, Show } from "./show.ts";
import type { DemoDirectory } from "./storage.ts";

/** What the routes need. */
export interface MemberParts {
  readonly auth: Auth;
  readonly authority: Authority;
  readonly directory: DemoDirectory;
  readonly mailbox: Mailbox;
  readonly show: Show;
}

/** Routes on which administrators change roles, lock members, end sessions, and invite. */
export function addMemberRoutes(app: Express, parts: MemberParts): void {
  const { auth, authority, directory, mailbox } = parts;
  const here: GuardOptions = { organization: "param:org", by: "slug" };
  const guards = [auth.requirePermission("members", "manage", here), auth.denyImpersonation()];
  const form = urlencoded({ extended: false, limit: "8kb" });
  const page = "/o/:org/members";

  app.get(
    page,
    guards,
    handler((req, res) => showMembers(parts, req, res)),
  );

  app.post(
    `${page}/:userId/role`,
    guards,
    form,
    handler<{ org: string; userId: string }>(async (req, res) => {
      const { role } = req.body as { role?: unknown };
      const roles = rolesFor(role);
      const member = await findMember(directory, req);
      if (member !== undefined && roles !== undefined) {
        await directory.setRoles(member.userId, member.organizationId, roles);
      }
      res.redirect(303, `/o/${req.params.org}/members`);
    }),
  );

  app.post(
    `${page}/:userId/lock`,
    guards,
    form,
    handler<{ org: string; userId: string }>(async (req, res) => {
      const { locked } = req.body as { locked?: unknown };
      const member = await findMember(directory, req);
      if (member !== undefined) {
        const { userId, organizationId } = member;
        await directory.updateMembership(userId, organizationId, { isLocked: locked === "yes" });
        // A role may wait for the next renewal. A lock may not.
        await auth.invalidate({ userId });
      }
      res.redirect(303, `/o/${req.params.org}/members`);
    }),
  );

  app.post(
    `${page}/:userId/sessions/:sessionId/end`,
    guards,
    handler<{ org: string; userId: string; sessionId: string }>(async (req, res) => {
      const sessions = await listSessions(parts, req.params.userId, req.organization.id);
      const session = sessions.find(({ id }) => id === req.params.sessionId);
      if (session !== undefined) await authority.revoke({ sessionId: session.id });
      res.redirect(303, `/o/${req.params.org}/members`);
    }),
  );

  app.post(
    "/o/:org/invitations",
    guards,
    form,
    handler<{ org: string }>(async (req, res) => {
      const { email_address: emailAddress } = req.body as { email_address?: unknown };
      const { id: organizationId, name = "" } = req.organization;
      try {
        const to = String(emailAddress);
        const invitation = await authority.invite({ emailAddress: to, organizationId, roles: ["viewer"] });
        mailbox.send(to, toMail(invitation, name));
        res.redirect(303, `/o/${req.params.org}/members`);
      } catch (error) {
        if (!isOrgateError(error) || error.code !== "invalid_request") throw error;
        res.status(400);
        await showMembers(parts, req, res, error.message);
      }
    }),
  );

  app.post(
    "/o/:org/invitations/:id/revoke",
    guards,
    handler<{ org: string; id: string }>(async (req, res) => {
      const invitations = await authority.listInvitations({ organizationId: req.organization.id });
      const invitation = invitations.find(({ id }) => id === req.params.id);
      if (invitation !== undefined) await authority.revokeInvitation(invitation.id);
      res.redirect(303, `/o/${req.params.org}/members`);
    }),
  );
}

/** Finds the member that a path names. A user of another organization is none. */
function findMember(
  directory: DemoDirectory,
  { params, organization }: SignedInRequest<{ userId: string }>,
): ReturnType<DemoDirectory["membership"]> {
  return directory.membership(params.userId, organization.id);
}

/** Lists the sessions of a member. Those of the same user in another organization are not this administrator's business. */
async function listSessions({ authority }: MemberParts, userId: string, organizationId: string) {
  const sessions = await authority.listSessions({ userId });
  return sessions.filter((session) => session.organizationId === organizationId);
}

async function showMembers(
  parts: MemberParts,
  req: SignedInRequest,
  res: Response,
  problem?: string,
): Promise<void> {
  const { authority, directory, show } = parts;
  const { id: organizationId, slug = "", name = "" } = req.organization;
  const listed = [...USER_IDS].map(async (userId): Promise<ListedMember | undefined> => {
    const user = await directory.user(userId);
    const membership = await directory.membership(userId, organizationId);
    if (user === undefined || membership === undefined) return undefined;
    return { user, membership, sessions: await listSessions(parts, userId, organizationId) };
  });
  const main = renderMembers({
    organization: { slug, name },
    members: (await Promise.all(listed)).filter((member) => member !== undefined),
    invitations: await authority.listInvitations({ organizationId }),
    own: { userId: req.member.userId ?? "", sessionId: req.memberSession.id },
    problem,
  });
  await show.page(req, res, { title: "Members", main, current: "members" });
}
