import type { IncomingMessage, ServerResponse } from "node:http";
import type { Denial, DenialInit } from "../guards/denial.ts";
import { type Html, html, renderPage, sendPage } from "../lib/html.ts";
import { acceptsHtml, pathOf, sanitizeReturnTo } from "../lib/navigation.ts";
import type { MemberSession, OrganizationChoice } from "../model.ts";
import { type StoreReply, callStore } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import { currentCredential } from "../request/renew.ts";
import { requestAuthOf } from "../request/request-auth.ts";
import type { PendingAuthentication } from "../store.ts";
import { checkChoices } from "./establish.ts";
import { type Visit, refuse } from "./handler-context.ts";

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
  const wayOn = link === undefined ? EMPTY : html`<a class="button" href="${link.href}">${link.text}</a>`;
  return renderPage(
    title,
    html`<h1>${title}</h1>
      <p role="alert">${detail}</p>
      ${wayOn}`,
  );
}

/** The page: orgate's, or the application's own. */
export interface SelectionPage {
  readonly render:
    | ((view: OrganizationSelectionView, request: IncomingMessage, response: ServerResponse) => unknown)
    | undefined;
}

/** Asks the store between what can be chosen now. A store that cannot list them leaves that to the page. */
export async function listOrganizations(
  instance: Instance,
  request: IncomingMessage,
  of: PendingAuthentication | MemberSession,
): Promise<StoreReply<readonly OrganizationChoice[]>> {
  const { store } = instance.options;
  const { credential: presented } = requestAuthOf(request, instance) ?? {};
  return callStore(instance, request, async (context) => {
    if (store.organizations === undefined) return [];
    const isSession = !("pendingAuthenticationToken" in of);
    const credential = isSession && presented ? await currentCredential(instance, presented) : undefined;
    const choices = await store.organizations(of, {
      ...context,
      ...(credential !== undefined && { credential }),
    });
    return checkChoices(choices);
  });
}

/** What a page shows, with the way back to this very handler. */
export function completeView(
  request: IncomingMessage,
  view: Omit<OrganizationSelectionView, "action" | "returnTo">,
  returnTo: string,
): OrganizationSelectionView {
  const path = sanitizeReturnTo(pathOf(request));
  const query = returnTo === "/" ? "" : `?${new URLSearchParams({ return_to: returnTo }).toString()}`;
  return { ...view, action: `${path}${query}`, returnTo };
}

/** Sends the page, with the status that is set on the response. */
export async function showPage(
  { request, response }: Visit,
  { render }: SelectionPage,
  view: OrganizationSelectionView,
): Promise<void> {
  if (render === undefined) sendPage(response, response.statusCode, renderSelection(view));
  else await render(view, request, response);
}

/** Somebody whose choice was not available. */
export interface Disappointed {
  readonly of: PendingAuthentication | MemberSession;
  readonly current?: string | undefined;
  readonly page: SelectionPage;
  readonly returnTo: string;
}

/** Refuses a choice that was not available. A person gets the page again, with what is. */
export async function offerAgain(
  instance: Instance,
  visit: Visit,
  { of, current, page, returnTo }: Disappointed,
): Promise<void> {
  const { request, response, next } = visit;
  const code = "organization_not_available";
  if (!acceptsHtml(request)) {
    refuse(instance, visit, { code });
    return;
  }
  const reply = await listOrganizations(instance, request, of);
  const organizations = reply.status === "answered" ? reply.value : [];
  const view = { organizations, ...(current !== undefined && { current }), error: code } as const;
  refuse(instance, visit, {
    code,
    answer({ status }) {
      response.statusCode = status;
      showPage(visit, page, completeView(request, view, returnTo)).catch(next);
    },
  });
}

/** Ends a visit with a denial that a person can read, where a person waits for a page. */
export function refuseOnPage(instance: Instance, visit: Visit, init: DenialInit): void {
  refuse(instance, visit, { ...init, ...pageFor(instance, visit, init.returnTo) });
}

/** The part of a denial that makes it a page. */
export function pageFor(
  { options }: Instance,
  { request, response }: Visit,
  returnTo = "/",
): Pick<DenialInit, "answer" | "returnTo"> {
  if (!acceptsHtml(request)) return { returnTo };
  return {
    returnTo,
    answer: (denial) =>
      sendPage(response, denial.status, renderDenial(denial, onward(options, denial, returnTo))),
  };
}

function onward(
  { signInPath, selectionPath }: Instance["options"],
  { status, extensions }: Denial,
  returnTo: string,
): { readonly href: string; readonly text: string } | undefined {
  const { sign_in_url: signInUrl } = extensions;
  const query = new URLSearchParams({ return_to: returnTo }).toString();
  if (typeof signInUrl === "string") {
    const [path, own] = signInUrl.split("?", 2);
    const href = `${signInUrl}${own === undefined ? "?" : "&"}${query}`;
    return { href: path === signInPath ? href : signInUrl, text: "Sign in again" };
  }
  if (status === 401 || status === 400) {
    return signInPath === undefined ? undefined : { href: `${signInPath}?${query}`, text: "Sign in" };
  }
  return status === 403 || status === 503 ? { href: selectionPath, text: "Try again" } : undefined;
}
