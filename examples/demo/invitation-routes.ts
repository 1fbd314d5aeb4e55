import type { Express, Request, Response } from "express";
import type { Authority, Invitation } from "orgate/authority";
import { renderMail } from "./invitation-page.ts";
import type { Mail, Mailbox } from "./mailbox.ts";
import type { Auth, Show } from "./show.ts";
import type { DemoDirectory } from "./storage.ts";

/** What the routes need. */
export interface InvitationParts {
  readonly auth: Auth;
  readonly authority: Authority;
  readonly directory: DemoDirectory;
  readonly mailbox: Mailbox;
  readonly show: Show;
}

/** Routes for a user who was invited: the mail with the link, and the page that the link leads to. */
export function addInvitationRoutes(app: Express, parts: InvitationParts): void {
  const { auth, authority, directory, mailbox, show } = parts;
  const mine = [auth.requireAuth(), auth.denyImpersonation()];

  app.get("/mail", mine, async (req: Request, res: Response) => {
    const { userId = "", name = "", emailAddress = "" } = req.member ?? {};
    const isNowhere = (await directory.memberships(userId)).length === 0;
    const main = renderMail({ name, emailAddress, isNowhere }, mailbox.read(emailAddress));
    await show.page(req, res, { title: "Mail", main });
  });

  // For the demo only: nobody else would invite a user who is new here.
  app.post("/mail/invite-me", mine, async (req: Request, res: Response) => {
    const { emailAddress = "" } = req.member ?? {};
    const invitation = { emailAddress, organizationId: "org_globex", roles: ["viewer"] };
    mailbox.send(emailAddress, toMail(await authority.invite(invitation), "Globex Labs"));
    res.redirect(303, "/mail");
  });

  app.use("/join", auth.acceptInvitation());
}

/** Makes the mail for an invitation. Nothing else shows its token. */
export function toMail({ token }: Invitation, organization: string): Mail {
  const query = new URLSearchParams({ invitation_token: token }).toString();
  return { subject: `${organization} invites you to Paperclip.`, href: `/join?${query}` };
}
