import type { Engine } from "../engine/engine.ts";
import type { MemberSession } from "../model.ts";
import { isSeconds } from "../options/problems.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import { createGuard } from "./create-guard.ts";
import { PASSED, type GuardOptions, type Middleware } from "./guard.ts";

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
