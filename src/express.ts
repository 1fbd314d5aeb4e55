import type { NextFunction, Request, RequestHandler, Response } from "express";
import { ConfigurationError } from "./errors.ts";
import type { Member, MemberSession, Organization, Verdict } from "./model.ts";
import { type AttachNames, latestRequestAuthOf } from "./request/request-auth.ts";

/** A request that a guard let pass: it has a member, an organization and a session, under the default names of `attach`. */
export interface SignedInRequest<
  Params = Request["params"],
  ResponseBody = unknown,
  RequestBody = unknown,
  RequestQuery = Request["query"],
> extends Request<Params, ResponseBody, RequestBody, RequestQuery> {
  readonly member: Member;
  readonly organization: Organization;
  readonly memberSession: MemberSession;
  /** After a permission guard. */
  readonly verdict?: Verdict;
}

/**
 * Creates a handler whose request is signed in to an organization, with Express's own types.
 *
 * If no guard ensured that, `next` gets a `ConfigurationError` and the handler is not called. The same happens if `attach` gives
 * other names or none, which these types do not know: use `auth.session(req)` in a handler of Express's own instead. An error
 * of an asynchronous handler goes to `next`, on Express 4 as well.
 */
export function handler<
  Params = Request["params"],
  ResponseBody = unknown,
  RequestBody = unknown,
  RequestQuery = Request["query"],
>(
  handle: (
    request: SignedInRequest<Params, ResponseBody, RequestBody, RequestQuery>,
    response: Response<ResponseBody>,
    next: NextFunction,
  ) => unknown,
): RequestHandler<Params, ResponseBody, RequestBody, RequestQuery> {
  return function signedInHandler(request, response, next) {
    const auth = latestRequestAuthOf(request);
    if (auth?.session?.organization === undefined || !auth.passedGuard) {
      next(notGuarded());
      return;
    }
    if (!isAttachedAsTyped(auth.names)) {
      next(notAttached());
      return;
    }
    // Checked above: the getters of the request read `auth`.
    const signedIn = request as SignedInRequest<Params, ResponseBody, RequestBody, RequestQuery>;
    void (async () => handle(signedIn, response, next))().catch(next);
  };
}

const ATTACHED_NAMES = ["member", "organization", "memberSession", "verdict"] as const;

function isAttachedAsTyped(names: AttachNames | undefined): boolean {
  return names !== undefined && ATTACHED_NAMES.every((name) => names[name] === name);
}

function notAttached(): ConfigurationError {
  const suggestion = "Leave attach out, or read auth.session(req) in a handler of Express's own.";
  const message = "was reached with a request that attach gives other names, or none.";
  return new ConfigurationError([{ code: "not_attached", option: "handler", message, suggestion }]);
}

function notGuarded(): ConfigurationError {
  const suggestion = "Put auth.requireOrganization() or auth.requirePermission(...) in front of it.";
  const message = "was reached where no guard saw to it that there is a session with an organization.";
  return new ConfigurationError([{ code: "not_guarded", option: "handler", message, suggestion }]);
}
