import { type CookieAttributes, DEFAULT_SESSION_COOKIES } from "../lib/cookies.ts";
import {
  COOKIE_NAME,
  type Check,
  type Resolved,
  matching,
  oneOf,
  optional,
  schema,
  wholeNumber,
} from "../lib/options.ts";
import { GENERATE_PASSWORD, passwords } from "../lib/passwords.ts";
import { type Problems, describeValue } from "../lib/problems.ts";
import { isListOf, isObject, isString } from "../lib/values.ts";
import type { CredentialSource } from "../request/read-credential.ts";

/** Cookie passwords: one, several with the newest first, or several by number, of which the highest seals. Each of at least 32 characters, at most five. */
export type CookiePassword =
  | string
  | readonly (string | undefined)[]
  | Readonly<Record<number, string | undefined>>;

/** How the session cookie is made. */
export interface CookieOptions {
  /** Seals with the newest and opens with any. Required where cookies are read; `undefined` so that `process.env.X` compiles. */
  readonly password?: CookiePassword | undefined;
  /** @defaultValue the store's own; else `__Host-orgate` on https, `orgate` on http, `__Secure-orgate` with `domain` or a `path` */
  readonly name?: string | undefined;
  /** Shares the cookie with subdomains. @defaultValue host-only */
  readonly domain?: string | undefined;
  /** @defaultValue `/` */
  readonly path?: string | undefined;
  /** @defaultValue `lax` */
  readonly sameSite?: "lax" | "strict" | "none" | undefined;
  /** Seconds the browser keeps it. @defaultValue the session's lifetime, else 400 days */
  readonly maxAge?: number | undefined;
}

/**
 * A place to read a credential from. `jwtCookie` names a cookie that holds an unsealed JWT. The other fields are the attributes
 * with which the hosted service sets this cookie, and the opaque token's beside it: orgate writes and clears them alike.
 */
export type CredentialOption = "bearer" | "cookie" | JwtCookieOption;

/** A cookie that holds an unsealed JWT, and its attributes. */
export interface JwtCookieOption {
  readonly jwtCookie: string;
  /** Whether scripts cannot read it. @defaultValue `false`, because a hosted service's front end reads it */
  readonly httpOnly?: boolean | undefined;
  /** @defaultValue `cookie.domain` */
  readonly domain?: string | undefined;
  /** @defaultValue `cookie.path` */
  readonly path?: string | undefined;
  /** @defaultValue `cookie.sameSite` */
  readonly sameSite?: "lax" | "strict" | "none" | undefined;
}

const JWT_COOKIE_OPTIONS = ["jwtCookie", "httpOnly", "domain", "path", "sameSite"];
const SAME_SITE: readonly unknown[] = ["lax", "strict", "none"];

const DOMAIN = /^(?=.{1,253}$)(?:[a-z0-9-]+\.)*[a-z0-9-]+$/i;
/** Browsers ignore attributes of more than 1,024 characters (RFC 6265bis section 5.6). */
const PATH = /^\/[\u0020-\u003a\u003c-\u007e]{0,1023}$/;

/** How `cookie` is read. Defaults that depend on other options are filled in by {@link resolveCookie}. */
export const COOKIE_OPTIONS = schema<CookieOptions>()({
  password: optional(passwords),
  name: optional(matching("a cookie name", COOKIE_NAME, "Letters, digits, - and _ are safe.")),
  domain: optional(matching("a domain name", DOMAIN, 'Pass "example.com".')),
  path: optional(matching("a path", PATH, 'It starts with "/".')),
  sameSite: optional(oneOf("lax", "strict", "none")),
  maxAge: optional(wholeNumber({ min: 1 }, "34_560_000 is 400 days.")),
});

/** What the cookie depends on. */
export interface CookieContext {
  /** Empty if `baseUrl` has a problem. */
  readonly origin: string;
  readonly secure: boolean;
  /** The store's own cookie name. */
  readonly storeName: string | undefined;
  /** Whether sealed cookies are read at all. */
  readonly isRead: boolean;
}

/** Fills in the cookie's defaults and checks it against the other options. */
export function resolveCookie(
  cookie: Partial<Resolved<typeof COOKIE_OPTIONS>>,
  context: CookieContext,
  problems: Problems,
) {
  const { password, domain, path = "/", sameSite = "lax", maxAge } = cookie;
  const { origin, secure } = context;
  if (password === undefined && context.isRead && !problems.has("cookie.password")) {
    problems.missing("cookie.password", GENERATE_PASSWORD);
  }
  if (domain !== undefined && origin !== "") checkDomain(domain, new URL(origin).hostname, problems);
  if (sameSite === "none" && !secure) {
    problems.invalid(
      "cookie.sameSite",
      'is "none", which needs https.',
      "Browsers refuse it otherwise: use an https baseUrl.",
    );
  }
  const attributes = Object.freeze({
    path,
    sameSite,
    secure,
    httpOnly: true,
    ...(domain !== undefined && { domain }),
  });
  if (cookie.name !== undefined) checkName(cookie.name, attributes, problems);
  return {
    name: cookie.name ?? context.storeName ?? defaultName(attributes),
    attributes,
    maxAge,
    passwords: password,
  };
}

function checkDomain(domain: string, host: string, problems: Problems): void {
  if (`.${host}`.endsWith(`.${domain.toLowerCase()}`)) return;
  const suggestion = `Browsers refuse it otherwise: use ${host} or a domain above it.`;
  problems.invalid("cookie.domain", "does not contain the host of baseUrl.", suggestion);
}

function checkName(name: string, attributes: CookieAttributes, problems: Problems): void {
  const prefix = /^__(?:host|secure)-/i.exec(name)?.[0].toLowerCase();
  if (prefix !== undefined && !attributes.secure) {
    const suggestion = "Browsers refuse it otherwise: leave the name out.";
    problems.invalid("cookie.name", `starts with ${prefix}, which needs https.`, suggestion);
  }
  if (prefix === "__host-" && isShared(attributes)) {
    const message = "starts with __Host-, which allows neither domain nor path.";
    problems.invalid("cookie.name", message, 'Start it with "__Secure-".');
  }
}

function defaultName(attributes: CookieAttributes): string {
  const { host, shared, plain } = DEFAULT_SESSION_COOKIES;
  if (!attributes.secure) return plain;
  return isShared(attributes) ? shared : host;
}

function isShared({ domain, path }: CookieAttributes): boolean {
  return domain !== undefined || path !== "/";
}

/** Accepts `credentials`. */
export const credentials: Check<readonly CredentialOption[]> = (given, report) => {
  if (!isListOf(given, isCredentialOption) || given.length === 0) {
    return report.invalid(
      `must list which credentials are read, but is ${describeValue(given)}.`,
      'List "bearer", "cookie" or { jwtCookie: "name" }, in the order of their precedence.',
    );
  }
  for (const choice of given) {
    if (typeof choice === "object") report.problems.unknown(choice, JWT_COOKIE_OPTIONS, "credentials.");
  }
  const names = given.map((choice) =>
    typeof choice === "object" ? `jwtCookie ${choice.jwtCookie}` : choice,
  );
  return new Set(names).size === names.length
    ? given
    : report.invalid("lists one credential twice.", "List each once.");
};

function isMatch(given: unknown, pattern: RegExp): boolean {
  return isString(given) && pattern.test(given);
}

function isCredentialOption(value: unknown): value is CredentialOption {
  if (value === "bearer" || value === "cookie") return true;
  if (!isObject(value)) return false;
  const { jwtCookie, httpOnly, domain, path, sameSite } = value;
  return (
    isMatch(jwtCookie, COOKIE_NAME) &&
    (httpOnly === undefined || typeof httpOnly === "boolean") &&
    (domain === undefined || isMatch(domain, DOMAIN)) &&
    (path === undefined || isMatch(path, PATH)) &&
    (sameSite === undefined || SAME_SITE.includes(sameSite))
  );
}

/** Lists where credentials are looked for, in the order of their precedence. */
export function listSources(
  choices: readonly CredentialOption[],
  { name: cookieName, attributes }: { readonly name: string; readonly attributes: CookieAttributes },
  opaqueCookieName: string | undefined,
  problems: Problems,
): readonly CredentialSource[] {
  const sources = choices.map((choice): CredentialSource => {
    if (choice === "bearer") return { kind: "bearer" };
    return choice === "cookie"
      ? { kind: "sealed", cookieName }
      : {
          kind: "jwt_cookie",
          cookieName: choice.jwtCookie,
          attributes: attributesOfHosted(choice, attributes, problems),
        };
  });
  const hosted = sources.find((source) => source.kind === "jwt_cookie");
  if (opaqueCookieName !== undefined && hosted?.kind === "jwt_cookie") {
    const { attributes: shared = attributes } = hosted;
    sources.push({ kind: "opaque", cookieName: opaqueCookieName, attributes: shared });
  }
  const names = sources.flatMap((source) => ("cookieName" in source ? [source.cookieName] : []));
  if (new Set(names).size !== names.length) {
    problems.invalid("credentials", "reads one cookie in two ways.", "Give each a cookie of its own.");
  }
  return sources;
}

function attributesOfHosted(
  { jwtCookie, httpOnly = false, domain, path, sameSite }: JwtCookieOption,
  shared: CookieAttributes,
  problems: Problems,
): CookieAttributes {
  const attributes = {
    ...shared,
    httpOnly,
    ...(domain !== undefined && { domain }),
    ...(path !== undefined && { path }),
    ...(sameSite !== undefined && { sameSite }),
  };
  if (attributes.sameSite === "none" && !attributes.secure && shared.sameSite !== "none") {
    const suggestion = "Browsers refuse it otherwise: use an https baseUrl.";
    problems.invalid("credentials", `gives ${jwtCookie} sameSite "none", which needs https.`, suggestion);
  }
  return Object.freeze(attributes);
}
