import type { IncomingMessage, ServerResponse } from "node:http";
import type { HandlerContext } from "../guards/denial.ts";
import { showPage } from "../guards/pages.ts";
import { type Html, html } from "../lib/html.ts";
import { pathOf, sanitizeReturnTo } from "../lib/http.ts";
import type { InvitationView } from "../store.ts";

/** What a page for accepting an invitation shows. Names come from outside: escape them. */
export interface AcceptInvitationView extends InvitationView {
  /** Goes back in a hidden field of this name, so that no address in a history or a log carries it again. */
  readonly invitationToken: string;
  /** Where the form posts `invitation_token` to: a path on this origin. */
  readonly action: string;
  /** Where the browser goes on afterwards; `action` carries it already. */
  readonly returnTo: string;
}

/** The application's own page; `undefined`: orgate's. */
export type RenderInvitation =
  | ((view: AcceptInvitationView, request: IncomingMessage, response: ServerResponse) => unknown)
  | undefined;

/** Sends the page. The form posts to this very handler. */
export async function sendInvitationPage(
  context: HandlerContext,
  render: RenderInvitation,
  given: Omit<AcceptInvitationView, "action">,
): Promise<void> {
  const { request, response } = context;
  const { returnTo } = given;
  const query = returnTo === "/" ? "" : `?${new URLSearchParams({ return_to: returnTo }).toString()}`;
  const view = { ...given, action: `${sanitizeReturnTo(pathOf(request))}${query}` };
  // The address of this page holds the token, which no other site may learn from a Referer.
  response.setHeader("Referrer-Policy", "no-referrer");
  if (render !== undefined) await render(view, request, response);
  else showPage(context, { status: response.statusCode, title: titleOf(view), body: renderInvitation(view) });
}

function titleOf({ organization: { id, name } }: InvitationView): string {
  return `Join ${name.trim() === "" ? id : name}`;
}

function renderInvitation(view: AcceptInvitationView): Html {
  const { action, invitationToken, emailAddress } = view;
  return html`<h1><bdi>${titleOf(view)}</bdi></h1>
    <p>The invitation is for <bdi>${emailAddress}</bdi>. Sign in with this address to accept it.</p>
    <form method="post" action="${action}">
      <input type="hidden" name="invitation_token" value="${invitationToken}" />
      <button>Accept the invitation</button>
    </form>`;
}

const FAILED_TITLE = "This invitation cannot be accepted";

/** Sends the page that says why an invitation cannot be accepted. */
export function sendInvitationError(context: HandlerContext, status: number): void {
  const body = html`<h1>${FAILED_TITLE}</h1>
    <p role="alert">
      It was accepted or revoked already, has expired, or is for another address than the one you are signed
      in with.
    </p>
    <p>Ask for a new invitation, or sign in with the address that was invited.</p>`;
  context.response.setHeader("Referrer-Policy", "no-referrer");
  showPage(context, { status, title: FAILED_TITLE, code: "sign_in_failed", body });
}
