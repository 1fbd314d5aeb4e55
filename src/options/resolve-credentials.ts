import type { CredentialSource } from "../pipeline/read-credential.ts";
import type { SessionStore } from "../stores/session-store.ts";
import { isOptionObject, type Problems } from "./problems.ts";
import { COOKIE_NAME, resolveCookie, type ResolvedCookie } from "./resolve-cookie.ts";

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
