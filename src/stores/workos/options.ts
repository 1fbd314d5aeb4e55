import { type Clock, systemClock } from "../../lib/clock.ts";
import { trimTrailingSlashes } from "../../lib/http.ts";
import { isConfidential } from "../../lib/json-client.ts";
import {
  type OptionReading,
  PRINTABLE,
  endpoint,
  functionLike,
  listWith,
  matching,
  must,
  nested,
  optional,
  orFalse,
  readOptions,
  reportOf,
  requiredVariable,
  schema,
  seconds,
  trueOrFalse,
  wholeNumber,
} from "../../lib/options.ts";
import { isString } from "../../lib/values.ts";
import { SEALABLE_FIELDS, type SealableField } from "./authentication.ts";

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
  /**
   * `auth.signOut()` sends browsers through WorkOS's own logout, so that AuthKit forgets them too. `false`: they stay here, and
   * the next sign-in may need no password. @defaultValue {}
   */
  readonly logout?:
    | {
        /** Where WorkOS sends them then; one of the sign-out redirects of the dashboard. @defaultValue `redirectTo` of `auth.signOut()`, else the dashboard's */
        readonly returnTo?: string;
      }
    | false;
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
  /**
   * Fields of the user that the sealed session carries beside the id. Everything is in `auth.profile(req)`.
   *
   * @defaultValue all that WorkOS's SDKs seal; `metadata` up to 1,024 bytes
   */
  readonly seal?: readonly SealableField[];
  /** Seconds that one operation may take, waiting for others included, from 0.05 to 5. @defaultValue 5 */
  readonly timeout?: number;
  /** Fetches in place of the global one: for proxies, and for tests. */
  readonly fetch?: typeof fetch;
  /** Tells the time. @defaultValue the machine's */
  readonly clock?: Clock;
}

/** Where the live service is. */
export const LIVE_API = "https://api.workos.com";
const CLIENT_ID = /^[\w.-]{1,128}$/;
const PROVIDER = /^\w{1,64}$/;
const HOSTNAME = /^(?:[\da-z](?:[\da-z.-]{0,251}[\da-z])?|\[[\da-f:.]+\])$/i;
const API_KEYS_HINT = "It is in the WorkOS dashboard, under API keys.";

const isSealable = (given: unknown): given is SealableField =>
  isString(given) && SEALABLE_FIELDS.includes(given);

const isPrintable = (given: unknown): given is string => isString(given) && PRINTABLE.test(given);

/** Whether browsers can be sent back to a URL without anybody on the way reading along. */
export function isRedirectUri(value: unknown): value is string {
  return isString(value) && URL.canParse(value) && isConfidential(new URL(value));
}

const redirectUri = must(
  "an https URL, or one on this machine",
  isRedirectUri,
  'Pass one like "https://app.example.com/callback".',
);

/** How the options of `workos()` are read. */
export const WORKOS_OPTIONS = schema<WorkosOptions>()({
  clientId: requiredVariable(matching("a client id", CLIENT_ID, API_KEYS_HINT), API_KEYS_HINT),
  apiKey: requiredVariable(matching("an API key", PRINTABLE, API_KEYS_HINT), API_KEYS_HINT),
  provider: optional(matching("a provider's name", PROVIDER, 'Leave it out for "authkit".'), "authkit"),
  baseUrl: optional(endpoint),
  apiHostname: optional(matching("a host name", HOSTNAME, 'Pass one like "api.workos.com".')),
  port: optional(wholeNumber({ min: 1, max: 65_535 }, "Leave it out for the scheme's.")),
  https: optional(trueOrFalse),
  authDomain: optional(endpoint),
  issuers: optional(
    listWith("strings without spaces", isPrintable, "Leave it out for the forms WorkOS is known to use."),
  ),
  audience: optional(
    listWith("strings without spaces", isPrintable, "Leave it out: AuthKit's tokens have none.", {
      mayBeEmpty: false,
    }),
  ),
  redirectUri: optional(redirectUri),
  logout: optional(
    orFalse(
      nested(
        schema<Exclude<WorkosOptions["logout"], false | undefined>>()({ returnTo: optional(redirectUri) }),
        "Pass { returnTo } or false, or leave it out.",
      ),
    ),
    {},
  ),
  seal: optional(
    listWith("names of fields of a user", isSealable, `Known fields: ${SEALABLE_FIELDS.join(", ")}.`),
  ),
  timeout: optional(seconds({ min: 0.05, max: 5 }, "Leave it out for 5."), 5),
  fetch: optional(functionLike<typeof fetch>()),
  clock: optional(functionLike<Clock>(), systemClock),
});

/** The options of `workos()` as the store uses them, with every default. */
export type WorkosSettings = ReturnType<typeof resolveWorkosOptions>;

/**
 * Reads the options of `workos()`.
 *
 * @throws ConfigurationError with every problem; secrets are not quoted
 */
export function resolveWorkosOptions(options: WorkosOptions) {
  const reading = readOptions(WORKOS_OPTIONS, options, "workos", "Pass { clientId, apiKey }.");
  checkAddress(reading);
  const { apiHostname, port, https, authDomain, ...settings } = reading.complete();
  const baseUrl = resolveBaseUrl({ ...settings, apiHostname, port, https });
  const issuers = settings.issuers ?? listIssuers(settings.clientId, [baseUrl, authDomain]);
  return { ...settings, baseUrl, issuers };
}

type Reading = OptionReading<typeof WORKOS_OPTIONS>;
type Address = Pick<Reading["read"], "baseUrl" | "apiHostname" | "port" | "https">;

/** `baseUrl` and its parts exclude each other; the parts together make an endpoint. */
function checkAddress({ read, problems }: Reading): void {
  const { apiHostname, port, https } = read;
  if ([apiHostname, port, https].every((part) => part === undefined)) return;
  if (read.baseUrl !== undefined || problems.has("baseUrl")) {
    problems.invalid("baseUrl", "is given twice.", "Leave out apiHostname, port and https.");
  } else if (!["apiHostname", "port", "https"].some((part) => problems.has(part))) {
    endpoint(resolveBaseUrl({ apiHostname, port, https }), reportOf("apiHostname", problems));
  }
}

/** The address of the API, without a trailing slash. */
function resolveBaseUrl({ baseUrl, apiHostname, port, https = true }: Address): string {
  const host = apiHostname ?? new URL(LIVE_API).host;
  const parts = `${https ? "https" : "http"}://${host}${port === undefined ? "" : `:${port}`}`;
  const { origin, pathname } = new URL(baseUrl ?? parts);
  return origin + trimTrailingSlashes(pathname);
}

/** The last part is an older environment's, the one before a newer one's. */
const PATHS = ["user_management", "sso", "convex"];

/**
 * Every `iss` that WorkOS is known to put into the tokens of a client. Which one it is depends on the environment's age and
 * settings; that the key set is the client's own is what binds a token to it.
 */
export function listIssuers(clientId: string, more: readonly (string | undefined)[]): readonly string[] {
  const bases = [LIVE_API, ...more.filter((base) => base !== undefined)].map(trimTrailingSlashes);
  const forms = bases.flatMap((base) => [
    base,
    `${base}/`,
    ...PATHS.map((path) => `${base}/${path}/${clientId}`),
  ]);
  return Object.freeze([...new Set(forms)]);
}
