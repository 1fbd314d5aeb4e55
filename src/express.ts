import type { NextFunction, Request, RequestHandler, Response } from "express";
import type { ConfigurationError } from "./errors.ts";
import { configurationError } from "./lib/problems.ts";
import type { Member, MemberSession, Organization, Verdict } from "./model.ts";
import { type AttachNames, latestRequestAuthOf } from "./request/request-auth.ts";

/** A request that a guard let pass: its properties are present, under their default names. */
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
 * Makes a handler whose request is signed in to an organization, with Express's own types.
 *
 * The request fails with a `ConfigurationError` if no guard ran before, or if `attach` gives other names or none: use
 * `auth.session(req)` in a plain Express handler then. Rejections of an asynchronous handler go to `next`, on Express 4 too.
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
    // The checks above narrow it: the getters read the same RequestAuth.
    const signedIn = request as SignedInRequest<Params, ResponseBody, RequestBody, RequestQuery>;
    void (async () => handle(signedIn, response, next))().catch(next);
  };
}

const TYPED_NAMES = ["member", "organization", "memberSession", "verdict"] as const;

function isAttachedAsTyped(names: AttachNames | undefined): boolean {
  return names !== undefined && TYPED_NAMES.every((name) => names[name] === name);
}

function notAttached(): ConfigurationError {
  const suggestion = "Leave attach out, or read auth.session(req) in a handler of Express's own.";
  const message = "was reached with a request that attach gives other names, or none.";
  return configurationError("not_attached", "handler", message, suggestion);
}

function notGuarded(): ConfigurationError {
  const suggestion = "Put auth.requireOrganization() or auth.requirePermission(...) in front of it.";
  const message = "was reached where no guard saw to it that there is a session with an organization.";
  return configurationError("not_guarded", "handler", message, suggestion);
}
