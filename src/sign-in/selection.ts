import type { IncomingMessage, ServerResponse } from "node:http";
import { listChoices } from "../guards/authorize.ts";
import { type HandlerContext, denialOf, deny } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { closeIfUnread, isJsonClient, queryOf, redirect, sendJson } from "../lib/http.ts";
import type { OrganizationChoice } from "../model.ts";
import type { RequestCallback } from "../options/options.ts";
import { type StoreReply, toLabel } from "../request/call-store.ts";
import type { Instance } from "../request/instance.ts";
import type { Outcome, PendingAuthentication } from "../store.ts";
import { SelectionDeduplicator, readChoice } from "./choice.ts";
import { answerOutcome } from "./establish.ts";
import {
  type HandlerRequest,
  attachAuthenticated,
  attachOnly,
  chooseReturnTo,
  createHandler,
  requireMethod,
  returnToOfQuery,
} from "./handler-context.ts";
import { clearPending, readSelectable } from "./pending.ts";
import {
  type OrganizationSelectionView,
  type RenderSelection,
  type SelectionPage,
  sendSelectionPage,
} from "./selection-page.ts";
import { switchToPosted } from "./switch-organization.ts";

/** Options of `auth.organizationSelection()`. */
export interface OrganizationSelectionOptions {
  /**
   * Shows a page of your own, also after a choice that was not available (`view.error`; the status is set already).
   * What it throws goes to `next`. @defaultValue orgate's page
   */
  readonly render?:
    | RequestCallback<
        [view: OrganizationSelectionView, request: IncomingMessage, response: ServerResponse],
        void | Promise<void>
      >
    | undefined;
}

/**
 * Creates the page on which an organization is chosen (`GET`), and the target of its form (`POST { organization_id }`).
 * Completes the pending authentication of this browser, or else switches the session.
 *
 * @throws ConfigurationError for a store with neither `organizations` nor `selectOrganization`, or without a password.
 */
export function createOrganizationSelection(
  instance: Instance,
  options: OrganizationSelectionOptions = {},
): Middleware {
  const { render } = options;
  const selection = { deduplicator: new SelectionDeduplicator(instance), render };
  return createHandler(instance, {
    name: "organizationSelection",
    options,
    knownOptions: ["render"],
    storeMethods: ["organizations", "selectOrganization"],
    seals: "A pending authentication is sealed with it.",
    validate(problems) {
      if (render !== undefined && typeof render !== "function") {
        problems.invalid("render", "is not a function.", "Leave it out for the page of orgate.");
      }
    },
    httpMethods: ["GET", "HEAD", "POST"],
    async serve(received) {
      if (received.request.method !== "POST") await showSelection(received, render);
      else if (!(await selectPosted(received, selection))) {
        await switchToPosted(received, { ...selection, hasPage: true });
      }
    },
  });
}

/** Shows the organizations to a user who must choose or to a member. Changes nothing. */
async function showSelection(received: HandlerRequest, render: RenderSelection): Promise<void> {
  const { request } = received;
  const reading = await readSelectable(received);
  let reason: string | undefined = reading.status === "invalid" ? reading.reason : undefined;
  if (reading.status === "found") {
    const { authentication, returnTo: pendingReturnTo } = reading.pending;
    const reply = await listChoices(received, authentication);
    if (reply.status !== "refused") {
      const returnTo = chooseReturnTo(received, [returnToOfQuery(request), pendingReturnTo]);
      await answerSelection(attachOnly(received), reply, { render, returnTo });
      return;
    }
    reason = toLabel(reply.reason, "not_accepted");
  }
  const context = await attachAuthenticated(received);
  const returnTo = chooseReturnTo(context, [returnToOfQuery(request)]);
  const hadPending = reading.status !== "absent";
  if (hadPending) clearPending(context);
  const { session } = context.auth;
  if (session === undefined) {
    // The pending authentication is over for certain; whether there is a session may be unknown.
    const isOver = hadPending && context.auth.state.status !== "unavailable";
    const denial = isOver
      ? ({ code: "invalid_pending_authentication", reason } as const)
      : denialOf(context.auth.state);
    deny(context, { ...denial, page: true, returnTo });
    return;
  }
  const { memberSession } = session;
  const reply = await listChoices(context, memberSession);
  const current = memberSession.organizationId;
  await answerSelection(context, reply, { render, returnTo, current });
}

async function answerSelection(
  context: HandlerContext,
  reply: StoreReply<readonly OrganizationChoice[]>,
  { render, returnTo, current }: SelectionPage,
): Promise<void> {
  const { request, response } = context;
  if (reply.status === "unavailable") {
    const { reason, retryAfter } = reply;
    deny(context, { code: "store_unavailable", reason, retryAfter, page: true, returnTo });
  } else if (reply.status === "refused") {
    deny(context, { code: reply.code, reason: toLabel(reply.reason, "not_accepted"), page: true, returnTo });
  } else if (isJsonClient(request)) {
    sendJson(response, 200, { organizations: reply.value, return_to: returnTo });
  } else if (isOnlyChoice(reply.value, current) && !queryOf(request).has("choose")) {
    redirect(response, returnTo);
  } else {
    const view = { organizations: reply.value, returnTo, ...(current !== undefined && { current }) };
    await sendSelectionPage(context, render, view);
  }
}

function isOnlyChoice(
  [only, ...others]: readonly OrganizationChoice[],
  current: string | undefined,
): boolean {
  return only !== undefined && only.id === current && others.length === 0;
}

interface Selection {
  readonly deduplicator: SelectionDeduplicator;
  readonly render: RenderSelection;
}

/**
 * Completes the pending authentication with the organization posted.
 *
 * @returns `false` if none is pending in this browser.
 */
async function selectPosted(received: HandlerRequest, { deduplicator, render }: Selection): Promise<boolean> {
  const reading = await readSelectable(received);
  if (reading.status === "absent") return false;
  const context = attachOnly(received);
  if (reading.status === "invalid") {
    closeIfUnread(context.request, context.response);
    clearPending(context);
    const { reason } = reading;
    deny(context, { code: "invalid_pending_authentication", reason, page: true, returnTo: "/" });
    return true;
  }
  const { pending } = reading;
  const { authentication } = pending;
  const choice = await readChoice(context, { page: true, returnTo: "/" });
  if (choice === undefined) return true;
  const { organizationId } = choice;
  const { instance, request } = context;
  const candidates = [choice.returnTo, returnToOfQuery(request), pending.returnTo];
  const returnTo = chooseReturnTo(context, candidates);
  const select = requireMethod(instance, "selectOrganization");
  const secret = authentication.pendingAuthenticationToken;
  const authorized = { secret, organizationId, chooser: authentication };
  const reply = await deduplicator.choose(received, authorized, (storeContext) =>
    select(authentication, organizationId, storeContext),
  );
  await answerOutcome(context, {
    reply: continuePending(reply, authentication),
    by: "sign_in",
    returnTo,
    pending,
    expected: { organizationId },
    denial: { page: true, returnTo },
    selection: { chooser: authentication, render, returnTo },
  });
  return true;
}

/** A step-up that spent nothing continues the authentication that was pending. */
function continuePending(
  reply: StoreReply<Outcome>,
  authentication: PendingAuthentication,
): StoreReply<Outcome> {
  if (reply.status !== "answered" || reply.value.status !== "step_up_required") return reply;
  return { ...reply, value: { ...reply.value, pending: reply.value.pending ?? authentication } };
}
