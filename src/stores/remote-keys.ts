import { StoreUnavailableError, type UpstreamAnswer } from "../errors.ts";
import {
  type UnusableBody,
  discardBody,
  isConfidential,
  readJsonBody,
  safeError,
} from "../lib/json-client.ts";
import {
  type Check,
  functionLike,
  optional,
  readOptions,
  required,
  schema,
  seconds,
} from "../lib/options.ts";
import { describeValue, readGiven } from "../lib/problems.ts";
import { isObject, isString } from "../lib/values.ts";
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

const URL_EXAMPLE = 'Pass one like "https://example.com/jwks".';

const keySetUrl: Check<URL> = (given, report) => {
  if (!(given instanceof URL) && !(isString(given) && URL.canParse(given))) {
    return report.invalid(`must be an absolute URL, but is ${describeValue(given)}.`, URL_EXAMPLE);
  }
  const url = new URL(given);
  if (!isConfidential(url)) {
    const suggestion = "Keys that travel in the clear can be replaced on the way: use https.";
    return report.invalid("is neither https nor on this machine.", suggestion);
  }
  if (url.username !== "" || url.password !== "") {
    return report.invalid("contains a user name or password.", "fetch refuses such a URL: leave them out.");
  }
  return url;
};

/** How the parameters of `remoteKeys()` are read. */
export const REMOTE_KEYS_OPTIONS = schema<RemoteKeysOptions & { readonly url: string | URL }>()({
  url: required(keySetUrl, URL_EXAMPLE),
  fetch: optional(functionLike<typeof fetch>()),
  maxAge: optional(seconds({ above: 0 }, "Leave it out for 600.")),
  cooldown: optional(seconds({}, "Leave it out for 30.")),
});

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
  const suggestion = "Pass { fetch, maxAge, cooldown }, or nothing.";
  const {
    url: address,
    fetch: request,
    maxAge,
    cooldown,
  } = readGiven("remoteKeys", () => {
    const given = isObject(options) ? withUrl(options, url) : options;
    return readOptions(REMOTE_KEYS_OPTIONS, given, "remoteKeys", suggestion, "remoteKeys.").complete();
  });
  return {
    load: (signal) => fetchKeys(address, request ?? fetch, signal),
    ...(maxAge !== undefined && { maxAge }),
    ...(cooldown !== undefined && { cooldown }),
  };
}

/** Copies the options without reading them: what a getter throws is reported as the option's problem. */
function withUrl(options: object, url: unknown): object {
  return Object.create(null, {
    ...Object.getOwnPropertyDescriptors(options),
    url: { value: url, enumerable: true },
  });
}

async function fetchKeys(url: URL, request: typeof fetch, signal: AbortSignal): Promise<JsonWebKeySet> {
  let response: Response;
  try {
    response = await request(url, { headers: { accept: "application/json" }, redirect: "manual", signal });
  } catch (cause) {
    throw failure("keys_unreachable", "The key set could not be reached.", { cause: safeError(cause) });
  }
  if (response.status !== 200) {
    discardBody(response);
    const { status } = response;
    throw failure("keys_status", `The key set was answered with status ${status}.`, {
      upstream: { status },
    });
  }
  const body = await readJsonBody(response, MAX_BODY_BYTES);
  if (body.status === "object" && Array.isArray(body.object["keys"])) {
    return { ...body.object, keys: body.object["keys"].filter(isJsonWebKey) };
  }
  const { reason, cause } = body.status === "unusable" ? body : { reason: "malformed" as const };
  const unusable = FAILURES[reason];
  throw failure(unusable.reason, unusable.message, { cause });
}

const FAILURES: Readonly<Record<UnusableBody, { readonly reason: string; readonly message: string }>> = {
  broken_off: { reason: "keys_unreachable", message: "The key set broke off." },
  too_large: { reason: "keys_too_large", message: "The key set is too large." },
  malformed: { reason: "keys_malformed", message: "The key set is not a JSON object with keys." },
};

function isJsonWebKey(value: unknown): value is JsonWebKey {
  if (!isObject(value)) return false;
  const { kty, kid, alg, use } = value;
  return isString(kty) && [kid, alg, use].every((member) => member === undefined || isString(member));
}

function failure(
  reason: string,
  message: string,
  init: { readonly cause?: unknown; readonly upstream?: UpstreamAnswer } = {},
): StoreUnavailableError {
  return new StoreUnavailableError({ reason, message, ...init });
}
