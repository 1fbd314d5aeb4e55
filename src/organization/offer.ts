import type { IncomingMessage, ServerResponse } from "node:http";
import { callStore, type StoreReply } from "../engine/call-store.ts";
import { currentCredential } from "../engine/current-credential.ts";
import type { Engine } from "../engine/engine.ts";
import { acceptsHtml, pathOf } from "../http/navigation.ts";
import { sendPage } from "../http/page.ts";
import { sanitizeReturnTo } from "../http/return-to.ts";
import type { MemberSession, OrganizationChoice } from "../model.ts";
import { recordOf } from "../pipeline/attach.ts";
import type { PendingAuthentication } from "../stores/session-store.ts";
import { renderSelection, type OrganizationSelectionView } from "./selection-page.ts";
import { checkChoices } from "./store-outcome.ts";
import { refuse, type Visit } from "./visit.ts";

/** The page: orgate's, or the application's own. */
export interface SelectionPage {
  readonly render:
    | ((view: OrganizationSelectionView, request: IncomingMessage, response: ServerResponse) => unknown)
    | undefined;
}

/** Asks the store between what can be chosen now. A store that cannot list them leaves that to the page. */
export async function listOrganizations(
  engine: Engine,
  request: IncomingMessage,
  of: PendingAuthentication | MemberSession,
): Promise<StoreReply<readonly OrganizationChoice[]>> {
  const { store } = engine.options;
  const { credential: presented } = recordOf(request, engine) ?? {};
  return callStore(engine, request, async (context) => {
    if (store.organizations === undefined) return [];
    const isSession = !("pendingAuthenticationToken" in of);
    const credential = isSession && presented ? await currentCredential(engine, presented) : undefined;
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
  engine: Engine,
  visit: Visit,
  { of, current, page, returnTo }: Disappointed,
): Promise<void> {
  const { request, response, next } = visit;
  const code = "organization_not_available";
  if (!acceptsHtml(request)) {
    refuse(engine, visit, { code });
    return;
  }
  const reply = await listOrganizations(engine, request, of);
  const organizations = reply.status === "answered" ? reply.value : [];
  const view = { organizations, ...(current !== undefined && { current }), error: code } as const;
  refuse(engine, visit, {
    code,
    answer({ status }) {
      response.statusCode = status;
      showPage(visit, page, completeView(request, view, returnTo)).catch(next);
    },
  });
}
