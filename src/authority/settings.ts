import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import { ConfigurationError } from "../errors.ts";
import { findOptionProblems } from "./option-problems.ts";
import type { AuthorityOptions } from "./options.ts";

/** The durations in force, in seconds. */
export interface AuthoritySettings {
  readonly issuer: string;
  readonly accessTokenLifetime: number;
  readonly sessionLifetime: number;
  readonly idleTimeout: number | undefined;
  readonly refreshGrace: number;
  readonly pendingLifetime: number;
  readonly expiredTokenRenewal: number;
}

/** Checks every option, applies the defaults, and lists all mistakes in one `ConfigurationError`. */
export function resolveSettings(options: AuthorityOptions): AuthoritySettings & { readonly clock: Clock } {
  const problems = findOptionProblems(options);
  if (problems.length > 0) throw new ConfigurationError(problems);
  const { issuer, accessTokenLifetime = 300, sessionLifetime = 30 * 86_400 } = options;
  return {
    issuer,
    accessTokenLifetime,
    sessionLifetime,
    idleTimeout: options.idleTimeout,
    refreshGrace: options.refreshGrace ?? 30,
    pendingLifetime: options.pendingLifetime ?? 600,
    expiredTokenRenewal: options.expiredTokenRenewal ?? sessionLifetime,
    clock: options.clock ?? systemClock,
  };
}
