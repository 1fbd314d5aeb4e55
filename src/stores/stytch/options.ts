import { type Clock, systemClock } from "../../lib/clock.ts";
import { findEndpointProblem } from "../../lib/json-client.ts";
import { type Problems, createProblems, isOptionObject } from "../../lib/problems.ts";

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

/** The options of a store, checked and with their defaults. */
export interface StytchSettings {
  readonly projectId: string;
  readonly secret: string;
  /** Without a trailing slash. */
  readonly baseUrl: string;
  readonly issuers: readonly string[];
  readonly sessionCustomClaims: StytchOptions["sessionCustomClaims"];
  /** Whole minutes. */
  readonly sessionMinutes: number | undefined;
  readonly organizationPolicies: boolean;
  readonly unknownKey: "reject" | "ask";
  readonly opaqueCookieName: string;
  readonly timeout: number;
  readonly fetch: typeof fetch | undefined;
  readonly clock: Clock;
}

const OPTIONS = [
  "projectId",
  "secret",
  "baseUrl",
  "issuers",
  "sessionCustomClaims",
  "sessionDuration",
  "organizationPolicies",
  "unknownKey",
  "opaqueCookieName",
  "timeout",
  "fetch",
  "clock",
] as const satisfies readonly (keyof StytchOptions)[];

const PROJECT_ID = /^project-[\w-]{1,120}$/;
/** What HTTP Basic carries without a doubt about its encoding (RFC 7617 section 2). */
const SECRET = /^[!-~]{1,512}$/;
const ISSUER = /^[!-~]{1,512}$/;
const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
const RESERVED_CLAIMS: ReadonlySet<string> = new Set("iss sub aud exp nbf iat jti".split(" "));
const MOST_CLAIM_BYTES = 4096;
const LEAST_MINUTES = 5;
const MOST_MINUTES = 527_040;
const LONGEST_TIMEOUT = 5;
const SHORTEST_TIMEOUT = 0.05;

/** Seconds as the whole minutes that Stytch counts in, within its limits. */
export function toSessionMinutes(seconds: number): number {
  return Math.min(MOST_MINUTES, Math.max(LEAST_MINUTES, Math.round(seconds / 60)));
}

/**
 * Checks the options of `stytch()`.
 *
 * @throws ConfigurationError with every mistake; nothing of the values is quoted.
 */
export function resolveOptions(options: StytchOptions): StytchSettings {
  const problems = createProblems();
  if (isOptionObject(options)) checkOptions(problems, options);
  else problems.missing("stytch", "Pass { projectId, secret }.");
  problems.throwIfAny();
  const { projectId = "", secret = "", sessionDuration } = options;
  const baseUrl = resolveBaseUrl(projectId, options.baseUrl);
  return {
    projectId,
    secret,
    baseUrl,
    issuers: options.issuers ?? [`stytch.com/${projectId}`, baseUrl],
    sessionCustomClaims: options.sessionCustomClaims,
    sessionMinutes: sessionDuration === undefined ? undefined : toSessionMinutes(sessionDuration),
    organizationPolicies: options.organizationPolicies ?? false,
    unknownKey: options.unknownKey ?? "reject",
    opaqueCookieName: options.opaqueCookieName ?? "stytch_session",
    timeout: options.timeout ?? LONGEST_TIMEOUT,
    fetch: options.fetch,
    clock: options.clock ?? systemClock,
  };
}

function resolveBaseUrl(projectId: string, given: string | undefined): string {
  const own = projectId.startsWith("project-live-") ? "https://api.stytch.com" : "https://test.stytch.com";
  return (given ?? own).replace(/\/+$/, "");
}

function checkOptions(problems: Problems, options: StytchOptions): void {
  problems.unknown(options, OPTIONS);
  checkIdentity(problems, options);
  const { baseUrl, issuers, opaqueCookieName } = options;
  const address = baseUrl === undefined ? undefined : findEndpointProblem("baseUrl", baseUrl);
  if (address !== undefined) problems.invalid("baseUrl", address.message, address.suggestion);
  const areIssuers = (list: unknown): boolean =>
    Array.isArray(list) && list.length > 0 && list.every((issuer) => matches(ISSUER, issuer));
  if (issuers !== undefined && !areIssuers(issuers)) {
    problems.invalid("issuers", "is not a list of strings without spaces.", "Leave it out for Stytch's own.");
  }
  if (opaqueCookieName !== undefined && !matches(COOKIE_NAME, opaqueCookieName)) {
    problems.invalid("opaqueCookieName", "is not a cookie name.", 'Leave it out for "stytch_session".');
  }
  checkSessions(problems, options);
  checkSeams(problems, options);
}

function checkIdentity(problems: Problems, { projectId, secret }: StytchOptions): void {
  const where = "It stands in the Stytch dashboard, under Project settings.";
  if (projectId === undefined || projectId === "") problems.missing("projectId", where);
  else if (!matches(PROJECT_ID, projectId)) problems.invalid("projectId", "is not a project id.", where);
  if (secret === undefined || secret === "") problems.missing("secret", where);
  else if (!matches(SECRET, secret)) {
    problems.invalid("secret", "holds characters that are in no secret of Stytch's.", where);
  }
}

function checkSessions(
  problems: Problems,
  { sessionCustomClaims: claims, sessionDuration, organizationPolicies, unknownKey }: StytchOptions,
): void {
  if (claims !== undefined && !areClaims(claims)) {
    const suggestion = `Pass an object of at most ${MOST_CLAIM_BYTES} bytes of JSON, without registered claims.`;
    problems.invalid("sessionCustomClaims", "cannot be given to a session.", suggestion);
  }
  if (sessionDuration !== undefined && !isDuration(sessionDuration)) {
    const message = `is not a number of seconds from ${LEAST_MINUTES * 60} to ${MOST_MINUTES * 60}.`;
    problems.invalid("sessionDuration", message, "Leave it out for an hour.");
  }
  if (organizationPolicies !== undefined && typeof organizationPolicies !== "boolean") {
    problems.invalid("organizationPolicies", "is not a boolean.", "Pass true or false.");
  }
  if (unknownKey !== undefined && unknownKey !== "ask" && unknownKey !== "reject") {
    problems.invalid("unknownKey", "is not known.", 'Pass "ask" or "reject".');
  }
}

function isDuration(value: unknown): boolean {
  return typeof value === "number" && value >= LEAST_MINUTES * 60 && value <= MOST_MINUTES * 60;
}

function isReserved(claim: string): boolean {
  return RESERVED_CLAIMS.has(claim) || claim.startsWith("https://stytch.com/");
}

function areClaims(value: unknown): boolean {
  if (!isOptionObject(value)) return false;
  if (Object.keys(value).some(isReserved)) return false;
  try {
    return Buffer.byteLength(JSON.stringify(value)) <= MOST_CLAIM_BYTES;
  } catch {
    return false;
  }
}

function checkSeams(problems: Problems, { timeout, fetch, clock }: StytchOptions): void {
  const isTimeout = typeof timeout === "number" && timeout >= SHORTEST_TIMEOUT && timeout <= LONGEST_TIMEOUT;
  if (timeout !== undefined && !isTimeout) {
    problems.invalid("timeout", "is not a number of seconds from 0.05 to 5.", "Leave it out for 5.");
  }
  for (const [name, value] of Object.entries({ fetch, clock })) {
    if (value !== undefined && typeof value !== "function") {
      problems.invalid(name, "is not a function.", "Pass a function, or leave it out.");
    }
  }
}

function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}
