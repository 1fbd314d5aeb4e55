import type { IncomingMessage, ServerResponse } from "node:http";
import { type Chooser, listChoices } from "../guards/authorize.ts";
import { type HandlerContext, deny } from "../guards/denial.ts";
import { showPage } from "../guards/pages.ts";
import { type Html, html } from "../lib/html.ts";
import { acceptsHtml, pathOf, sanitizeReturnTo } from "../lib/http.ts";
import type { OrganizationChoice } from "../model.ts";

/** What a page for choosing an organization shows. Names come from outside: escape them. */
export interface OrganizationSelectionView {
  /** As the store lists them now. */
  readonly organizations: readonly OrganizationChoice[];
  /** The id of the session's organization, where it has one already. */
  readonly current?: string;
  /** Where the form posts `organization_id` to: a path on this origin. */
  readonly action: string;
  /** Where the browser goes on afterwards; `action` carries it already. */
  readonly returnTo: string;
  /** What was wrong with the choice before. */
  readonly error?: "organization_not_available";
}

/** The application's own page; `undefined`: orgate's. */
export type RenderSelection =
  | ((view: OrganizationSelectionView, request: IncomingMessage, response: ServerResponse) => unknown)
  | undefined;

/** Sends the page with the status that is set on the response. The form posts to this very handler. */
export async function sendSelectionPage(
  context: HandlerContext,
  render: RenderSelection,
  given: Omit<OrganizationSelectionView, "action">,
): Promise<void> {
  const { request, response } = context;
  const { returnTo } = given;
  const query = returnTo === "/" ? "" : `?${new URLSearchParams({ return_to: returnTo }).toString()}`;
  const view = { ...given, action: `${sanitizeReturnTo(pathOf(request))}${query}` };
  if (render !== undefined) await render(view, request, response);
  else showPage(context, { status: response.statusCode, title: TITLE, body: renderSelection(view) });
}

/** How a selection page is shown. */
export interface SelectionPage {
  readonly render: RenderSelection;
  readonly returnTo: string;
  /** The session's organization. */
  readonly current?: string | undefined;
}

/** A choice that was not available, and the page to choose again. */
export interface FailedChoice extends SelectionPage {
  readonly chooser: Chooser;
}

/** Refuses a choice that was not available. A person gets the page again, with the organizations that are. */
export async function renderSelectionError(
  context: HandlerContext,
  { chooser, render, returnTo, current }: FailedChoice,
): Promise<void> {
  const { request, response, next } = context;
  const code = "organization_not_available";
  const reply = acceptsHtml(request) ? await listChoices(context, chooser) : undefined;
  const organizations = reply?.status === "answered" ? reply.value : [];
  const view = { organizations, ...(current !== undefined && { current }), error: code, returnTo } as const;
  deny(context, {
    code,
    page({ status }) {
      response.statusCode = status;
      sendSelectionPage(context, render, view).catch(next);
    },
  });
}

const TITLE = "Choose an organization";
const NOTHING_TO_CHOOSE = html`<p>You are not a member of any organization yet. Ask to be invited.</p>`;
const NOT_AVAILABLE = html`<p role="alert">
  This organization is not available to you. Choose another one.
</p>`;

/** Renders the page: one button for each organization, in one form, without script. */
function renderSelection(view: OrganizationSelectionView): Html {
  const alert = view.error === undefined ? "" : NOT_AVAILABLE;
  const body = view.organizations.length === 0 ? NOTHING_TO_CHOOSE : renderForm(view);
  return html`<h1>${TITLE}</h1>
    ${alert} ${body}`;
}

function renderForm({ organizations, action, current }: OrganizationSelectionView): Html {
  return html`<p>You will work in one of them at a time, and can switch later.</p>
    <form method="post" action="${action}">
      <ul>
        ${organizations.map((one) => renderChoice(one, one.id === current))}
      </ul>
    </form>`;
}

// Tenants choose their names: `bdi` keeps one that is written from right to left from rearranging the text around it.
function renderChoice({ id, name }: OrganizationChoice, isCurrent: boolean): Html {
  const label = html`<bdi>${name.trim() === "" ? id : name}</bdi>`;
  const button = isCurrent
    ? html`<button name="organization_id" value="${id}" aria-current="true">
        ${label} <small>current</small>
      </button>`
    : html`<button name="organization_id" value="${id}">${label}</button>`;
  return html`<li>${button}</li>`;
}
