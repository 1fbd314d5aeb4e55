import { LIVE_API } from "./base-url.ts";

/** The last part is an older environment's, the one before a newer one's. */
const PATHS = ["user_management", "sso", "convex"];

/**
 * Every `iss` that WorkOS is known to put into the tokens of a client. Which one it is depends on the environment's age and
 * settings; that the key set is the client's own is what binds a token to it.
 */
export function listIssuers(clientId: string, more: readonly (string | undefined)[]): readonly string[] {
  const bases = [LIVE_API, ...more.filter((base) => base !== undefined)].map((base) =>
    base.replace(/\/+$/, ""),
  );
  const forms = bases.flatMap((base) => [
    base,
    `${base}/`,
    ...PATHS.map((path) => `${base}/${path}/${clientId}`),
  ]);
  return Object.freeze([...new Set(forms)]);
}
