import type { NextFunction, Request, RequestHandler, Response } from "express";
import { type ConfigurationError, OrgateError } from "./errors.ts";
import { configurationError } from "./lib/problems.ts";
import type { Member, MemberSession, Organization, Verdict } from "./model.ts";
import { type AttachNames, latestRequestAuthOf } from "./request/request-auth.ts";

type WithoutTail<Text extends string, Tail extends string> = Text extends `${infer Head}${Tail}`
  ? Head
  : Text;

/** The names of a path's parameters, as Express writes them: `/tenants/:tenant`. */
type ParameterNames<Path extends string> = Path extends `${string}:${infer Rest}`
  ?
      | WithoutTail<WithoutTail<WithoutTail<Rest, `/${string}`>, `-${string}`>, `.${string}`>
      | ParameterNames<Rest>
  : never;

/** Path parameters: a type of your own, or what the path itself names. */
type PathParameters<Given> = Given extends string
  ? { readonly [Name in ParameterNames<Given>]: string }
  : Given;

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
 * Makes a handler whose request is signed in to an organization, with Express's own types. Name the path to have its parameters:
 * `app.get("/tenants/:tenant", guard, handler<"/tenants/:tenant">((req, res) => ...))`.
 *
 * The request fails with a `ConfigurationError` if no guard ran before, or if `attach` gives other names or none: use
 * `auth.session(req)` in a plain Express handler then. A session without an organization gets 403
 * `organization_selection_required` as an error. What other middleware assigned to `req.member`, `req.organization`,
 * `req.memberSession` or `req.verdict` is removed: the handler gets orgate's own. Rejections of an asynchronous handler go to `next`, on Express 4 too.
 */
export function handler<
  Params = Request["params"],
  ResponseBody = unknown,
  RequestBody = Request["body"],
  RequestQuery = Request["query"],
>(
  handle: (
    request: SignedInRequest<PathParameters<Params>, ResponseBody, RequestBody, RequestQuery>,
    response: Response<ResponseBody>,
    next: NextFunction,
  ) => unknown,
): RequestHandler<PathParameters<Params>, ResponseBody, RequestBody, RequestQuery> {
  return function signedInHandler(request, response, next) {
    const auth = latestRequestAuthOf(request);
    if (auth?.session === undefined || !auth.passedGuard) {
      next(notGuarded());
      return;
    }
    if (!isAttachedAsTyped(auth.names)) {
      next(notAttached());
      return;
    }
    if (auth.session.organization === undefined) {
      next(new OrgateError("organization_selection_required"));
      return;
    }
    if (!removeForeignProperties(request)) {
      next(propertyTaken());
      return;
    }
    // The checks above narrow it: the getters read the same RequestAuth.
    const signedIn = request as SignedInRequest<
      PathParameters<Params>,
      ResponseBody,
      RequestBody,
      RequestQuery
    >;
    void (async () => handle(signedIn, response, next))().catch(next);
  };
}

const TYPED_NAMES = ["member", "organization", "memberSession", "verdict"] as const;

/** Uncovers the getters: a property that other middleware assigned hides the one of the prototype. */
function removeForeignProperties(request: object): boolean {
  return TYPED_NAMES.every((name) => !Object.hasOwn(request, name) || Reflect.deleteProperty(request, name));
}

function propertyTaken(): ConfigurationError {
  const message = "was reached with a request whose properties other middleware made unchangeable.";
  const suggestion = "Give orgate's other names by attach, or read auth.session(req).";
  return configurationError("property_taken", "handler", message, suggestion);
}

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
  const message = "was reached where no guard saw to it that somebody is signed in.";
  return configurationError("not_guarded", "handler", message, suggestion);
}
