import { sanitizeReturnTo } from "./return-to.ts";

/**
 * Where a store or the application wants a browser to go, as it may stand in `Location`: a path on this origin, or an absolute
 * http(s) URL in its one spelling.
 *
 * @returns `undefined` for everything else; `javascript:` is an address too.
 */
export function toRedirectTarget(value: unknown): string | undefined {
  if (typeof value !== "string") return undefined;
  const path = sanitizeReturnTo(value);
  if (value === "/" || path !== "/") return path;
  return /^https?:\/\//i.test(value) && URL.canParse(value) ? new URL(value).href : undefined;
}
