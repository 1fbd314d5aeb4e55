import type { StoreReply } from "../engine/call-store.ts";
import type { Engine } from "../engine/engine.ts";
import type { Outcome, PendingAuthentication } from "../stores/session-store.ts";
import { readChoice } from "./choice-body.ts";
import type { ChoiceDesk } from "./choose-once.ts";
import { conclude } from "./conclude.ts";
import { pageFor, refuseOnPage } from "./denial-page.ts";
import { offerAgain, type SelectionPage } from "./offer.ts";
import { clearPending, readSelectable } from "./pending-cookie.ts";
import type { Pending } from "./pending-seal.ts";
import { chooseReturnTo, returnToOfQuery } from "./return-target.ts";
import { requireMethod } from "./store-methods.ts";
import { observe, type Arrival, type Visit } from "./visit.ts";

/** What the two halves of a selection share. */
export interface Selection {
  readonly desk: ChoiceDesk;
  readonly page: SelectionPage;
}

/**
 * Completes a pending authentication with the organization posted.
 *
 * @returns `false` where none is pending in this browser.
 */
export async function choosePending(
  engine: Engine,
  arrival: Arrival,
  selection: Selection,
): Promise<boolean> {
  const reading = await readSelectable(engine, arrival.request);
  if (reading.status === "absent") return false;
  const visit = observe(engine, arrival);
  if (reading.status === "found") await complete(engine, visit, reading.pending, selection);
  else {
    clearPending(engine, visit.request, visit.record);
    refuseOnPage(engine, visit, { code: "invalid_pending_authentication", returnTo: "/" });
  }
  return true;
}

async function complete(
  engine: Engine,
  visit: Visit,
  before: Pending,
  { desk, page }: Selection,
): Promise<void> {
  const { request } = visit;
  const { authentication, returnTo: sealed } = before;
  const choice = await readChoice(engine, visit, pageFor(engine, visit));
  if (choice === undefined) return;
  const { organizationId } = choice;
  const returnTo = chooseReturnTo(engine, request, [choice.returnTo, returnToOfQuery(request), sealed]);
  const select = requireMethod(engine, "selectOrganization");
  const { pendingAuthenticationToken: secret } = authentication;
  const reply = await desk.choose(request, { secret, organizationId }, (context) =>
    select(authentication, organizationId, context),
  );
  await conclude(engine, visit, {
    reply: keepPending(reply, authentication),
    returnTo,
    before,
    by: "sign_in",
    organizationId,
    denial: pageFor(engine, visit, returnTo),
    async answerRefusal(code) {
      if (code !== "organization_not_available") return false;
      await offerAgain(engine, visit, { of: authentication, page, returnTo });
      return true;
    },
  });
}

/** A step that is due where nothing was spent goes on from the very authentication that was pending. */
function keepPending(reply: StoreReply<Outcome>, authentication: PendingAuthentication): StoreReply<Outcome> {
  if (reply.status !== "answered" || reply.value.status !== "step_up_required") return reply;
  return { ...reply, value: { ...reply.value, pending: reply.value.pending ?? authentication } };
}
