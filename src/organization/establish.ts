import type { IncomingMessage, ServerResponse } from "node:http";
import { isForged } from "../engine/authenticate-request.ts";
import type { Engine } from "../engine/engine.ts";
import { memberOfBody } from "../http/read-body.ts";
import type { Next } from "../guards/guard.ts";
import { conclude } from "./conclude.ts";
import { presentPending } from "./pending-cookie.ts";
import { readAuthentication, type Authentication } from "./read-authentication.ts";
import { chooseReturnTo, returnToOfQuery, returnToOfStep } from "./return-target.ts";
import { keepPrivate, observe, refuse, type Arrival } from "./visit.ts";

/** Options of `auth.establish()`. */
export interface EstablishOptions {
  /**
   * Where the browser goes on, on this origin. @defaultValue `return_to` of the query, then of a parsed body, then what a
   * step-up was begun with, then `/`
   */
  readonly returnTo?: string | undefined;
}

/**
 * Ends a sign-in handler: sets the session cookie and goes on, or begins organization selection. Refusals and trouble of
 * the store are answered; a session that was there before in the same browser ends.
 *
 * A step-up is answered with `reauthentication_required`. What it goes on from is left with the browser: the handler of the
 * next step reads it by `auth.pendingAuthentication(req)`, and ends here again.
 *
 * Resolves when the answer has been given. Rejects, with nothing sent, for mistakes of the application's own: with what the
 * authentication threw, with `session_too_large`, or with a `ConfigurationError` where nothing can be sealed.
 */
// oxlint-disable-next-line max-params -- the method's own four, and the engine it is bound to
export function establish(
  engine: Engine,
  request: IncomingMessage,
  response: ServerResponse,
  authentication: Authentication | Promise<Authentication>,
  options: EstablishOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the application's own, unchanged
    const next: Next = (error) => (error === undefined ? resolve() : reject(error));
    const answered = (): void => {
      // An `onDenied` of the application's may take its time.
      if (response.writableEnded) resolve();
      else response.once("close", resolve);
    };
    signIn(engine, { request, response, next }, authentication, options).then(answered, reject);
  });
}

async function signIn(
  engine: Engine,
  arrival: Arrival,
  authentication: Authentication | Promise<Authentication>,
  { returnTo }: EstablishOptions,
): Promise<void> {
  const { request, response } = arrival;
  const reading = readAuthentication(authentication);
  keepPrivate(response);
  if (isForged(engine, request)) {
    // Nobody waits for it any more, whatever it comes to.
    reading.catch(() => undefined);
    refuse(engine, observe(engine, arrival), { code: "cross_site_request" });
    return;
  }
  const reply = await reading;
  const visit = observe(engine, arrival);
  const before = await presentPending(engine, request);
  const candidates = [
    returnTo,
    returnToOfQuery(request),
    memberOfBody(request, "return_to"),
    returnToOfStep(before),
  ];
  const target = chooseReturnTo(engine, request, candidates);
  await conclude(engine, visit, { reply, returnTo: target, before, by: "sign_in" });
}
