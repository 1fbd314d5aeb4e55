import { type Problems, didYouMean, quoteName } from "../lib/problems.ts";
import { isSeconds, isText } from "../lib/values.ts";
import type { Instance } from "../request/instance.ts";
import { type GuardOptions, type Middleware, createGuard, requireCapability } from "./guard.ts";

/** Lets signed-in members through. */
export function requireAuth(instance: Instance, options?: GuardOptions): Middleware {
  return createGuard(instance, { name: "requireAuth", options });
}

/** Lets members through who have chosen an organization, and the right one if the options say which. */
export function requireOrganization(instance: Instance, options?: GuardOptions): Middleware {
  const requires = { needsOrganization: true };
  return createGuard(instance, { name: "requireOrganization", options, requires });
}

/** Lets members through whose session holds one of the roles. */
export function requireRole(
  instance: Instance,
  role: string | readonly string[],
  options?: GuardOptions,
): Middleware {
  const given: readonly unknown[] = Array.isArray(role) ? role : [role];
  return createGuard(instance, {
    name: "requireRole",
    options,
    requires: { needsOrganization: true, roles: new Set(given) },
    validate: (problems) => validateRoles(instance, "requireRole", given, problems),
  });
}

/** Adds the problems of roles that a guard or a question names: those that a known policy does not know can never be held. */
export function validateRoles(
  { policies }: Instance,
  name: string,
  given: readonly unknown[],
  problems: Problems,
): void {
  if (given.length === 0 || !given.every(isText)) {
    const suggestion = 'Pass "admin", or ["admin", "owner"] for any of them.';
    problems.invalid(name, "names no role.", suggestion);
    return;
  }
  const known = policies.current?.roles;
  if (known === undefined) return;
  for (const role of given.filter((one) => !known.has(one))) {
    const suggestion = didYouMean(role, known, "Check the spelling, or add it to the policy's roles.");
    problems.invalid(`${name}(${quoteName(role)})`, "is not a role of the policy.", suggestion);
  }
}

/** Lets members through whose session lists an authentication factor of this type (`totp`, `sso`, ...). */
export function requireFactor(instance: Instance, type: string, options?: GuardOptions): Middleware {
  return createGuard(instance, {
    name: "requireFactor",
    options,
    requires: { factor: type },
    validate: (problems) => validateFactor(instance, "requireFactor", type, problems),
  });
}

/** Adds the problems of a factor that a guard or a question names. */
export function validateFactor({ options }: Instance, name: string, type: unknown, problems: Problems): void {
  if (!isText(type)) problems.invalid(name, "names no factor.", 'Pass its type: "totp", "sso", ...');
  requireCapability(options.store, "factors", name, problems);
}

/** Options of `requireRecentAuth`. */
export interface RecentAuthOptions extends GuardOptions {
  /** Seconds since the member last authenticated; at exactly this age it is no longer recent. */
  readonly maxAge: number;
}

/** Lets members through who authenticated within `maxAge` seconds (RFC 9470). An unknown time is not recent. */
export function requireRecentAuth(instance: Instance, options: RecentAuthOptions): Middleware {
  const maxAge = options?.maxAge;
  return createGuard(instance, {
    name: "requireRecentAuth",
    options,
    knownOptions: ["maxAge"],
    requires: { recentAuth: maxAge },
    needsCapability: "authenticationTime",
    validate(problems) {
      if (!isSeconds(maxAge) || maxAge === 0) {
        const message = "needs { maxAge }, a number of seconds above 0.";
        problems.invalid("requireRecentAuth", message, "{ maxAge: 300 }");
      }
    },
  });
}

/** Lets members through who are not being impersonated. */
export function denyImpersonation(instance: Instance, options?: GuardOptions): Middleware {
  return createGuard(instance, {
    name: "denyImpersonation",
    options,
    requires: { deniesImpersonation: true },
    needsCapability: "impersonation",
  });
}
