import { isSeconds } from "../lib/predicates.ts";
import type { MemberSession } from "../model.ts";
import type { VerifiedSession } from "../request/cache.ts";
import type { Engine } from "../request/engine.ts";
import { type GuardOptions, type Middleware, PASSED, createGuard } from "./guard.ts";

/** Lets a signed-in member through. */
export function requireAuth(engine: Engine, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "requireAuth",
    options,
    needsOrganization: false,
    requirement: () => PASSED,
  });
}

/** Lets a member through who has chosen an organization, and the right one if the options say which. */
export function requireOrganization(engine: Engine, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "requireOrganization",
    options,
    needsOrganization: true,
    requirement: () => PASSED,
  });
}

/** Lets a member through whose session holds one of the roles. */
export function requireRole(
  engine: Engine,
  role: string | readonly string[],
  options?: GuardOptions,
): Middleware {
  const roles: readonly unknown[] = typeof role === "string" ? [role] : Array.isArray(role) ? role : [];
  const accepted = new Set(roles);
  return createGuard(engine, {
    name: "requireRole",
    options,
    needsOrganization: true,
    requirement: ({ roles: held }) =>
      held.some((name) => accepted.has(name)) ? PASSED : { status: "denied", code: "role_required" },
    validate(problems) {
      if (roles.length === 0 || roles.some((name) => typeof name !== "string" || name === "")) {
        problems.invalid(
          "requireRole",
          "names no role.",
          'Pass "admin", or ["admin", "owner"] for any of them.',
        );
      }
    },
  });
}

/** Lets a member through whose session holds this authentication factor (`totp`, `sso`, ...). */
export function requireFactor(engine: Engine, type: string, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "requireFactor",
    options,
    needsOrganization: false,
    requirement: ({ memberSession }) =>
      memberSession.authenticationFactors.some((factor) => factor.type === type)
        ? PASSED
        : { status: "denied", code: "factor_required" },
    validate(problems) {
      if (typeof type !== "string" || type === "") {
        problems.invalid("requireFactor", "names no factor.", 'Pass its type: "totp", "sso", ...');
      }
      if (!engine.options.store.capabilities.factors) {
        problems.invalid(
          "requireFactor",
          "cannot be answered: the store's sessions list no factors.",
          "Remove it.",
        );
      }
    },
  });
}

/** Options of `requireRecentAuth`. */
export interface RecentAuthOptions extends GuardOptions {
  /** Seconds since the member last authenticated; at exactly this age it is no longer recent. */
  readonly maxAge: number;
}

/** Lets a member through who authenticated within `maxAge` (RFC 9470). Unknown is not recent. */
export function requireRecentAuth(engine: Engine, options: RecentAuthOptions): Middleware {
  const { clock, clockTolerance } = engine.options;
  const maxAge = options?.maxAge;
  return createGuard(engine, {
    name: "requireRecentAuth",
    options,
    knownOptions: ["maxAge"],
    needsOrganization: false,
    requirement(session) {
      const age = clock() - (authenticatedAt(session) ?? Number.NaN);
      // A time in the future is no better than none, and a comparison with NaN is false.
      if (age < maxAge && age >= -clockTolerance) return PASSED;
      return {
        status: "denied",
        code: "reauthentication_required",
        maxAge,
        extensions: { reason: "authentication_too_old", max_age: maxAge },
      };
    },
    validate(problems) {
      if (!isSeconds(maxAge) || maxAge === 0) {
        problems.invalid(
          "requireRecentAuth",
          "needs { maxAge }, a number of seconds above 0.",
          "{ maxAge: 300 }",
        );
      }
      if (!engine.options.store.capabilities.authenticationTime) {
        const message = "cannot be answered: the store's sessions do not say when the member authenticated.";
        problems.invalid("requireRecentAuth", message, "Remove it.");
      }
    },
  });
}

/** `auth_time`, else the newest factor, else the session's start; in seconds since the epoch. */
function authenticatedAt({ authenticatedAt: stated, memberSession }: VerifiedSession): number | undefined {
  return stated ?? newestFactor(memberSession) ?? toSeconds(memberSession.startedAt);
}

function newestFactor({ authenticationFactors }: MemberSession): number | undefined {
  const times = authenticationFactors
    .map(({ lastAuthenticatedAt }) => toSeconds(lastAuthenticatedAt))
    .filter((time) => time !== undefined);
  return times.length === 0 ? undefined : Math.max(...times);
}

function toSeconds(time: string | undefined): number | undefined {
  const milliseconds = time === undefined ? Number.NaN : Date.parse(time);
  return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
}

/** Lets a member through who is not being impersonated. */
export function denyImpersonation(engine: Engine, options?: GuardOptions): Middleware {
  return createGuard(engine, {
    name: "denyImpersonation",
    options,
    needsOrganization: false,
    requirement: ({ memberSession }) =>
      memberSession.impersonator === undefined ? PASSED : { status: "denied", code: "impersonation_denied" },
    validate(problems) {
      if (!engine.options.store.capabilities.impersonation) {
        const message = "cannot be answered: the store's sessions do not say who impersonates.";
        problems.invalid("denyImpersonation", message, "Remove it.");
      }
    },
  });
}
