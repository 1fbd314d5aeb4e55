const MAX_LENGTH = 2_048;
const PATH_ABSOLUTE = /^\/(?![/\\])/;
const FORBIDDEN = /[\\\p{Cc}]/u;
const NOWHERE = "http://return-to.invalid";

/**
 * A path on this very origin, or `/`.
 *
 * The value is parsed as a browser would (WHATWG URL) and the *parsed* value is given back, because `//evil.example`,
 * `/\evil.example` and `/.//evil.example` all leave the origin when a browser reads them.
 */
export function sanitizeReturnTo(value: unknown): string {
  if (typeof value !== "string" || value.length > MAX_LENGTH) return "/";
  if (!PATH_ABSOLUTE.test(value) || FORBIDDEN.test(value)) return "/";
  if (!URL.canParse(value, NOWHERE)) return "/";
  const parsed = new URL(value, NOWHERE);
  if (parsed.origin !== NOWHERE) return "/";
  const path = `${parsed.pathname}${parsed.search}${parsed.hash}`;
  return PATH_ABSOLUTE.test(path) && path.length <= MAX_LENGTH ? path : "/";
}
