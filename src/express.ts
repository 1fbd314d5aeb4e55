import type { NextFunction, Request, RequestHandler, Response } from "express";
import { ConfigurationError } from "./errors.ts";
import type { Member, MemberSession, Organization, Verdict } from "./model.ts";
import { type AttachNames, latestRequestAuthOf } from "./request/request-auth.ts";

/** A request that a guard let pass: what is optional elsewhere is there, under the names that `attach` gives by default. */
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
 * A handler whose request is signed in to an organization, with Express's own types.
 *
 * Where no guard saw to that, the request fails with a `ConfigurationError` instead of reaching the handler; and so it does
 * where `attach` gives other names, or none, which these types do not know: there `auth.session(req)` in a handler of
 * Express's own has the same. What an asynchronous handler rejects with goes to `next`, on Express 4 as well.
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
    const record = latestRequestAuthOf(request);
    if (record?.session?.organization === undefined || !record.passedGuard) {
      next(unguarded());
      return;
    }
    if (!isAttachedAsTyped(record.names)) {
      next(renamed());
      return;
    }
    // Narrowed by the check above: the getters read the very same record.
    const signedIn = request as SignedInRequest<Params, ResponseBody, RequestBody, RequestQuery>;
    void (async () => handle(signedIn, response, next))().catch(next);
  };
}

const NAMES = ["member", "organization", "memberSession", "verdict"] as const;

function isAttachedAsTyped(names: AttachNames | undefined): boolean {
  return names !== undefined && NAMES.every((name) => names[name] === name);
}

function renamed(): ConfigurationError {
  const suggestion = "Leave attach out, or read auth.session(req) in a handler of Express's own.";
  const message = "was reached with a request that attach gives other names, or none.";
  return new ConfigurationError([{ code: "not_attached", option: "handler", message, suggestion }]);
}

function unguarded(): ConfigurationError {
  const suggestion = "Put auth.requireOrganization() or auth.requirePermission(...) in front of it.";
  const message = "was reached where no guard saw to it that there is a session with an organization.";
  return new ConfigurationError([{ code: "not_guarded", option: "handler", message, suggestion }]);
}
