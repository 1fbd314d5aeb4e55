import type { ConfigurationProblem } from "../../errors.ts";
import { type Clock, systemClock } from "../../lib/clock.ts";
import { findEndpointProblem, isConfidential } from "../../lib/json-client.ts";
import { type Problems, createProblems, isOptionObject } from "../../lib/problems.ts";

/** Options of `workos()`. Nothing is read from the environment: pass `process.env.WORKOS_API_KEY` and the like. */
export interface WorkosOptions {
  /** `client_...`. Typed so that `process.env.WORKOS_CLIENT_ID` compiles; checked at construction. */
  readonly clientId: string | undefined;
  /** `sk_...`. Typed so that `process.env.WORKOS_API_KEY` compiles; checked at construction. */
  readonly apiKey: string | undefined;
  /** Where AuthKit sends browsers back to (`auth.callback()`). @defaultValue must be given to `auth.signIn()` */
  readonly redirectUri?: string;
  /** Who signs in: `authkit` (the hosted page), `GoogleOAuth`, ... @defaultValue "authkit" */
  readonly provider?: string;
  /** Sends browsers through WorkOS's own logout after `auth.signOut()`, so that AuthKit forgets them too. @defaultValue undefined: they stay here */
  readonly logout?: {
    /** Where WorkOS sends them then; one of the sign-out redirects of the dashboard. @defaultValue the dashboard's */
    readonly returnTo?: string;
  };
  /** Accepted `iss` values. An empty list: `iss` is not checked. @defaultValue every form WorkOS is known to use */
  readonly issuers?: readonly string[];
  /** Your custom authentication domain (`https://auth.example.com`), whose issuer forms are then accepted too. */
  readonly authDomain?: string;
  /** One of these must be in `aud`. @defaultValue undefined: `aud` is not checked, AuthKit's tokens have none */
  readonly audience?: readonly string[];
  /** Where the API is; http on this machine alone. @defaultValue "https://api.workos.com" */
  readonly baseUrl?: string;
  /** As in WorkOS's SDK, in place of `baseUrl`. @defaultValue "api.workos.com" */
  readonly apiHostname?: string;
  /** As in WorkOS's SDK, in place of `baseUrl`. @defaultValue the scheme's */
  readonly port?: number;
  /** As in WorkOS's SDK, in place of `baseUrl`. @defaultValue true */
  readonly https?: boolean;
  /** Seconds that one operation may take, waiting for others included, from 0.05 to 5. @defaultValue 5 */
  readonly timeout?: number;
  /** Fetches in place of the global one: for proxies, and for tests. */
  readonly fetch?: typeof fetch;
  /** Tells the time. @defaultValue the machine's */
  readonly clock?: Clock;
}

/** The options of a store, checked and with their defaults. */
export interface WorkosSettings {
  readonly clientId: string;
  readonly apiKey: string;
  readonly baseUrl: string;
  readonly issuers: readonly string[];
  readonly audience: readonly string[] | undefined;
  readonly provider: string;
  readonly redirectUri: string | undefined;
  readonly logout: WorkosOptions["logout"];
  readonly timeout: number;
  readonly fetch: typeof fetch | undefined;
  readonly clock: Clock;
}

const OPTIONS = [
  "clientId",
  "apiKey",
  "redirectUri",
  "provider",
  "logout",
  "issuers",
  "authDomain",
  "audience",
  "baseUrl",
  "apiHostname",
  "port",
  "https",
  "timeout",
  "fetch",
  "clock",
] as const satisfies readonly (keyof WorkosOptions)[];

const CLIENT_ID = /^[\w.-]{1,128}$/;
/** What a header can carry. */
const API_KEY = /^[!-~]{1,512}$/;
const PROVIDER = /^\w{1,64}$/;
const TEXT = /^[!-~]{1,512}$/;
const LONGEST_TIMEOUT = 5;
const SHORTEST_TIMEOUT = 0.05;

/**
 * Checks the options of `workos()`.
 *
 * @throws ConfigurationError with every mistake; nothing of the values is quoted.
 */
export function resolveOptions(options: WorkosOptions): WorkosSettings {
  const problems = createProblems();
  if (isOptionObject(options)) checkOptions(problems, options);
  else problems.missing("workos", "Pass { clientId, apiKey }.");
  problems.throwIfAny();
  const { clientId = "", apiKey = "" } = options;
  const baseUrl = resolveBaseUrl(options);
  const { audience, redirectUri, logout, fetch, authDomain } = options;
  return {
    clientId,
    apiKey,
    baseUrl,
    issuers: options.issuers ?? listIssuers(clientId, [baseUrl, authDomain]),
    audience,
    provider: options.provider ?? "authkit",
    redirectUri,
    logout,
    timeout: options.timeout ?? LONGEST_TIMEOUT,
    fetch,
    clock: options.clock ?? systemClock,
  };
}

function checkOptions(problems: Problems, options: WorkosOptions): void {
  problems.unknown(options, OPTIONS);
  checkIdentity(problems, options);
  for (const { option, message, suggestion } of findAddressProblems(options)) {
    problems.invalid(option, message, suggestion);
  }
  checkList(problems, "issuers", options.issuers, "Leave it out for the forms WorkOS is known to use.");
  checkList(problems, "audience", options.audience, "Leave it out: AuthKit's tokens have none.");
  if (options.audience?.length === 0) {
    problems.invalid("audience", "is empty, so that no token could pass.", "Leave it out.");
  }
  checkRedirects(problems, options);
  checkSeams(problems, options);
}

function checkIdentity(problems: Problems, { clientId, apiKey, provider }: WorkosOptions): void {
  const where = "It stands in the WorkOS dashboard, under API keys.";
  if (clientId === undefined || clientId === "") problems.missing("clientId", where);
  else if (!matches(CLIENT_ID, clientId)) problems.invalid("clientId", "is not a client id.", where);
  if (apiKey === undefined || apiKey === "") problems.missing("apiKey", where);
  else if (!matches(API_KEY, apiKey)) problems.invalid("apiKey", "is not an API key.", where);
  if (provider !== undefined && !matches(PROVIDER, provider)) {
    problems.invalid("provider", "is not a provider's name.", 'Leave it out for "authkit".');
  }
}

function checkRedirects(problems: Problems, { redirectUri, logout }: WorkosOptions): void {
  if (redirectUri !== undefined && !isRedirectUri(redirectUri)) {
    problems.invalid(
      "redirectUri",
      "is neither an https URL nor on this machine.",
      'Pass one like "https://app.example.com/callback".',
    );
  }
  if (logout === undefined) return;
  if (!isOptionObject(logout)) {
    problems.invalid("logout", "is not an object.", "Pass {} or { returnTo }, or leave it out.");
    return;
  }
  problems.unknown(logout, ["returnTo"], "logout.");
  if (logout.returnTo !== undefined && !isRedirectUri(logout.returnTo)) {
    problems.invalid(
      "logout.returnTo",
      "is neither an https URL nor on this machine.",
      "Pass an absolute URL.",
    );
  }
}

function checkSeams(problems: Problems, { timeout, fetch, clock }: WorkosOptions): void {
  if (
    timeout !== undefined &&
    !(typeof timeout === "number" && timeout >= SHORTEST_TIMEOUT && timeout <= LONGEST_TIMEOUT)
  ) {
    problems.invalid("timeout", "is not a number of seconds from 0.05 to 5.", "Leave it out for 5.");
  }
  for (const [name, value] of Object.entries({ fetch, clock })) {
    if (value !== undefined && typeof value !== "function") {
      problems.invalid(name, "is not a function.", "Pass a function, or leave it out.");
    }
  }
}

function checkList(problems: Problems, option: string, value: unknown, suggestion: string): void {
  if (value === undefined) return;
  if (!Array.isArray(value) || !value.every((one) => matches(TEXT, one))) {
    problems.invalid(option, "is not a list of strings without spaces.", suggestion);
  }
}

/** Whether browsers can be sent back to a URL without anybody on the way reading along. */
export function isRedirectUri(value: unknown): value is string {
  return typeof value === "string" && URL.canParse(value) && isConfidential(new URL(value));
}

function matches(pattern: RegExp, value: unknown): value is string {
  return typeof value === "string" && pattern.test(value);
}

/** Where the live service is. */
export const LIVE_API = "https://api.workos.com";
const HOSTNAME = /^(?:[\da-z](?:[\da-z.-]{0,251}[\da-z])?|\[[\da-f:.]+\])$/i;

type AddressOptions = Pick<WorkosOptions, "baseUrl" | "apiHostname" | "port" | "https" | "authDomain">;

/** Where the API is, without a trailing slash. */
export function resolveBaseUrl({ baseUrl, apiHostname, port, https = true }: AddressOptions): string {
  const host = apiHostname ?? "api.workos.com";
  const parts = `${https ? "https" : "http"}://${host}${port === undefined ? "" : `:${port}`}`;
  const { origin, pathname } = new URL(baseUrl ?? parts);
  return origin + pathname.replace(/\/+$/, "");
}

/** What is wrong with the addresses among the options. */
export function findAddressProblems(options: AddressOptions): ConfigurationProblem[] {
  const { baseUrl, apiHostname, port, https, authDomain } = options;
  const problems = [...findPartProblems(options)];
  const hasParts = [apiHostname, port, https].some((part) => part !== undefined);
  if (baseUrl !== undefined) {
    problems.push(findEndpointProblem("baseUrl", baseUrl));
    if (hasParts)
      problems.push(invalid("baseUrl", "is given twice.", "Leave out apiHostname, port and https."));
  } else if (hasParts && problems.length === 0) {
    problems.push(findEndpointProblem("apiHostname", resolveBaseUrl(options)));
  }
  if (authDomain !== undefined) problems.push(findEndpointProblem("authDomain", authDomain));
  return problems.filter((problem) => problem !== undefined);
}

function findPartProblems({
  apiHostname,
  port,
  https,
}: AddressOptions): (ConfigurationProblem | undefined)[] {
  const problems: ConfigurationProblem[] = [];
  if (apiHostname !== undefined && !(typeof apiHostname === "string" && HOSTNAME.test(apiHostname))) {
    problems.push(invalid("apiHostname", "is not a host name.", 'Pass one like "api.workos.com".'));
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port < 65_536)) {
    problems.push(invalid("port", "is not a port.", "Pass a whole number from 1 to 65535."));
  }
  if (https !== undefined && typeof https !== "boolean") {
    problems.push(invalid("https", "is not a boolean.", "Pass true or false."));
  }
  return problems;
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option, message, suggestion };
}

/** The last part is an older environment's, the one before a newer one's. */
const PATHS = ["user_management", "sso", "convex"];

/**
 * Every `iss` that WorkOS is known to put into the tokens of a client. Which one it is depends on the environment's age and
 * settings; that the key set is the client's own is what binds a token to it.
 */
export function listIssuers(clientId: string, more: readonly (string | undefined)[]): readonly string[] {
  const bases = [LIVE_API, ...more.filter((base) => base !== undefined)].map((base) =>
    base.replace(/\/+$/, ""),
  );
  const forms = bases.flatMap((base) => [
    base,
    `${base}/`,
    ...PATHS.map((path) => `${base}/${path}/${clientId}`),
  ]);
  return Object.freeze([...new Set(forms)]);
}
