import type { StoreReply } from "../engine/call-store.ts";
import { denialOf, type DenialInit } from "../engine/deny.ts";
import type { Engine } from "../engine/engine.ts";
import { isJsonClient } from "../http/navigation.ts";
import { redirect, sendJson } from "../http/send.ts";
import type { OrganizationChoice } from "../model.ts";
import { stateOf } from "../pipeline/attach.ts";
import { refuseOnPage } from "./denial-page.ts";
import { clearPending, readSelectable } from "./pending-cookie.ts";
import { chooseReturnTo, returnToOfQuery } from "./return-target.ts";
import { completeView, listOrganizations, showPage, type SelectionPage } from "./offer.ts";
import { observe, recognize, type Arrival, type Visit } from "./visit.ts";

/** Shows between what can be chosen, to somebody who must choose or to a member. Changes nothing. */
export async function showSelection(engine: Engine, arrival: Arrival, page: SelectionPage): Promise<void> {
  const { request } = arrival;
  const reading = await readSelectable(engine, request);
  if (reading.status === "found") {
    const { authentication, returnTo } = reading.pending;
    const reply = await listOrganizations(engine, request, authentication);
    if (reply.status !== "refused") {
      const target = chooseReturnTo(engine, request, [returnToOfQuery(request), returnTo]);
      await answer(engine, observe(engine, arrival), reply, { page, returnTo: target });
      return;
    }
  }
  const visit = await recognize(engine, arrival);
  const returnTo = chooseReturnTo(engine, request, [returnToOfQuery(request)]);
  if (reading.status !== "absent") clearPending(engine, request, visit.record);
  const { session } = visit.record;
  if (session === undefined) {
    refuseOnPage(engine, visit, { ...denialOfStranger(visit, reading.status !== "absent"), returnTo });
    return;
  }
  const reply = await listOrganizations(engine, request, session.memberSession);
  await answer(engine, visit, reply, { page, returnTo, current: session.memberSession.organizationId });
}

function denialOfStranger({ record }: Visit, hadPending: boolean): DenialInit {
  const state = stateOf(record);
  if (state.status === "authenticated") throw new TypeError("a member is no stranger");
  // What is pending is certainly over; whether there is a session may be impossible to know.
  if (hadPending && state.status !== "unavailable") return { code: "invalid_pending_authentication" };
  return denialOf(state);
}

interface Offer {
  readonly page: SelectionPage;
  readonly returnTo: string;
  readonly current?: string | undefined;
}

async function answer(
  engine: Engine,
  visit: Visit,
  reply: StoreReply<readonly OrganizationChoice[]>,
  { page, returnTo, current }: Offer,
): Promise<void> {
  const { request, response } = visit;
  if (reply.status === "unavailable") {
    refuseOnPage(engine, visit, { code: "store_unavailable", retryAfter: reply.retryAfter, returnTo });
  } else if (reply.status === "refused") {
    refuseOnPage(engine, visit, { code: reply.code, returnTo });
  } else if (isJsonClient(request)) {
    sendJson(response, 200, { organizations: reply.value, return_to: returnTo });
  } else if (reply.value.length === 1 && reply.value[0]?.id === current) {
    redirect(response, returnTo);
  } else {
    const organizations = reply.value;
    const view = { organizations, ...(current !== undefined && { current }) };
    await showPage(visit, page, completeView(request, view, returnTo));
  }
}
