import type { Engine } from "../engine/engine.ts";
import type { Middleware } from "../guards/guard.ts";
import { queryOf } from "../http/navigation.ts";
import { redirect } from "../http/send.ts";
import { createProblems } from "../options/problems.ts";
import type { BeginSignInOptions } from "../stores/begin-sign-in.ts";
import { readSignInQuery } from "./sign-in-query.ts";
import { requireMethod, requireStore } from "./store-methods.ts";
import { checkHandlerOptions } from "./handler-options.ts";
import { writeFlow } from "./flow-cookie.ts";
import { receiveCallback } from "./receive-callback.ts";
import { chooseReturnTo, returnToOfQuery } from "./return-target.ts";
import { createHandler, observe } from "./visit.ts";

/** Options of `auth.signIn()`; what is not given here is taken from the query (`organization_id`, `login_hint`, ...). */
export interface SignInOptions extends BeginSignInOptions {
  /** Where the browser goes on if the request does not say `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

/** Options of `auth.callback()`. */
export interface CallbackOptions {
  /** Where the browser goes on if the sign-in was begun without `return_to`. @defaultValue `/` */
  readonly returnTo?: string | undefined;
}

const SIGN_IN_OPTIONS = [
  "organizationId",
  "loginHint",
  "screenHint",
  "maxAge",
  "invitationToken",
  "redirectUri",
  "returnTo",
] as const;

/**
 * Makes the redirect out to a store's own sign-in page. What the way back needs is left with the browser for ten minutes,
 * one sealed cookie for each sign-in, at most five of them.
 *
 * @throws ConfigurationError for a store that has no sign-in page, or without a password.
 */
export function createSignIn(engine: Engine, options: SignInOptions = {}): Middleware {
  validate(engine, "signIn", options, SIGN_IN_OPTIONS);
  const { returnTo: fallback, ...fixed } = options;
  return createHandler(engine, ["GET", "HEAD", "POST"], async (arrival) => {
    const { request, response } = arrival;
    const visit = observe(engine, arrival);
    const begin = requireMethod(engine, "beginSignIn");
    const { url, state } = begin({ ...readSignInQuery(queryOf(request)), ...fixed });
    const parameter = new URL(url).searchParams.get("state");
    if (parameter === null || parameter === "") {
      throw new TypeError("the store's sign-in URL has no state parameter");
    }
    const returnTo = chooseReturnTo(engine, request, [returnToOfQuery(request), fallback]);
    await writeFlow(engine, visit, { parameter, state, returnTo });
    redirect(response, url);
  });
}

/**
 * Makes the handler of the way back: completes the sign-in that this browser began, and goes on like `auth.establish()`.
 *
 * @throws ConfigurationError for a store that has no sign-in page, or without a password.
 */
export function createCallback(engine: Engine, options: CallbackOptions = {}): Middleware {
  validate(engine, "callback", options, ["returnTo"]);
  return createHandler(engine, ["GET"], (arrival) => receiveCallback(engine, arrival, options.returnTo));
}

function validate(
  engine: Engine,
  handler: "signIn" | "callback",
  options: unknown,
  known: readonly string[],
): void {
  const problems = createProblems();
  checkHandlerOptions(problems, handler, options, known);
  requireStore(engine, problems, handler, [handler === "signIn" ? "beginSignIn" : "completeSignIn"]);
  if (engine.sealer === undefined) {
    problems.missing("cookie.password", "The state of a sign-in is sealed with it.");
  }
  problems.throwIfAny();
}
