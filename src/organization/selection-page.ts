import type { Denial } from "../http/denial.ts";
import { html, renderPage, type Html } from "../http/page.ts";
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

const TITLE = "Choose an organization";

/** The page on which an organization is chosen: one button for each, in one form, without script. */
export function renderSelection(view: OrganizationSelectionView): string {
  const body = html`<h1>${TITLE}</h1>
    ${alertOf(view)} ${view.organizations.length === 0 ? NOTHING_TO_CHOOSE : formOf(view)}`;
  return renderPage(TITLE, body);
}

const NOTHING_TO_CHOOSE = html`<p>You are not a member of any organization yet. Ask to be invited.</p>`;
const EMPTY = html``;

function alertOf({ error }: OrganizationSelectionView): Html {
  if (error === undefined) return EMPTY;
  return html`<p role="alert">This organization is not available to you. Choose another one.</p>`;
}

function formOf({ organizations, action, current }: OrganizationSelectionView): Html {
  return html`<p>You will work in one of them at a time, and can switch later.</p>
    <form method="post" action="${action}">
      <ul>
        ${organizations.map((one) => choiceOf(one, one.id === current))}
      </ul>
    </form>`;
}

// Tenants choose their names: `bdi` keeps one that is written from right to left from rearranging what stands around it.
function choiceOf({ id, name }: OrganizationChoice, isCurrent: boolean): Html {
  const label = html`<bdi>${name.trim() === "" ? id : name}</bdi>`;
  const button = isCurrent
    ? html`<button name="organization_id" value="${id}" aria-current="true">
        ${label} <small>current</small>
      </button>`
    : html`<button name="organization_id" value="${id}">${label}</button>`;
  return html`<li>${button}</li>`;
}

/** A page that says why something did not happen, and where to go on. */
export function renderDenial(
  { title, detail }: Denial,
  link?: { readonly href: string; readonly text: string },
): string {
  const onward = link === undefined ? EMPTY : html`<a class="button" href="${link.href}">${link.text}</a>`;
  return renderPage(
    title,
    html`<h1>${title}</h1>
      <p role="alert">${detail}</p>
      ${onward}`,
  );
}
