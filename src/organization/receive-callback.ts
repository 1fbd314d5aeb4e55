import { callStore } from "../engine/call-store.ts";
import type { Engine } from "../engine/engine.ts";
import { queryOf } from "../http/navigation.ts";
import { conclude } from "./conclude.ts";
import { pageFor, refuseOnPage } from "./denial-page.ts";
import { clearFlow, readFlow } from "./flow-cookie.ts";
import { presentPending } from "./pending-cookie.ts";
import { chooseReturnTo, returnToOfStep } from "./return-target.ts";
import { requireMethod } from "./store-methods.ts";
import { checkOutcome } from "./store-outcome.ts";
import { observe, type Arrival } from "./visit.ts";

// RFC 6749 section 4.1.2.1.
const ERROR_CODE = /^[\w.-]{1,64}$/;

/** Completes a sign-in that this browser began at the store's own page. */
export async function receiveCallback(
  engine: Engine,
  arrival: Arrival,
  fallback: string | undefined,
): Promise<void> {
  const { request } = arrival;
  const query = queryOf(request);
  const visit = observe(engine, arrival);
  const [parameter, ...more] = query.getAll("state");
  const flow =
    parameter === undefined || more.length > 0 ? undefined : await readFlow(engine, request, parameter);
  if (parameter === undefined || flow === undefined) {
    // A page, never a redirect: a browser that keeps no cookies would be sent in circles.
    refuseOnPage(engine, visit, { code: "invalid_pending_authentication", redirects: false });
    return;
  }
  const before = await presentPending(engine, request);
  const asked = flow.returnTo === "/" ? (returnToOfStep(before) ?? fallback) : flow.returnTo;
  const returnTo = chooseReturnTo(engine, request, [asked]);
  const error = query.get("error");
  if (error !== null) {
    clearFlow(engine, visit.record, parameter);
    const reason = ERROR_CODE.test(error) ? error : "unknown";
    engine.events.emit({ type: "rejected", code: "sign_in_failed", reason });
    refuseOnPage(engine, visit, { code: "sign_in_failed", returnTo });
    return;
  }
  const complete = requireMethod(engine, "completeSignIn");
  const reply = await callStore(engine, request, async (context) =>
    checkOutcome(await complete(query, flow.state, context)),
  );
  // Trouble leaves the flow as it is: loading the page again may help.
  if (reply.status !== "unavailable") clearFlow(engine, visit.record, parameter);
  const denial = { ...pageFor(engine, visit, returnTo), redirects: false };
  await conclude(engine, visit, { reply, returnTo, before, by: "sign_in", denial });
}
