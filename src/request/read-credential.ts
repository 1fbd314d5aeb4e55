import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { findCookie } from "../lib/cookies.ts";
import { MAX_TOKEN_LENGTH } from "../tokens/verify-token.ts";

const MAX_COOKIE_LENGTH = 12_288;

/** One place where a credential may be. */
export type CredentialSource =
  | { readonly kind: "bearer" }
  | { readonly kind: "sealed"; readonly cookieName: string }
  | { readonly kind: "jwt_cookie"; readonly cookieName: string }
  | { readonly kind: "opaque"; readonly cookieName: string };

/** A credential as it was presented. */
export interface Credential {
  readonly kind: CredentialSource["kind"];
  readonly value: string;
  /** The cookie it came from, and every form of it that is present; empty for a bearer. */
  readonly cookieName?: string | undefined;
  readonly cookieNames: readonly string[];
  /** What caches call it: made when first asked for. */
  key?: string | undefined;
}

/** What a request presents. */
export type Reading =
  | { readonly status: "none" }
  | { readonly status: "found"; readonly credential: Credential }
  | {
      readonly status: "rejected";
      readonly code: "ambiguous_credential" | "invalid_token" | "invalid_session";
      readonly via: "bearer" | "cookie";
      readonly cookieName?: string;
      readonly cookieNames: readonly string[];
    };

/** The part of a request that holds credentials. */
export interface RequestHead {
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
}

const NONE: Reading = { status: "none" };
const NO_COOKIES: readonly string[] = [];
// The scheme is a whole token (RFC 9110 section 5.6.2): "Bearerish" is another one, "Bearer" before a tab or comma is ours and bad.
const BEARER = /^bearer(?![\w!#$%&'*+.^`|~-]) */i;

/**
 * Reads the one credential of a request: the first source that is present decides alone, without falling back.
 *
 * Only headers are read, never the query or the body (RFC 6750 section 2.3).
 */
export function readCredential(request: RequestHead, sources: readonly CredentialSource[]): Reading {
  for (const source of sources) {
    const reading =
      source.kind === "bearer" ? readBearer(request) : readCookie(request.headers.cookie, source);
    if (reading.status !== "none") return reading;
  }
  return NONE;
}

function readBearer({ headers, rawHeaders }: RequestHead): Reading {
  const header = headers.authorization;
  if (header === undefined) return NONE;
  if (hasSecondLine(rawHeaders)) {
    return anyBearer(rawHeaders) ? rejectBearer("ambiguous_credential") : NONE;
  }
  const value = stripScheme(header);
  if (value === undefined) return NONE;
  if (value === "" || value.length > MAX_TOKEN_LENGTH) return rejectBearer("invalid_token");
  return {
    status: "found",
    credential: { kind: "bearer", value, cookieName: undefined, cookieNames: NO_COOKIES, key: undefined },
  };
}

/** What follows `Bearer`; `undefined` for any other scheme. */
function stripScheme(header: string): string | undefined {
  // The usual spelling needs no pattern.
  if (header.startsWith("Bearer ") && header[7] !== " ") return header.slice(7);
  const scheme = BEARER.exec(header);
  return scheme === null ? undefined : header.slice(scheme[0].length);
}

function rejectBearer(code: "ambiguous_credential" | "invalid_token"): Reading {
  return { status: "rejected", code, via: "bearer", cookieNames: NO_COOKIES };
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
  if (found.status === "absent") return NONE;
  const { names: cookieNames } = found;
  if (found.status === "ambiguous") {
    return { status: "rejected", code: "ambiguous_credential", via: "cookie", cookieName, cookieNames };
  }
  const limit = kind === "sealed" ? MAX_COOKIE_LENGTH : MAX_TOKEN_LENGTH;
  if (found.value.length > limit) {
    return { status: "rejected", code: "invalid_session", via: "cookie", cookieName, cookieNames };
  }
  return {
    status: "found",
    credential: { kind, value: found.value, cookieName, cookieNames, key: undefined },
  };
}

/** The cookies under one name that a credential came in. */
export type Presented = Pick<Credential, "cookieName" | "cookieNames">;

/**
 * Every cookie of the credential that a request presents, to be cleared with it. An unsealed JWT and the session token beside
 * it are one credential.
 */
export function presentCookies(
  request: Pick<IncomingMessage, "headers">,
  { cookieName, cookieNames }: Presented,
  sources: readonly CredentialSource[],
): readonly string[] {
  const isPaired = sources.some((source) => isUnsealed(source) && source.cookieName === cookieName);
  if (!isPaired) return cookieNames;
  const header = request.headers.cookie;
  return sources.flatMap((source) => (isUnsealed(source) ? findCookie(header, source.cookieName).names : []));
}

function isUnsealed(
  source: CredentialSource,
): source is Extract<CredentialSource, { kind: "jwt_cookie" | "opaque" }> {
  return source.kind === "jwt_cookie" || source.kind === "opaque";
}
