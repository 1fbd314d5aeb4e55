import { ConfigurationError, type ConfigurationProblem, StoreUnavailableError } from "../errors.ts";
import { suggestName } from "../lib/did-you-mean.ts";
import { type UnusableBody, discardBody, readJsonBody } from "../lib/json-body.ts";
import { isConfidential } from "../lib/json-client.ts";
import { isObject, isString } from "../lib/predicates.ts";
import type { JsonWebKey, JsonWebKeySet, KeySource } from "../store.ts";

/** How a remote key set is fetched. */
export interface RemoteKeysOptions {
  /** Fetches in place of the global one: for proxies, and for tests. */
  readonly fetch?: typeof fetch;
  /** Seconds after which the set is fetched anew. @defaultValue 600 */
  readonly maxAge?: number;
  /** Seconds between two fetches that unknown keys can cause. @defaultValue 30 */
  readonly cooldown?: number;
}

/** Bodies larger than this are refused while they are read. */
const MAX_BODY_BYTES = 512 * 1024;

const OPTIONS = ["fetch", "maxAge", "cooldown"];

/**
 * A JWKS at a URL (RFC 7517 section 5).
 *
 * https only, but for loopback addresses; redirects are not followed; nothing but status 200 with a JSON object that has
 * `keys`, in at most 512 KiB, is an answer. Everything else is thrown as a `StoreUnavailableError`, which repeats nothing of
 * what was received.
 *
 * @throws ConfigurationError for a URL or an option that cannot be meant.
 */
export function remoteKeys(url: string | URL, options: RemoteKeysOptions = {}): KeySource {
  const problems = findProblems(url, options);
  if (problems.length > 0) throw new ConfigurationError(problems);
  const address = new URL(url);
  const { fetch: request, maxAge, cooldown } = options;
  return {
    load: (signal) => fetchKeys(address, request ?? fetch, signal),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(cooldown === undefined ? {} : { cooldown }),
  };
}

async function fetchKeys(url: URL, request: typeof fetch, signal: AbortSignal): Promise<JsonWebKeySet> {
  let response: Response;
  try {
    response = await request(url, { headers: { accept: "application/json" }, redirect: "manual", signal });
  } catch (cause) {
    throw failure("keys_unreachable", "The key set could not be reached.", cause);
  }
  if (response.status !== 200) {
    discardBody(response);
    throw failure("keys_status", `The key set was answered with status ${response.status}.`);
  }
  const body = await readJsonBody(response, MAX_BODY_BYTES);
  if (body.status === "object" && Array.isArray(body.object["keys"])) {
    return { ...body.object, keys: body.object["keys"].filter(isJsonWebKey) };
  }
  const { reason, cause } = body.status === "unusable" ? body : { reason: "malformed" as const };
  throw failure(...FAILURES[reason], cause);
}

const FAILURES: Readonly<Record<UnusableBody, readonly [reason: string, message: string]>> = {
  broken_off: ["keys_unreachable", "The key set broke off."],
  too_large: ["keys_too_large", "The key set is too large."],
  malformed: ["keys_malformed", "The key set is not a JSON object with keys."],
};

function isJsonWebKey(value: unknown): value is JsonWebKey {
  if (!isObject(value)) return false;
  const { kty, kid, alg, use } = value;
  return isString(kty) && [kid, alg, use].every((member) => member === undefined || isString(member));
}

function failure(reason: string, message: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError({ reason, message, cause });
}

function findProblems(url: string | URL, options: RemoteKeysOptions): ConfigurationProblem[] {
  const { fetch: request, maxAge, cooldown } = options;
  return [
    findUrlProblem(url),
    request !== undefined &&
      typeof request !== "function" &&
      invalid("fetch", "is not a function.", "Pass one like the global fetch, or leave it out."),
    maxAge !== undefined &&
      !(Number.isFinite(maxAge) && maxAge > 0) &&
      invalid("maxAge", "is not a finite number above 0.", "Give it in seconds, or leave it out for 600."),
    cooldown !== undefined &&
      !(Number.isFinite(cooldown) && cooldown >= 0) &&
      invalid("cooldown", "is not a finite number from 0.", "Give it in seconds, or leave it out for 30."),
    ...findUnknownOptions(options),
  ].filter((problem) => typeof problem === "object");
}

function findUrlProblem(url: string | URL): ConfigurationProblem | undefined {
  if (!URL.canParse(String(url))) {
    return invalid("url", "is not an absolute URL.", 'Pass one like "https://example.com/jwks".');
  }
  const address = new URL(url);
  if (!isConfidential(address)) {
    return invalid(
      "url",
      "is neither https nor on this machine.",
      "Keys that travel in the clear can be replaced on the way: use https.",
    );
  }
  return address.username === "" && address.password === ""
    ? undefined
    : invalid("url", "contains a user name or password.", "fetch refuses such a URL: leave them out.");
}

function findUnknownOptions(options: RemoteKeysOptions): ConfigurationProblem[] {
  const unknown = Object.keys(options).filter((name) => !OPTIONS.includes(name));
  return unknown.map((name) => {
    const meant = suggestName(name, OPTIONS);
    const suggestion =
      meant === undefined ? `Known options: ${OPTIONS.join(", ")}.` : `"${name}": did you mean "${meant}"?`;
    return { ...invalid(name, "is not an option.", suggestion), code: "option_unknown" };
  });
}

function invalid(option: string, message: string, suggestion: string): ConfigurationProblem {
  return { code: "option_invalid", option: `remoteKeys.${option}`, message, suggestion };
}
