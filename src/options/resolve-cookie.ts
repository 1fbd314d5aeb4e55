import type { CookieAttributes } from "../lib/cookies.ts";
import { type Problems, isOptionObject, isSeconds } from "../lib/problems.ts";
import type { SealPasswords } from "../lib/seal.ts";
import type { CredentialSource } from "../request/read-credential.ts";
import type { SessionStore } from "../store.ts";

const KNOWN = ["password", "name", "domain", "path", "sameSite", "maxAge"] as const;
const MIN_PASSWORD_LENGTH = 32;
const MAX_PASSWORDS = 5;
/** A cookie's name is an HTTP token (RFC 6265 section 4.1.1). */
export const COOKIE_NAME = /^[\w!#$%&'*+.^`|~-]{1,128}$/;
const DOMAIN = /^(?=.{1,253}$)(?:[a-z0-9-]+\.)*[a-z0-9-]+$/i;
/** Browsers ignore attributes of more than 1,024 characters (RFC 6265bis section 5.6). */
const PATH = /^\/[\u0020-\u003a\u003c-\u007e]{0,1023}$/;
const GENERATE = "Make one with: openssl rand -base64 32.";

/** The session cookie, resolved. */
export interface ResolvedCookie {
  readonly name: string;
  readonly attributes: CookieAttributes;
  readonly maxAge: number | undefined;
  readonly passwords: SealPasswords | undefined;
}

/** What the cookie's defaults depend on. */
export interface CookieContext {
  /** Empty where `baseUrl` is no good. */
  readonly origin: string;
  readonly secure: boolean;
  /** The store's own cookie name. */
  readonly storeName: string | undefined;
  /** Whether sealed cookies are read at all. */
  readonly required: boolean;
}

/** Validates `cookie` and fills in its defaults. */
export function resolveCookie(given: unknown, context: CookieContext, problems: Problems): ResolvedCookie {
  if (given !== undefined && !isOptionObject(given)) {
    problems.invalid("cookie", "is not an object.", "Pass { password: process.env.COOKIE_PASSWORD }.");
  }
  const cookie = isOptionObject(given) ? given : {};
  problems.unknown(cookie, KNOWN, "cookie.");
  const attributes = resolveAttributes(cookie, context, problems);
  const name = resolveName(cookie["name"], attributes, context, problems);
  const { maxAge } = cookie;
  if (maxAge !== undefined && !(isSeconds(maxAge) && Number.isInteger(maxAge) && maxAge > 0)) {
    problems.invalid("cookie.maxAge", "is not a whole number of seconds above 0.", "34_560_000 is 400 days.");
  }
  return {
    name,
    attributes,
    maxAge: typeof maxAge === "number" ? maxAge : undefined,
    passwords: resolvePasswords(cookie["password"], context.required, problems),
  };
}

function resolveAttributes(
  cookie: Record<string, unknown>,
  { origin, secure }: CookieContext,
  problems: Problems,
): CookieAttributes {
  const { path = "/", sameSite = "lax" } = cookie;
  const domain = resolveDomain(cookie["domain"], origin, problems);
  if (typeof path !== "string" || !PATH.test(path)) {
    problems.invalid("cookie.path", "is not a path.", 'It starts with "/".');
  }
  if (sameSite !== "lax" && sameSite !== "strict" && sameSite !== "none") {
    problems.invalid("cookie.sameSite", "is not known.", 'Use "lax", "strict" or "none".');
  }
  if (sameSite === "none" && !secure) {
    problems.invalid(
      "cookie.sameSite",
      '"none" needs https.',
      "Browsers refuse it otherwise: use an https baseUrl.",
    );
  }
  return Object.freeze({
    path: typeof path === "string" ? path : "/",
    sameSite: sameSite === "strict" || sameSite === "none" ? sameSite : "lax",
    secure,
    httpOnly: true,
    ...(domain !== undefined && { domain }),
  });
}

function resolveDomain(given: unknown, origin: string, problems: Problems): string | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== "string" || !DOMAIN.test(given)) {
    problems.invalid("cookie.domain", "is not a domain name.", 'Pass "example.com".');
    return undefined;
  }
  const host = origin === "" ? undefined : new URL(origin).hostname;
  if (host !== undefined && !`.${host}`.endsWith(`.${given.toLowerCase()}`)) {
    const suggestion = `Browsers refuse it otherwise: use ${host} or a domain above it.`;
    problems.invalid("cookie.domain", "does not hold baseUrl.", suggestion);
  }
  return given;
}

function resolveName(
  given: unknown,
  { domain, path }: CookieAttributes,
  { secure, storeName }: CookieContext,
  problems: Problems,
): string {
  const isShared = domain !== undefined || path !== "/";
  if (given === undefined) {
    if (storeName !== undefined) return storeName;
    if (!secure) return "orgate";
    return isShared ? "__Secure-orgate" : "__Host-orgate";
  }
  if (typeof given !== "string" || !COOKIE_NAME.test(given)) {
    problems.invalid("cookie.name", "is not a cookie name.", "Letters, digits, - and _ are safe.");
    return "orgate";
  }
  const prefix = /^__(?:host|secure)-/i.exec(given)?.[0].toLowerCase();
  if (prefix !== undefined && !secure) {
    problems.invalid(
      "cookie.name",
      `${prefix} needs https.`,
      "Browsers refuse it otherwise: leave the name out.",
    );
  }
  if (prefix === "__host-" && isShared) {
    problems.invalid("cookie.name", "__Host- allows neither domain nor path.", 'Start it with "__Secure-".');
  }
  return given;
}

function resolvePasswords(given: unknown, required: boolean, problems: Problems): SealPasswords | undefined {
  if (given === undefined || given === "") {
    if (required) problems.missing("cookie.password", GENERATE);
    return undefined;
  }
  const numbered = numberPasswords(given);
  if (numbered === undefined || numbered.length === 0) {
    const forms = "Pass a string, an array with the newest first, or { 2: newest, 1: older }.";
    problems.invalid("cookie.password", "is not a password.", forms);
    return undefined;
  }
  if (numbered.length > MAX_PASSWORDS) {
    problems.invalid("cookie.password", `lists more than ${MAX_PASSWORDS} passwords.`, "Drop the oldest.");
  }
  if (
    numbered.some(([, password]) => typeof password !== "string" || password.length < MIN_PASSWORD_LENGTH)
  ) {
    problems.invalid("cookie.password", `is shorter than ${MIN_PASSWORD_LENGTH} characters.`, GENERATE);
  }
  return Object.freeze(Object.fromEntries(numbered) as Record<number, string>);
}

function numberPasswords(given: unknown): [number, unknown][] | undefined {
  if (typeof given === "string") return [[1, given]];
  if (Array.isArray(given)) return given.map((password, index) => [given.length - index, password]);
  if (!isOptionObject(given)) return undefined;
  const entries = Object.entries(given).map(([id, password]): [number, unknown] => [Number(id), password]);
  return Object.keys(given).every((id) => /^[1-9]\d{0,8}$/.test(id)) ? entries : undefined;
}

/** One entry of `credentials`. */
export type CredentialChoice = "bearer" | "cookie" | { readonly jwtCookie: string };

/** Validates `credentials`. */
export function resolveCredentials(given: unknown, problems: Problems): readonly CredentialChoice[] {
  if (given === undefined) return ["bearer", "cookie"];
  if (!Array.isArray(given) || given.length === 0 || !given.every(isChoice)) {
    const forms = 'List "bearer", "cookie" or { jwtCookie: "name" }, in the order of their precedence.';
    problems.invalid("credentials", "does not say which credentials are read.", forms);
    return [];
  }
  for (const choice of given)
    if (typeof choice === "object") problems.unknown(choice, ["jwtCookie"], "credentials.");
  if (new Set(given.map((choice) => JSON.stringify(choice))).size !== given.length) {
    problems.invalid("credentials", "lists one credential twice.", "List each once.");
  }
  return given;
}

function isChoice(value: unknown): value is CredentialChoice {
  if (value === "bearer" || value === "cookie") return true;
  return (
    isOptionObject(value) && typeof value["jwtCookie"] === "string" && COOKIE_NAME.test(value["jwtCookie"])
  );
}

/** Resolves the session cookie, and the places where credentials are looked for, in the order of their precedence. */
export function resolveCookieAndSources(
  given: unknown,
  credentials: readonly CredentialChoice[],
  { store, ...origin }: { readonly origin: string; readonly secure: boolean; readonly store: SessionStore },
  problems: Problems,
): { readonly cookie: ResolvedCookie; readonly sources: readonly CredentialSource[] } {
  const profile = store.credential;
  const required = credentials.includes("cookie");
  const cookie = resolveCookie(given, { ...origin, storeName: profile?.cookieName, required }, problems);
  const sources = credentials.map((choice): CredentialSource => {
    if (choice === "bearer") return { kind: "bearer" };
    return choice === "cookie"
      ? { kind: "sealed", cookieName: cookie.name }
      : { kind: "jwt_cookie", cookieName: choice.jwtCookie };
  });
  const readsJwtCookie = sources.some(({ kind }) => kind === "jwt_cookie");
  if (profile?.opaqueCookieName !== undefined && readsJwtCookie) {
    sources.push({ kind: "opaque", cookieName: profile.opaqueCookieName });
  }
  const names = sources.flatMap((source) => ("cookieName" in source ? [source.cookieName] : []));
  if (new Set(names).size !== names.length) {
    problems.invalid("credentials", "reads one cookie in two ways.", "Give each a cookie of its own.");
  }
  return { cookie, sources };
}
