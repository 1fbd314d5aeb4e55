import { type Clock, systemClock } from "../../lib/clock.ts";
import { trimTrailingSlashes } from "../../lib/http.ts";
import {
  COOKIE_NAME,
  type Check,
  PRINTABLE,
  endpoint,
  functionLike,
  listWith,
  matching,
  oneOf,
  optional,
  readOptions,
  requiredVariable,
  schema,
  seconds,
  trueOrFalse,
} from "../../lib/options.ts";
import { describeValue } from "../../lib/problems.ts";
import { isObject, isString } from "../../lib/values.ts";

/** Options of `stytch()`. Nothing is read from the environment: pass `process.env.STYTCH_SECRET` and the like. */
export interface StytchOptions {
  /** `project-live-...` or `project-test-...`. Typed so that `process.env.X` compiles; checked at construction. */
  readonly projectId: string | undefined;
  /** `secret-live-...`. Typed so that `process.env.X` compiles; checked at construction. */
  readonly secret: string | undefined;
  /** Where the API is: your custom domain; http on this machine alone. @defaultValue Stytch's, live or test by the project id */
  readonly baseUrl?: string;
  /** Accepted `iss` values. @defaultValue `stytch.com/${projectId}` and the base URL */
  readonly issuers?: readonly string[];
  /** Claims that each renewal adds to the session; `null` deletes one. At most 4 KB. @defaultValue none */
  readonly sessionCustomClaims?: Readonly<Record<string, unknown>>;
  /** Seconds that a session lasts which organization selection or switching makes here, from 300 to 31,622,400; whole minutes. @defaultValue Stytch's, an hour */
  readonly sessionDuration?: number;
  /** Adds each organization's own roles to the project's policy (Stytch's private beta). @defaultValue false */
  readonly organizationPolicies?: boolean;
  /**
   * A JWT that no known key has signed: sessions can outlive the keys. `"ask"` asks Stytch, once for each distinct JWT;
   * `"reject"` refuses it without a call. @defaultValue "reject"
   */
  readonly unknownKey?: "reject" | "ask";
  /** The cookie in which Stytch's front ends keep the session token. Read where `credentials` names a `jwtCookie`. @defaultValue "stytch_session" */
  readonly opaqueCookieName?: string;
  /** Seconds that one call may take, from 0.05 to 5. @defaultValue 5 */
  readonly timeout?: number;
  /** Fetches in place of the global one: for proxies, and for tests. */
  readonly fetch?: typeof fetch;
  /** Tells the time. @defaultValue the machine's */
  readonly clock?: Clock;
}

const PROJECT_ID = /^project-[\w-]{1,120}$/;
const RESERVED_CLAIMS: ReadonlySet<string> = new Set("iss sub aud exp nbf iat jti".split(" "));
const MAX_CLAIM_BYTES = 4096;
const MIN_MINUTES = 5;
const MAX_MINUTES = 527_040;
const SETTINGS_HINT = "It is in the Stytch dashboard, under Project settings.";

const isIssuer = (given: unknown): given is string => isString(given) && PRINTABLE.test(given);

const sessionCustomClaims: Check<Readonly<Record<string, unknown>>> = (given, report) => {
  const suggestion = `Pass an object of at most ${MAX_CLAIM_BYTES} bytes of JSON, without registered claims.`;
  if (!isObject(given))
    return report.invalid(`must be an object, but is ${describeValue(given)}.`, suggestion);
  if (Object.keys(given).some(isReserved)) return report.invalid("holds a reserved claim.", suggestion);
  try {
    if (Buffer.byteLength(JSON.stringify(given)) <= MAX_CLAIM_BYTES) return given;
  } catch (error) {
    report.problems.unreadable(report.option, error);
    return undefined;
  }
  return report.invalid("is too large.", suggestion);
};

function isReserved(claim: string): boolean {
  return RESERVED_CLAIMS.has(claim) || claim.startsWith("https://stytch.com/");
}

/** How the options of `stytch()` are read. */
export const STYTCH_OPTIONS = schema<StytchOptions>()({
  projectId: requiredVariable(matching("a project id", PROJECT_ID, SETTINGS_HINT), SETTINGS_HINT),
  secret: requiredVariable(matching("a secret of Stytch's", PRINTABLE, SETTINGS_HINT), SETTINGS_HINT),
  baseUrl: optional(endpoint),
  issuers: optional(
    listWith("strings without spaces", isIssuer, "Leave it out for Stytch's own.", { mayBeEmpty: false }),
  ),
  opaqueCookieName: optional(
    matching("a cookie name", COOKIE_NAME, 'Leave it out for "stytch_session".'),
    "stytch_session",
  ),
  sessionCustomClaims: optional(sessionCustomClaims),
  sessionDuration: optional(
    seconds({ min: MIN_MINUTES * 60, max: MAX_MINUTES * 60 }, "Leave it out for an hour."),
  ),
  organizationPolicies: optional(trueOrFalse, false),
  unknownKey: optional(oneOf("ask", "reject"), "reject"),
  timeout: optional(seconds({ min: 0.05, max: 5 }, "Leave it out for 5."), 5),
  fetch: optional(functionLike<typeof fetch>()),
  clock: optional(functionLike<Clock>(), systemClock),
});

/** The options of `stytch()` as the store uses them, with every default. */
export type StytchSettings = ReturnType<typeof resolveStytchOptions>;

/**
 * Reads the options of `stytch()`.
 *
 * @throws ConfigurationError with every problem; secrets are not quoted
 */
export function resolveStytchOptions(options: StytchOptions) {
  const { sessionDuration, ...read } = readOptions(
    STYTCH_OPTIONS,
    options,
    "stytch",
    "Pass { projectId, secret }.",
  ).complete();
  const baseUrl = trimTrailingSlashes(read.baseUrl ?? defaultBaseUrl(read.projectId));
  return {
    ...read,
    /** Without a trailing slash. */
    baseUrl,
    issuers: read.issuers ?? [`stytch.com/${read.projectId}`, baseUrl],
    sessionMinutes: sessionDuration === undefined ? undefined : toSessionMinutes(sessionDuration),
  };
}

function defaultBaseUrl(projectId: string): string {
  return projectId.startsWith("project-live-") ? "https://api.stytch.com" : "https://test.stytch.com";
}

/** Converts seconds to the whole minutes that Stytch counts in, within its limits. */
export function toSessionMinutes(duration: number): number {
  return Math.min(MAX_MINUTES, Math.max(MIN_MINUTES, Math.round(duration / 60)));
}
