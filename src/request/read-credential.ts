import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type CookieAttributes, findCookie } from "../lib/cookies.ts";
import { MAX_SEAL_LENGTH, isWellFormedSeal } from "../lib/crypto.ts";
import { MAX_TOKEN_LENGTH } from "../tokens/verify-token.ts";

/** One place where a credential may be. */
export type CredentialSource =
  | { readonly kind: "bearer" }
  | { readonly kind: "sealed"; readonly cookieName: string }
  | {
      readonly kind: "jwt_cookie" | "opaque";
      readonly cookieName: string;
      /** @defaultValue those of the session cookie, readable by scripts */
      readonly attributes?: CookieAttributes;
    };

/** A credential as the client sent it. */
export interface Credential {
  readonly kind: CredentialSource["kind"];
  readonly value: string;
  /** The cookie it came from; absent for a bearer. */
  readonly cookieName?: string | undefined;
  /** The cookie and its chunks, as far as they were sent. */
  readonly cookieNames: readonly string[];
  /** Its cache key, once it was made. */
  key?: string | undefined;
}

/** What reading the credential of a request came to. */
export type Reading =
  | { readonly status: "none" }
  | {
      readonly status: "found";
      readonly credential: Credential;
      /** Present where several cookies of one name differ: verification decides which of them counts. */
      readonly candidates?: Candidates;
    }
  | {
      readonly status: "rejected";
      readonly code: "ambiguous_credential" | "invalid_token" | "invalid_session";
      readonly via: "bearer" | "cookie";
      readonly reason: string;
      readonly cookieName?: string;
      readonly cookieNames: readonly string[];
    };

/** Credentials of one cookie name that a request carries beside each other. */
export interface Candidates {
  /** Those that have the form of a credential. Not empty. */
  readonly credentials: readonly Credential[];
  /** Whether other values of the name, which have no such form, were left out. */
  readonly leftOut: boolean;
}

/** The part of a request that holds credentials. */
export interface RequestHead {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

const NO_CREDENTIAL: Reading = { status: "none" };
const NO_COOKIES: readonly string[] = [];
// The scheme is a whole token (RFC 9110 section 5.6.2): "Bearerish" is another scheme; "Bearer" before a tab or comma is a bad bearer.
const BEARER = /^bearer(?![\w!#$%&'*+.^`|~-]) */i;

/** More well-formed seals under one name are not tried. */
const MAX_CANDIDATES = 4;
/** The compact form of a JWT (RFC 7515 section 7.1). */
export const COMPACT_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Reads the one credential of a request. The first source that is present decides alone, but an opaque token beside a JWT is
 * read where the JWT cannot be one.
 *
 * Only headers are read, never the query or the body (RFC 6750 section 2.3).
 */
export function readCredential(request: RequestHead, sources: readonly CredentialSource[]): Reading {
  for (const source of sources) {
    const reading =
      source.kind === "bearer" ? readBearer(request) : readCookie(request.headers.cookie, source);
    if (reading.status === "none") continue;
    if (reading.status === "rejected" && source.kind === "jwt_cookie") {
      const beside = readOpaqueBeside(request, sources);
      return beside === undefined ? reading : { status: "found", credential: beside };
    }
    return reading;
  }
  return NO_CREDENTIAL;
}

/** The opaque token that a request carries beside an unsealed JWT, if it carries one and no other. */
export function readOpaqueBeside(
  request: Pick<RequestHead, "headers">,
  sources: readonly CredentialSource[],
): Credential | undefined {
  for (const source of sources) {
    if (source.kind !== "opaque") continue;
    const reading = readCookie(request.headers.cookie, source);
    return reading.status === "found" ? reading.credential : undefined;
  }
  return undefined;
}

/** Every cookie of a session's name, whatever decides who is asking. A sign-in, switch or sign-out replaces them all. */
export function sessionCookies(
  request: Pick<RequestHead, "headers">,
  sources: readonly CredentialSource[],
): readonly Credential[] {
  return sources.flatMap((source) => {
    if (source.kind === "bearer") return [];
    const found = findCookie(request.headers.cookie, source.cookieName);
    if (found.status === "absent") return [];
    const values = found.status === "found" ? [found.value] : found.values;
    return toCredentials(source, values, found.names);
  });
}

function readBearer({ headers, rawHeaders }: RequestHead): Reading {
  const header = headers.authorization;
  if (header === undefined) return NO_CREDENTIAL;
  if (hasSecondLine(rawHeaders)) {
    return anyBearer(rawHeaders)
      ? rejectBearer("ambiguous_credential", "two_authorization_headers")
      : NO_CREDENTIAL;
  }
  const value = stripScheme(header);
  if (value === undefined) return NO_CREDENTIAL;
  if (value === "") return rejectBearer("invalid_token", "bearer_empty");
  if (value.length > MAX_TOKEN_LENGTH) return rejectBearer("invalid_token", "malformed_size");
  return {
    status: "found",
    credential: { kind: "bearer", value, cookieName: undefined, cookieNames: NO_COOKIES, key: undefined },
  };
}

/** What follows `Bearer`; `undefined` for any other scheme. */
function stripScheme(header: string): string | undefined {
  // Fast path for the usual spelling.
  if (header.startsWith("Bearer ") && header[7] !== " ") return header.slice(7);
  const scheme = BEARER.exec(header);
  return scheme === null ? undefined : header.slice(scheme[0].length);
}

function rejectBearer(code: "ambiguous_credential" | "invalid_token", reason: string): Reading {
  return { status: "rejected", code, reason, via: "bearer", cookieNames: NO_COOKIES };
}

// Node keeps the first of two Authorization lines and drops the other silently.
function hasSecondLine(rawHeaders: readonly string[]): boolean {
  let lines = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (isAuthorization(rawHeaders[index])) lines++;
  }
  return lines > 1;
}

function anyBearer(rawHeaders: readonly string[]): boolean {
  return rawHeaders.some(
    (value, index) => index % 2 === 1 && isAuthorization(rawHeaders[index - 1]) && BEARER.test(value),
  );
}

function isAuthorization(name: string | undefined): boolean {
  return name === "Authorization" || (name?.length === 13 && name.toLowerCase() === "authorization");
}

function readCookie(
  header: string | undefined,
  source: Extract<CredentialSource, { cookieName: string }>,
): Reading {
  const { kind, cookieName } = source;
  const found = findCookie(header, cookieName);
  if (found.status === "absent") return NO_CREDENTIAL;
  const { names: cookieNames } = found;
  const limit = kind === "sealed" ? MAX_SEAL_LENGTH : MAX_TOKEN_LENGTH;
  const reject = (code: "ambiguous_credential" | "invalid_session", reason: string): Reading => ({
    status: "rejected",
    code,
    reason,
    via: "cookie",
    cookieName,
    cookieNames,
  });
  if (found.status === "found") {
    if (found.value.length > limit) return reject("invalid_session", "cookie_too_long");
    return {
      status: "found",
      credential: { kind, value: found.value, cookieName, cookieNames, key: undefined },
    };
  }
  // An opaque token has no form, and only the store can tell which of two is good.
  if (kind === "opaque") return reject("ambiguous_credential", "two_sessions");
  const isWellFormed = kind === "sealed" ? isWellFormedSeal : (value: string) => COMPACT_FORM.test(value);
  const legible = found.values.filter((value) => value.length <= limit);
  if (legible.length === 0) return reject("invalid_session", "cookie_too_long");
  const values = legible.filter(isWellFormed);
  if (values.length > MAX_CANDIDATES) return reject("ambiguous_credential", "too_many_candidates");
  const credentials = toCredentials(source, values, cookieNames);
  const [credential] = credentials;
  if (credential === undefined) return reject("invalid_session", "cookies_malformed");
  const leftOut = values.length < found.values.length;
  return { status: "found", credential, candidates: { credentials, leftOut } };
}

function toCredentials(
  { kind, cookieName }: Extract<CredentialSource, { cookieName: string }>,
  values: readonly string[],
  cookieNames: readonly string[],
): Credential[] {
  return values.map((value) => ({ kind, value, cookieName, cookieNames, key: undefined }));
}

/** The cookie that a credential came in. */
export type CookieOfCredential = Pick<Credential, "cookieName" | "cookieNames">;

/**
 * Lists the cookies that must be cleared with a credential, as far as the request sent them. An unsealed JWT and the opaque
 * token beside it are one credential.
 */
export function existingCookies(
  request: Pick<IncomingMessage, "headers">,
  { cookieName, cookieNames }: CookieOfCredential,
  sources: readonly CredentialSource[],
): readonly string[] {
  const pair = sources.flatMap((source) =>
    source.kind === "jwt_cookie" || source.kind === "opaque" ? [source.cookieName] : [],
  );
  if (cookieName === undefined || !pair.includes(cookieName)) return cookieNames;
  return pair.flatMap((name) => findCookie(request.headers.cookie, name).names);
}

/** What a cross-site check is made of. */
export interface CrossSiteOptions {
  /** The application's own origin. */
  readonly origin: string;
  /** Further origins; one `*` may stand for one label. */
  readonly trustedOrigins: readonly string[];
}

const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Whether the method promises to change nothing (RFC 9110 section 9.2.1), and no protocol is switched. */
export function isSafeMethod(request: IncomingMessage): boolean {
  return SAFE_METHODS.has(request.method) && request.headers.upgrade === undefined;
}

/** Which header shows that another site made the browser send a request, and what it says. */
export type CrossSiteReason =
  | "fetch_site_cross_site"
  | "fetch_site_same_site"
  | "fetch_site_unknown"
  | "origin_foreign"
  | "origin_null";

/** Knows the origins that may send requests, and read the answers. */
export interface OriginCheck {
  /**
   * Tells how it shows that another site made the browser send this; `undefined` where none did. Ask it where
   * {@link isSafeMethod} says no.
   */
  crossSiteReason(request: IncomingMessage): CrossSiteReason | undefined;
  /** Whether the origin is one of `trustedOrigins`. */
  isTrusted(origin: string): boolean;
}

/** Makes the check: the algorithm of Go's `http.CrossOriginProtection`, with `baseUrl` in place of the `Host` header. */
export function createOriginCheck(options: CrossSiteOptions): OriginCheck {
  const exact = new Set(options.trustedOrigins.filter((origin) => !origin.includes("*")));
  const patterns = options.trustedOrigins.filter((origin) => origin.includes("*")).map(toPattern);
  const isTrusted = (origin: string): boolean =>
    exact.has(origin) || patterns.some((pattern) => pattern.test(origin));

  return {
    isTrusted,
    crossSiteReason({ headers }) {
      const site = headers["sec-fetch-site"];
      const { origin } = headers;
      if (site === "same-origin" || site === "none") return undefined;
      if (origin !== undefined && isTrusted(origin)) return undefined;
      // A sandboxed frame, a `file:` page or a referrer policy makes it null: whose page it is cannot be known.
      if (origin === "null") return "origin_null";
      if (site !== undefined) return FETCH_SITE_REASONS.get(site) ?? "fetch_site_unknown";
      return origin === undefined || origin === options.origin ? undefined : "origin_foreign";
    },
  };
}

const FETCH_SITE_REASONS: ReadonlyMap<string | readonly string[], CrossSiteReason> = new Map([
  ["cross-site", "fetch_site_cross_site"],
  ["same-site", "fetch_site_same_site"],
]);

function toPattern(origin: string): RegExp {
  const [before = "", after = ""] = origin
    .split("*")
    .map((part) => part.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`));
  return new RegExp(`^${before}[a-z0-9-]+${after}$`, "i");
}
