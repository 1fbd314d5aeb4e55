import { systemClock, type Clock } from "../../clock.ts";
import { createProblems, isOptionObject, type Problems } from "../../options/problems.ts";
import { findAddressProblems, resolveBaseUrl } from "./base-url.ts";
import { listIssuers } from "./issuers.ts";
import type { WorkosOptions } from "./workos-options.ts";
import { isConfidential } from "../endpoint.ts";

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
