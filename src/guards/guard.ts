import type { IncomingMessage, ServerResponse } from "node:http";
import { type Problems, configurationError, createProblems } from "../lib/problems.ts";
import { isObject, isSeconds, isString, isText } from "../lib/values.ts";
import type { RequestCallback } from "../options/options.ts";
import type { Instance } from "../request/instance.ts";
import { notMounted, requestAuthOf } from "../request/request-auth.ts";
import type { Capabilities, SessionStore } from "../store.ts";
import { type AccessRequirements, type RouteOrganization, enforce } from "./authorize.ts";

/** What Express and Connect call to go on. */
export type Next = (error?: unknown) => void;

/** Express/Connect middleware, typed with `node:http` alone. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** Options of every guard. */
export interface GuardOptions {
  /**
   * The organization that the route is about, compared with the session's id: `param:orgId`, `header:x-org`, or a
   * function. @defaultValue not compared
   */
  readonly organization?:
    | `param:${string}`
    | `header:${string}`
    | RequestCallback<[request: IncomingMessage], string | undefined>
    | undefined;
  /** Compares with the organization's slug instead of its id. Never both: tenants choose their slugs. @defaultValue `id` */
  readonly by?: "id" | "slug" | undefined;
  /** A stricter age for this route, in seconds; `0` asks the store now. @defaultValue the application's `maxTokenAge` */
  readonly maxTokenAge?: number | undefined;
}

/**
 * Rejects a guard that was passed to a route without being called: it then receives the request as its first argument.
 *
 * @returns whether it was; the error has gone to `next`.
 */
export function refuseUncalled(name: string, parameters: readonly unknown[]): boolean {
  const [request, , next] = parameters;
  if (!isObject(request) || !("headers" in request && "method" in request)) return false;
  const message = "was passed to a route without being called.";
  const error = configurationError("guard_not_called", name, message, `Write auth.${name}(...).`);
  if (typeof next !== "function") throw error;
  next(error);
  return true;
}

const MISSING_CAPABILITIES = {
  factors: "list no factors",
  authenticationTime: "do not say when the member authenticated",
  impersonation: "do not say who impersonates",
} as const satisfies { readonly [Name in keyof Capabilities]?: string };

/** Adds a problem where the store's sessions cannot answer what a guard or a question asks. */
export function requireCapability(
  { capabilities }: SessionStore,
  capability: keyof typeof MISSING_CAPABILITIES,
  name: string,
  problems: Problems,
): void {
  if (capabilities[capability]) return;
  const message = `cannot be answered: the store's sessions ${MISSING_CAPABILITIES[capability]}.`;
  problems.invalid(name, message, "Remove it.");
}

/** What a guard is made of. */
export interface GuardDefinition {
  /** The method's name, for configuration errors. */
  readonly name: string;
  readonly options: GuardOptions | undefined;
  /** Further options that this guard knows. */
  readonly knownOptions?: readonly string[];
  readonly requires?: AccessRequirements;
  /** What the store's sessions must be able to answer. */
  readonly needsCapability?: keyof typeof MISSING_CAPABILITIES;
  /** Adds the problems of the guard's own parameters. */
  readonly validate?: (problems: Problems) => void;
}

/**
 * Creates the middleware of one guard. It reads what its own instance knows of the request, never the request's properties.
 *
 * @throws ConfigurationError when the guard can never work as written.
 */
export function createGuard(
  instance: Instance,
  { name, options, knownOptions = [], requires, needsCapability, validate }: GuardDefinition,
): Middleware {
  const problems = createProblems();
  const known = ["organization", "by", "maxTokenAge", ...knownOptions];
  if (isObject(options)) problems.unknown(options, known);
  else if (options !== undefined) {
    const suggestion = `Pass an object. Known options: ${known.join(", ")}.`;
    problems.invalid(name, "has options that are not an object.", suggestion);
  }
  validate?.(problems);
  if (needsCapability !== undefined) {
    requireCapability(instance.options.store, needsCapability, name, problems);
  }
  const requirements = { ...requires, ...compileOptions(instance, options ?? {}, problems) };
  problems.throwIfAny();
  return (request, response, next) => {
    const auth = requestAuthOf(request, instance);
    if (auth === undefined) next(notMounted(name));
    else enforce({ instance, request, response, next, auth }, requirements);
  };
}

function compileOptions(
  { options }: Instance,
  { organization, by, maxTokenAge }: GuardOptions,
  problems: Problems,
): Pick<AccessRequirements, "routeOrganization" | "maxTokenAge"> {
  const read = compileRouteOrganization(organization, problems);
  if (by !== undefined && by !== "id" && by !== "slug") {
    problems.invalid("by", "is neither.", 'Use "id" or "slug".');
  } else if (by !== undefined && organization === undefined) {
    problems.invalid("by", "has nothing to compare.", 'Say which: organization: "param:orgId".');
  }
  if (maxTokenAge !== undefined && !isSeconds(maxTokenAge)) {
    problems.invalid("maxTokenAge", "is not a finite number of seconds, 0 or more.", "0 asks the store now.");
  }
  return {
    routeOrganization: read && { read, by: by ?? "id" },
    maxTokenAge: isSeconds(maxTokenAge) ? Math.min(maxTokenAge, options.maxTokenAge ?? Infinity) : undefined,
  };
}

function compileRouteOrganization(
  organization: GuardOptions["organization"],
  problems: Problems,
): RouteOrganization["read"] | undefined {
  if (organization === undefined) return undefined;
  if (typeof organization === "function") return (request) => toText(organization(request));
  const [, place, name] = (isString(organization) && /^(param|header):([\w-]+)$/.exec(organization)) || [];
  if (name === undefined) {
    problems.invalid(
      "organization",
      "does not say where to look.",
      'Pass "param:orgId", "header:x-org" or a function.',
    );
    return undefined;
  }
  if (place === "header") return ({ headers }) => toText(ownMember(headers, name.toLowerCase()));
  return (request: IncomingMessage & { readonly params?: unknown }) =>
    toText(ownMember(request.params, name));
}

function ownMember(holder: unknown, name: string): unknown {
  return isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined;
}

function toText(value: unknown): string | undefined {
  return isText(value) ? value : undefined;
}
