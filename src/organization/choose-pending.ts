import type { Engine } from "../engine/engine.ts";
import { readChoice } from "./choice-body.ts";
import { nameChoice, type ChoiceDesk } from "./choose-once.ts";
import { conclude } from "./conclude.ts";
import { pageFor, refuseOnPage } from "./denial-page.ts";
import { offerAgain, type SelectionPage } from "./offer.ts";
import { clearPending, readPending, type Pending } from "./pending-cookie.ts";
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
  const reading = await readPending(engine, arrival.request);
  if (reading.status === "absent") return false;
  const visit = observe(engine, arrival);
  if (reading.status === "found") await complete(engine, visit, reading.pending, selection);
  else refusePending(engine, visit, "/");
  return true;
}

async function complete(
  engine: Engine,
  visit: Visit,
  { authentication, returnTo: sealed }: Pending,
  { desk, page }: Selection,
): Promise<void> {
  const { request } = visit;
  const choice = await readChoice(engine, visit, pageFor(engine, visit));
  if (choice === undefined) return;
  const { organizationId } = choice;
  const returnTo = chooseReturnTo(engine, request, [choice.returnTo, returnToOfQuery(request), sealed]);
  const select = requireMethod(engine, "selectOrganization");
  const key = nameChoice(authentication.pendingAuthenticationToken, organizationId);
  const reply = await desk.choose(request, key, (context) => select(authentication, organizationId, context));
  await conclude(engine, visit, {
    reply,
    returnTo,
    by: "sign_in",
    organizationId,
    denial: pageFor(engine, visit, returnTo),
    async answerRefusal(code) {
      if (code === "invalid_pending_authentication") refusePending(engine, visit, returnTo);
      else if (code === "organization_not_available") {
        await offerAgain(engine, visit, { of: authentication, page, returnTo });
      } else return false;
      return true;
    },
  });
}

function refusePending(engine: Engine, visit: Visit, returnTo: string): void {
  clearPending(engine, visit.request, visit.record);
  refuseOnPage(engine, visit, { code: "invalid_pending_authentication", returnTo });
}
