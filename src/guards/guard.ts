import type { IncomingMessage, ServerResponse } from "node:http";
import { onNextTurn } from "../lib/event-loop.ts";
import { isObject, isSeconds } from "../lib/predicates.ts";
import { type Problems, configurationError, createProblems } from "../lib/problems.ts";
import type { RequestCallback } from "../options/options.ts";
import { judge, refreshRequest } from "../request/authenticate.ts";
import type { VerifiedSession } from "../request/cache.ts";
import type { Engine } from "../request/engine.ts";
import { type RequestRecord, notMounted, recordOf, stateOf } from "../request/request-auth.ts";
import { equipExchange } from "../request/respond.ts";
import { type DenialInit, type Exchange, denialOf, deny, offerOrganizations } from "./denial.ts";

/** What Express and Connect call to go on. */
export type Next = (error?: unknown) => void;

/** Express/Connect middleware, typed with `node:http` alone. */
export type Middleware = (request: IncomingMessage, response: ServerResponse, next: Next) => void;

/** What a guard says: pass, or why not. */
export type GuardVerdict = { readonly status: "passed" } | ({ readonly status: "denied" } & DenialInit);

/** What a guard asks of a signed-in session. A promise only where something must be loaded. */
export type Requirement = (
  session: VerifiedSession,
  exchange: Exchange,
) => GuardVerdict | Promise<GuardVerdict>;

/** The one way to pass. */
export const PASSED: GuardVerdict = Object.freeze({ status: "passed" });

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
 * Refuses a guard that was passed to a route without being called: it then receives the request as its first argument.
 *
 * @returns whether it was; the error has gone to `next`.
 */
export function refuseUncalled(name: string, parameters: readonly unknown[]): boolean {
  const [request, , next] = parameters;
  if (typeof request !== "object" || request === null || !("headers" in request && "method" in request))
    return false;
  const suggestion = `Write auth.${name}(...).`;
  const message = "was passed to a route without being called.";
  const error = configurationError("guard_not_called", name, message, suggestion);
  if (typeof next !== "function") throw error;
  (next as Next)(error);
  return true;
}

/** What a guard is made of. */
export interface GuardDefinition {
  /** The method's name, for configuration errors. */
  readonly name: string;
  readonly options: GuardOptions | undefined;
  /** Further options that this guard knows. */
  readonly knownOptions?: readonly string[];
  /** Whether the session must have an organization. */
  readonly needsOrganization: boolean;
  readonly requirement: Requirement;
  /** Notes mistakes of the guard's own. */
  readonly validate?: (problems: Problems) => void;
}

interface CompiledGuard {
  readonly definition: GuardDefinition;
  readonly routeOrganization: RouteOrganization | undefined;
  readonly bySlug: boolean;
  readonly maxAge: number | undefined;
}

const KNOWN = ["organization", "by", "maxTokenAge"] as const;

/**
 * Makes the middleware of one guard. It reads the record of its own instance, never the request's properties; and answers
 * without a promise unless something must be asked.
 *
 * @throws ConfigurationError when the guard can never work as written.
 */
export function createGuard(engine: Engine, definition: GuardDefinition): Middleware {
  const compiled = compile(engine, definition);
  const { name } = definition;
  return function guard(request, response, next) {
    const record = recordOf(request, engine);
    if (record === undefined) {
      next(notMounted(name));
      return;
    }
    record.used = true;
    equipExchange(request, response, record);
    const exchange: Exchange = { request, response, record };
    if (mustAskAnew(engine, compiled, record)) {
      void askAnew(engine, compiled, exchange).then(() =>
        onNextTurn(enforce, engine, compiled, exchange, next),
      );
      return;
    }
    enforce(engine, compiled, exchange, next);
  };
}

function compile(engine: Engine, definition: GuardDefinition): CompiledGuard {
  const problems = createProblems();
  const { options, knownOptions = [], validate } = definition;
  const given: unknown = options;
  const known = [...KNOWN, ...knownOptions];
  if (isObject(given)) problems.unknown(given, known);
  else if (given !== undefined) {
    const suggestion = `Pass an object. Known options: ${known.join(", ")}.`;
    problems.invalid(definition.name, "has options that are not an object.", suggestion);
  }
  validate?.(problems);
  const routeOrganization = compileRouteOrganization(options?.organization, problems);
  if (options?.by !== undefined && options.by !== "id" && options.by !== "slug") {
    problems.invalid("by", "is neither.", 'Use "id" or "slug".');
  } else if (options?.by !== undefined && options.organization === undefined) {
    problems.invalid("by", "has nothing to compare.", 'Say which: organization: "param:orgId".');
  }
  if (options?.maxTokenAge !== undefined && !isSeconds(options.maxTokenAge)) {
    problems.invalid("maxTokenAge", "is not a finite number of seconds, 0 or more.", "0 asks the store now.");
  }
  problems.throwIfAny();
  const ages = [options?.maxTokenAge, engine.options.maxTokenAge].filter((age) => age !== undefined);
  const isStricter = options?.maxTokenAge !== undefined;
  return {
    definition,
    routeOrganization,
    bySlug: options?.by === "slug",
    maxAge: isStricter ? Math.min(...ages) : undefined,
  };
}

function mustAskAnew(
  engine: Engine,
  { maxAge }: CompiledGuard,
  { session, confirmed }: RequestRecord,
): boolean {
  if (maxAge === undefined || session === undefined || confirmed) return false;
  return judge(engine, session, { maxAge }) !== "fresh";
}

async function askAnew(
  engine: Engine,
  { maxAge }: CompiledGuard,
  { record, request }: Exchange,
): Promise<void> {
  await refreshRequest(engine, record, request, { maxAge, spendsRefreshToken: true });
}

function enforce(engine: Engine, guard: CompiledGuard, exchange: Exchange, next: Next): void {
  let verdict: GuardVerdict | Promise<GuardVerdict>;
  try {
    verdict = evaluate(engine, guard, exchange);
  } catch (error) {
    // The application's own function that names the organization.
    next(error);
    return;
  }
  if (verdict instanceof Promise) {
    // A handler that throws must end up where other handlers' errors do, not as this promise's rejection.
    void verdict.then((settled) => onNextTurn(conclude, engine, exchange, next, settled), next);
  } else {
    conclude(engine, exchange, next, verdict);
  }
}

function evaluate(
  engine: Engine,
  { definition, routeOrganization, bySlug }: CompiledGuard,
  exchange: Exchange,
): GuardVerdict | Promise<GuardVerdict> {
  const { session } = exchange.record;
  if (session === undefined) return { status: "denied", ...denialOf(stateOf(exchange.record)) };
  if (definition.needsOrganization || routeOrganization !== undefined) {
    if (session.organizationId === undefined) {
      return offerOrganizations(engine, exchange, session).then((init) => ({ status: "denied", ...init }));
    }
    if (routeOrganization !== undefined && !isOwn(session, routeOrganization(exchange.request), bySlug)) {
      return { status: "denied", code: "organization_mismatch" };
    }
  }
  return definition.requirement(session, exchange);
}

/** A route that names no organization is not the session's: nothing is open by omission. */
function isOwn(
  { memberSession, organization, organizationId }: VerifiedSession,
  named: string | undefined,
  bySlug: boolean,
): boolean {
  const own = bySlug ? (organization?.slug ?? memberSession.organizationSlug) : organizationId;
  return own !== undefined && named === own;
}

function conclude(engine: Engine, exchange: Exchange, next: Next, verdict: GuardVerdict): void {
  if (verdict.status === "passed") {
    exchange.record.passedGuard = true;
    next();
  } else {
    deny(engine, exchange, verdict, next);
  }
}

/** What a route says of its organization. */
export type RouteOrganization = (request: IncomingMessage) => string | undefined;

/** Compiles `organization`, or notes what is wrong with it. */
export function compileRouteOrganization(
  organization: GuardOptions["organization"],
  problems: Problems,
): RouteOrganization | undefined {
  if (organization === undefined) return undefined;
  if (typeof organization === "function") return (request) => asName(organization(request));
  const [, place, name] =
    (typeof organization === "string" && /^(param|header):([\w-]+)$/.exec(organization)) || [];
  if (name === undefined) {
    problems.invalid(
      "organization",
      "does not say where to look.",
      'Pass "param:orgId", "header:x-org" or a function.',
    );
    return undefined;
  }
  if (place === "param") return (request) => asName(ownValue((request as { params?: unknown }).params, name));
  return (request) => asName(ownValue(request.headers, name.toLowerCase()));
}

function ownValue(holder: unknown, name: string): unknown {
  return typeof holder === "object" && holder !== null && Object.hasOwn(holder, name)
    ? (holder as Record<string, unknown>)[name]
    : undefined;
}

function asName(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}
