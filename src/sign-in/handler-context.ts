import type { IncomingMessage } from "node:http";
import { type DenialInit, type HandlerContext, type ReceivedRequest, deny } from "../guards/denial.ts";
import type { Middleware } from "../guards/guard.ts";
import { pathOf, queryOf, sanitizeReturnTo, trimTrailingSlashes } from "../lib/http.ts";
import { type Problems, createProblems } from "../lib/problems.ts";
import { isObject } from "../lib/values.ts";
import { attachRequest, authenticateRequest, crossSiteReasonOf } from "../request/authenticate.ts";
import type { Instance } from "../request/instance.ts";
import type { RequestAuth } from "../request/request-auth.ts";
import { forbidCaching } from "../request/respond.ts";
import type { SessionStore } from "../store.ts";

/** A request at one of orgate's handlers, before its credential is read. */
export type HandlerRequest = Omit<HandlerContext, "auth">;

/** The options of a denial that a handler adds to its code. */
export type DenialOptions = Omit<DenialInit, "code">;

/** What one of orgate's handlers is made of. */
export interface HandlerDefinition {
  /** The method's name, for configuration errors. */
  readonly name: string;
  readonly options: unknown;
  readonly knownOptions: readonly string[];
  /** The store must have one of these. */
  readonly storeMethods?: readonly OptionalMethod[];
  /** Why the handler needs a cookie password, if it does. */
  readonly seals?: string;
  /** Adds problems of the handler's own options. */
  readonly validate?: (problems: Problems) => void;
  /** HTTP methods that are served. */
  readonly httpMethods: readonly string[];
  readonly serve: (received: HandlerRequest) => Promise<void>;
}

/**
 * Creates a handler. It refuses other HTTP methods, and requests that another site sent.
 *
 * @throws ConfigurationError when it can never work as written.
 */
export function createHandler(instance: Instance, definition: HandlerDefinition): Middleware {
  checkDefinition(instance, definition);
  const { name, httpMethods, serve } = definition;
  instance.handlers.add(name);
  const receive = async (received: HandlerRequest): Promise<void> => {
    const { request, response } = received;
    forbidCaching(response);
    if (!httpMethods.includes(request.method ?? "")) {
      response.setHeader("Allow", httpMethods.join(", "));
      deny(attachOnly(received), { code: "method_not_allowed" });
      return;
    }
    const crossSite = crossSiteReasonOf(instance, request);
    if (crossSite === undefined) await serve(received);
    else deny(attachOnly(received), { code: "cross_site_request", reason: crossSite });
  };
  return (request, response, next) => {
    receive({ instance, request, response, next }).catch(next);
  };
}

function checkDefinition(
  instance: Instance,
  { name, options, knownOptions, storeMethods = [], seals, validate }: HandlerDefinition,
): void {
  const problems = createProblems();
  if (isObject(options)) {
    problems.unknown(options, knownOptions, `${name}.`);
    const { returnTo } = options;
    const isKnown = returnTo === undefined || !knownOptions.includes("returnTo");
    if (!isKnown && sanitizeReturnTo(returnTo) !== returnTo) {
      problems.invalid(`${name}.returnTo`, "is not a path on this origin.", 'Pass "/start".');
    }
  } else {
    problems.invalid(name, "has options that are not an object.", "Leave them out.");
    problems.throwIfAny();
  }
  validate?.(problems);
  requireStore(instance, problems, name, storeMethods);
  if (seals !== undefined && instance.sealer === undefined) problems.missing("cookie.password", seals);
  problems.throwIfAny();
}

/** Goes on without authenticating the request. */
export function attachOnly(received: HandlerRequest): HandlerContext {
  const { instance, request, response } = received;
  return contextOf(received, attachRequest(instance, request, response));
}

/** Goes on with the request authenticated. */
export async function attachAuthenticated(received: HandlerRequest): Promise<HandlerContext> {
  const { instance, request, response } = received;
  return contextOf(received, await authenticateRequest(instance, request, response));
}

function contextOf(received: HandlerRequest, auth: RequestAuth): HandlerContext {
  auth.markUsed();
  return { ...received, auth };
}

/** Methods that a store may have or not. */
export type OptionalMethod =
  | "organizations"
  | "selectOrganization"
  | "switchOrganization"
  | "beginSignIn"
  | "completeSignIn"
  | "describeInvitation"
  | "joinOrganization"
  | "endSession";

/** Reports a handler whose store has none of the methods that it works by. */
export function requireStore(
  { options }: Instance,
  problems: Problems,
  handler: string,
  methods: readonly OptionalMethod[],
): void {
  if (methods.length === 0 || methods.some((method) => options.store[method] !== undefined)) return;
  const message = `needs a store with ${methods.map((method) => `${method}()`).join(" or ")}.`;
  problems.invalid(handler, message, "This store does not offer it: leave the handler out.");
}

/**
 * Returns a method of the store, bound to it.
 *
 * @throws ConfigurationError where the store has none.
 */
export function requireMethod<Method extends OptionalMethod>(
  instance: Instance,
  method: Method,
): NonNullable<SessionStore[Method]> {
  const { store } = instance.options;
  const found = store[method];
  if (found !== undefined) return found.bind(store) as NonNullable<SessionStore[Method]>;
  const problems = createProblems();
  requireStore(instance, problems, "store", [method]);
  problems.throwIfAny();
  throw new TypeError(`the store has no ${method}()`);
}

/**
 * Chooses where the browser goes on: the first candidate that was given, sanitized. A path that would lead straight back to
 * signing in, to the selection or to the handler itself becomes `/`.
 */
export function chooseReturnTo(
  { instance: { options }, request }: ReceivedRequest,
  candidates: readonly unknown[],
): string {
  const path = sanitizeReturnTo(candidates.find((given) => given !== undefined && given !== null));
  const own = [options.selectionPath, options.signInPath, pathOf(request)];
  return own.some((one) => one !== undefined && normalize(one) === normalize(path)) ? "/" : path;
}

/** `return_to` of the query. Two of them are a list, which is sanitized to `/`. */
export function returnToOfQuery(request: IncomingMessage): unknown {
  const given = queryOf(request).getAll("return_to");
  return given.length > 1 ? given : given[0];
}

/** A path as routers compare it: without query, case and trailing slashes, escapes of ASCII characters undone. */
function normalize(path: string): string {
  const [bare = ""] = path.split(/[#?]/, 1);
  const unescaped = bare.replaceAll(/%([0-7][\da-f])/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return trimTrailingSlashes(unescaped.toLowerCase());
}
