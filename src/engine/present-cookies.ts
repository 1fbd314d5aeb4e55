import { findCookie } from "../pipeline/find-cookie.ts";
import type { CredentialSource, Reading } from "../pipeline/read-credential.ts";

const NO_COOKIES: readonly string[] = [];

/**
 * Every cookie of the credential that a request presents, to be cleared with it. An unsealed JWT and the session token beside
 * it are one credential.
 */
export function presentCookies(
  reading: Reading,
  header: string | undefined,
  sources: readonly CredentialSource[],
): readonly string[] {
  if (reading.status === "none") return NO_COOKIES;
  const { cookieName, cookieNames } = reading.status === "found" ? reading.credential : reading;
  if (cookieName === undefined) return cookieNames;
  const isPaired = sources.some((source) => isUnsealed(source) && source.cookieName === cookieName);
  if (!isPaired) return cookieNames;
  return sources.flatMap((source) => (isUnsealed(source) ? findCookie(header, source.cookieName).names : []));
}

function isUnsealed(
  source: CredentialSource,
): source is Extract<CredentialSource, { kind: "jwt_cookie" | "opaque" }> {
  return source.kind === "jwt_cookie" || source.kind === "opaque";
}
