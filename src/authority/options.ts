import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import type { OrgateEvent } from "../events.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { suggestName } from "../lib/did-you-mean.ts";
import type { Policy } from "../policy/policy.ts";
import type { JsonWebKey } from "../store.ts";
import type { Directory } from "./directory.ts";
import { findKeyProblem } from "./issuer.ts";
import type { Repository } from "./repository.ts";

/** What an authority is made of. Durations are seconds. */
export interface AuthorityOptions {
  /** `iss` of the access tokens, compared as an exact string: the application's origin. */
  readonly issuer: string;
  /** Who the users, organizations and memberships are. */
  readonly directory: Directory;
  /** Where sessions are kept. @defaultValue `memoryRepository()` */
  readonly repository?: Repository | undefined;
  /**
   * Private keys (RFC 7517): the first signs, all verify. RSA from 2048 bits (`RS256`, `PS256`), P-256 (`ES256`) or Ed25519
   * (`EdDSA`). Several processes must share them. @defaultValue one ES256 key, made when it is first needed
   */
  readonly keys?: readonly JsonWebKey[] | undefined;
  /** Answers authorization checks, and the middleware where it has no policy of its own. */
  readonly policy?: Policy | undefined;
  /** @defaultValue 300 */
  readonly accessTokenLifetime?: number | undefined;
  /** From sign-in on; only `sessionDuration` and `sessionDurationMinutes` extend it. @defaultValue 30 days */
  readonly sessionLifetime?: number | undefined;
  /** Ends a session that the store has not been asked about for this long; more than `accessTokenLifetime`. @defaultValue never */
  readonly idleTimeout?: number | undefined;
  /** For this long a rotated refresh token is answered with the same successor. @defaultValue 30 */
  readonly refreshGrace?: number | undefined;
  /** For organization selection; at most 600. @defaultValue 600 */
  readonly pendingLifetime?: number | undefined;
  /** For this long past its `exp` a JWT of a live session renews; `0`: refresh tokens only. @defaultValue `sessionLifetime` */
  readonly expiredTokenRenewal?: number | undefined;
  /** For tests: the time in seconds. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
  /** Hears what the authority notices: `revoked`, `reuse_detected`. @defaultValue the `events` of the middleware it is the store of */
  readonly events?: ((event: OrgateEvent) => void) | undefined;
}

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

const OPTION_NAMES: ReadonlySet<string> = new Set<keyof AuthorityOptions>([
  "issuer",
  "directory",
  "repository",
  "keys",
  "policy",
  "accessTokenLifetime",
  "sessionLifetime",
  "idleTimeout",
  "refreshGrace",
  "pendingLifetime",
  "expiredTokenRenewal",
  "clock",
  "events",
]);

const DIRECTORY_METHODS = ["user", "userByEmailAddress", "organization", "membership", "memberships"];
const REPOSITORY_METHODS = ["read", "insert", "compareAndSet", "consume", "touchIfExists", "find", "close"];

const YEAR = 366 * 86_400;
const DURATIONS = [
  { name: "accessTokenLifetime", least: 1, most: 86_400 },
  { name: "sessionLifetime", least: 1, most: YEAR },
  { name: "idleTimeout", least: 1, most: YEAR },
  { name: "refreshGrace", least: 0, most: 3600 },
  { name: "pendingLifetime", least: 1, most: 600 },
  { name: "expiredTokenRenewal", least: 0, most: YEAR },
] as const;

/** Every mistake in the options of an authority. Nothing of their values is quoted. */
export function findOptionProblems(options: AuthorityOptions): ConfigurationProblem[] {
  if (!isObject(options)) return [missing("createAuthority", "an options object")];
  const problems = Object.keys(options)
    .filter((name) => !OPTION_NAMES.has(name))
    .map(describeUnknown);
  if (options.issuer === undefined) problems.push(missing("issuer", "the application's origin"));
  else if (!isIssuer(options.issuer)) {
    problems.push(
      invalid("issuer", "must be a non-empty string without spaces.", 'Use "https://app.example.com".'),
    );
  }
  if (options.directory === undefined)
    problems.push(missing("directory", "memoryDirectory({...}) or your own"));
  else problems.push(...findMissingMethods("directory", options.directory, DIRECTORY_METHODS));
  problems.push(...findNonFunctions("directory.", options.directory, ["addMembership", "onChanged"]));
  if (options.repository !== undefined) {
    problems.push(...findMissingMethods("repository", options.repository, REPOSITORY_METHODS));
  }
  if (options.policy !== undefined) {
    problems.push(...findMissingMethods("policy", options.policy, ["declares", "grantingRoles"]));
  }
  problems.push(...findNonFunctions("", options, ["clock", "events"]));
  return [...problems, ...findKeyProblems(options.keys), ...findDurationProblems(options)];
}

function findDurationProblems(options: AuthorityOptions): ConfigurationProblem[] {
  const problems: ConfigurationProblem[] = [];
  for (const { name, least, most } of DURATIONS) {
    const value = options[name];
    if (value === undefined) continue;
    if (typeof value !== "number" || !(value >= least && value <= most)) {
      problems.push(
        invalid(name, `must be a number of seconds from ${least} to ${most}.`, "Durations are seconds."),
      );
    }
  }
  const { idleTimeout, accessTokenLifetime = 300 } = options;
  if (idleTimeout !== undefined && idleTimeout <= accessTokenLifetime) {
    problems.push(
      invalid(
        "idleTimeout",
        "must be longer than accessTokenLifetime.",
        "Otherwise members are signed out while they work, because a fresh token is answered without the store.",
      ),
    );
  }
  return problems;
}

function findKeyProblems(keys: unknown): ConfigurationProblem[] {
  if (keys === undefined) return [];
  if (!Array.isArray(keys) || keys.length === 0) {
    return [
      invalid("keys", "must be a non-empty array of private JWKs.", "Leave it out to have a key made."),
    ];
  }
  return keys.flatMap((key: unknown, index) => {
    const problem = findKeyProblem(key);
    return problem === undefined ? [] : [invalid(`keys[${index}]`, problem, "Use an ES256 private JWK.")];
  });
}

function findMissingMethods(
  option: string,
  value: unknown,
  methods: readonly string[],
): ConfigurationProblem[] {
  const absent = isObject(value)
    ? methods.filter((method) => typeof Reflect.get(value, method) !== "function")
    : methods;
  if (absent.length === 0) return [];
  return [
    invalid(option, `lacks the methods ${absent.join(", ")}.`, `Implement every method of its interface.`),
  ];
}

/** What may be left out, but is no function where it is given. */
function findNonFunctions(prefix: string, value: unknown, names: readonly string[]): ConfigurationProblem[] {
  if (!isObject(value)) return [];
  return names
    .filter((name) => !["undefined", "function"].includes(typeof Reflect.get(value, name)))
    .map((name) => invalid(prefix + name, "must be a function.", "Pass a function, or leave it out."));
}

function describeUnknown(name: string): ConfigurationProblem {
  const suggested = suggestName(name, OPTION_NAMES);
  return {
    code: "option_unknown",
    option: name,
    message: "is not an option.",
    suggestion: suggested === undefined ? "Remove it." : `Did you mean "${suggested}"?`,
  };
}

function missing(option: string, what: string): ConfigurationProblem {
  return { code: "option_missing", option, message: "is required.", suggestion: `Pass ${what}.` };
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}

function isIssuer(value: unknown): boolean {
  return typeof value === "string" && /^[!-~]{1,512}$/.test(value);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
