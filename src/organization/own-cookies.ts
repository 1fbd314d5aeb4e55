import type { Engine } from "../engine/engine.ts";
import type { CookieAttributes } from "../http/cookies.ts";

/** What our short-lived cookies are for. */
export type CookiePurpose = "pending" | "browser" | `sign-in-${string}`;

/** The name of a short-lived cookie of ours: bound to the host wherever browsers can hold us to it. */
export function ownCookieName({ secure }: Pick<Engine["options"], "secure">, purpose: CookiePurpose): string {
  return secure ? `__Host-orgate-${purpose}` : `orgate-${purpose}`;
}

/** Its attributes. Never the session cookie's: it is not shared with subdomains, and it must come back from another site's redirect. */
export function ownCookieAttributes({ secure }: Pick<Engine["options"], "secure">): CookieAttributes {
  return { path: "/", sameSite: "lax", secure, httpOnly: true };
}
