import type { IncomingMessage, ServerResponse } from "node:http";
import { ConfigurationError } from "../errors.ts";
import type { DenialInit, Exchange } from "../engine/deny.ts";
import type { RequestCallback } from "../http/request-callback.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";

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
  const error = new ConfigurationError([
    {
      code: "guard_not_called",
      option: name,
      message: "was passed to a route without being called.",
      suggestion,
    },
  ]);
  if (typeof next !== "function") throw error;
  (next as Next)(error);
  return true;
}
