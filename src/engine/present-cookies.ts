import type { IncomingMessage } from "node:http";
import { findCookie } from "../pipeline/find-cookie.ts";
import type { Credential, CredentialSource } from "../pipeline/read-credential.ts";

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
