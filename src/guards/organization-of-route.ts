import type { IncomingMessage } from "node:http";
import type { Problems } from "../options/problems.ts";
import type { GuardOptions } from "./guard.ts";

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
