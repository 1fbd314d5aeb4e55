import { sanitizeReturnTo, toRedirectTarget } from "../lib/http.ts";
import {
  type Check,
  functionLike,
  listWith,
  matching,
  must,
  nested,
  optional,
  schema,
} from "../lib/options.ts";
import { describeValue } from "../lib/problems.ts";
import { isListOf, isObject, isString } from "../lib/values.ts";
import type { AttachNames } from "../request/request-auth.ts";
import type { KeySource, SessionStore } from "../store.ts";
import { ALGORITHMS, isAlgorithm } from "../tokens/key-set.ts";
import { type PublicSuffixOf, isPublicSuffix } from "./public-suffixes.ts";

/** What to pass as `baseUrl`. */
export const BASE_URL_EXAMPLE = 'Pass the public origin: "https://app.example.com".';

/** Accepts `baseUrl`: an http or https origin, and nothing after it. */
export const publicOrigin: Check<{ readonly origin: string; readonly secure: boolean }> = (given, report) => {
  const parsed = isString(given) && URL.canParse(given) ? new URL(given) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol)) {
    return report.invalid(`must be an http or https URL, but is ${describeValue(given)}.`, BASE_URL_EXAMPLE);
  }
  if (parsed.href !== `${parsed.origin}/`) {
    return report.invalid("holds more than an origin.", BASE_URL_EXAMPLE);
  }
  return { origin: parsed.origin, secure: parsed.protocol === "https:" };
};

/** Accepts paths on this origin, without query and fragment. */
export function localPath(example: string): Check<string> {
  return must("a path on this origin", isLocalPath, `Pass { path: "${example}" }, without a query.`);
}

function isLocalPath(value: unknown): value is string {
  return isString(value) && sanitizeReturnTo(value) === value && !/[?#]/.test(value);
}

/** How requests from other sites are treated. */
export interface CsrfOptions {
  /** Origins that may send requests, and read the answers; `https://*.example.com` stands for any one label. */
  readonly trustedOrigins?: readonly string[] | undefined;
  /**
   * Tells which wildcards stand for everybody's names: `(host) => getPublicSuffix(host, { allowPrivateDomains: true })` of the
   * package `tldts`. @defaultValue a short list of orgate's own
   */
  readonly publicSuffixOf?: PublicSuffixOf | undefined;
}

/** Accepts what a page shows as an image: a path on this origin, or an http(s) URL. */
export const imageUrl: Check<string> = must(
  "a path on this origin or an http(s) URL",
  (given): given is string => isString(given) && toRedirectTarget(given) === given && given !== "/",
  'Pass "/logo.svg".',
);

/** Accepts lists of exact origins, or of origins with `*` in place of one label. */
const trustedOrigins: Check<readonly string[]> = listWith(
  "origins",
  isOriginOrPattern,
  'List origins: "https://admin.example.com", or "https://*.example.com" for any one label.',
);

function isOriginOrPattern(value: unknown): value is string {
  if (!isString(value) || !/^https?:\/\//.test(value)) return false;
  const stars = value.split("*").length - 1;
  if (stars > 1 || (stars === 1 && !/^https?:\/\/\*\.[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?$/i.test(value))) {
    return false;
  }
  const sample = value.replace("*", "any");
  return URL.canParse(sample) && new URL(sample).origin === sample;
}

const CSRF_OPTIONS = schema<CsrfOptions>()({
  trustedOrigins: optional(trustedOrigins, []),
  publicSuffixOf: optional(functionLike<PublicSuffixOf>()),
});

/** Accepts `csrf`, and returns the trusted origins. A wildcard must not stand for names that everybody can register. */
export const csrfOptions: Check<readonly string[]> = (given, report) => {
  // Not an object: the list's own suggestion shows the whole form.
  if (!isObject(given)) return trustedOrigins(undefined, report.member("trustedOrigins"));
  const read = nested(CSRF_OPTIONS, "Pass { trustedOrigins: [...] }, or false.")(given, report);
  const { trustedOrigins: origins = [], publicSuffixOf } = read ?? {};
  const everybodys = origins.find((origin) => {
    const [, domain] = origin.split("*.", 2);
    return domain !== undefined && isPublicSuffix(domain.replace(/:\d+$/, ""), publicSuffixOf);
  });
  if (everybodys !== undefined) {
    const message = `trusts everybody: anybody can have a name like ${everybodys}.`;
    return report.member("trustedOrigins").invalid(message, 'Name your own domain: "https://*.example.com".');
  }
  return origins;
};

const isKeySource = (given: unknown): given is KeySource =>
  isObject(given) && typeof given["load"] === "function";
const notEmpty = { mayBeEmpty: false };

const TOKEN_CHECKS: Readonly<Record<string, Check<unknown>>> = {
  keys: must("a source of keys", isKeySource, "It has load(). See remoteKeys()."),
  issuers: listWith("strings", isString, "List every iss that is accepted."),
  algorithms: listWith("algorithms", isAlgorithm, `Known: ${ALGORITHMS.join(", ")}.`, notEmpty),
  types: listWith("strings", isString, 'List every typ that is accepted: "JWT".', notEmpty),
  sessionClaim: matching("the name of a claim", /^.+$/s, 'Pass "sid", say.'),
};
const audience = listWith("strings", isString, "List every aud that is accepted.", notEmpty);

/** Accepts session stores, by their shape. */
export const sessionStore: Check<SessionStore> = (given, report) => {
  const tokens = isObject(given) ? given["tokens"] : undefined;
  if (!isSessionStore(given) || !isObject(tokens)) {
    const message = `must be a SessionStore, but is ${describeValue(given)}.`;
    return report.invalid(message, "It has tokens, capabilities, interpret() and renew().");
  }
  const inTokens = report.member("tokens");
  for (const [name, check] of Object.entries(TOKEN_CHECKS)) check(tokens[name], inTokens.member(name));
  if (tokens["audience"] !== undefined) audience(tokens["audience"], inTokens.member("audience"));
  return given;
};

/** The functions' parameters cannot be checked, and the tokens are checked apart, each with a message of its own. */
function isSessionStore(given: unknown): given is SessionStore {
  return (
    isObject(given) &&
    isObject(given["capabilities"]) &&
    typeof given["interpret"] === "function" &&
    typeof given["renew"] === "function"
  );
}

/** The default of `attach`. */
export const DEFAULT_NAMES: AttachNames = Object.freeze({
  member: "member",
  organization: "organization",
  memberSession: "memberSession",
  verdict: "verdict",
});

/** Accepts `attach`: other names for some of the properties. */
export const attachNames: Check<AttachNames> = (given, report) => {
  if (!isObject(given)) {
    const message = `must be an object or false, but is ${describeValue(given)}.`;
    return report.invalid(message, 'Pass { organization: "tenant" }.');
  }
  report.problems.unknown(given, Object.keys(DEFAULT_NAMES), "attach.");
  const nameOf = (property: keyof AttachNames): unknown =>
    given[property] === undefined ? DEFAULT_NAMES[property] : given[property];
  const names = {
    member: nameOf("member"),
    organization: nameOf("organization"),
    memberSession: nameOf("memberSession"),
    verdict: nameOf("verdict"),
  };
  if (!areNames(names)) {
    return report.invalid("has a name that is not a property name.", "Use letters, digits and _.");
  }
  const values = Object.values(names);
  if (values.some(isReservedName)) {
    return report.invalid("has a name that the request needs itself.", "Choose another.");
  }
  if (new Set(values).size !== values.length) {
    return report.invalid("gives two properties one name.", "Each needs a name of its own.");
  }
  return Object.freeze(names);
};

function areNames(names: Readonly<Record<keyof AttachNames, unknown>>): names is AttachNames {
  return isListOf(Object.values(names), isPropertyName);
}

function isPropertyName(name: unknown): name is string {
  return isString(name) && /^[a-z_$][\w$]*$/i.test(name);
}

const NODE = `
  aborted addListener closed complete connection destroy destroyed emit errored eventNames getMaxListeners headers
  headersDistinct httpVersion httpVersionMajor httpVersionMinor isPaused joinDuplicateHeaders listenerCount listeners method
  off on once pause pipe prependListener prependOnceListener push rawHeaders rawListeners rawTrailers read readable
  readableAborted readableDidRead readableEnded readableEncoding readableFlowing readableHighWaterMark readableLength
  readableObjectMode removeAllListeners removeListener resume setEncoding setMaxListeners setTimeout socket statusCode
  statusMessage trailers trailersDistinct unpipe unshift upgrade url wrap
`;
const EXPRESS = `
  accepts acceptsCharsets acceptsEncodings acceptsLanguages app baseUrl body fresh get header host hostname ip ips is next
  originalUrl param params path protocol query range res route secure stale subdomains xhr
`;

const RESERVED_PROPERTIES: ReadonlySet<string> = new Set(`${NODE}${EXPRESS}`.trim().split(/\s+/));

/** Whether a request already has a property of this name that it needs. */
function isReservedName(name: string): boolean {
  return RESERVED_PROPERTIES.has(name) || name in Object.prototype;
}
