import { stringifySetCookie } from "cookie";

/** Attributes of a cookie of ours. */
export interface CookieAttributes {
  readonly domain?: string;
  readonly path: string;
  readonly sameSite: "lax" | "strict" | "none";
  readonly secure: boolean;
  readonly httpOnly: boolean;
}

// Browsers drop what is larger (RFC 6265 section 6.1); the whole line is counted, which is the strictest reading.
const MAX_LINE_LENGTH = 4_096;

/** One `Set-Cookie` line. Values are sent as they are: seals and tokens need no encoding. */
export function setCookieLine(
  name: string,
  value: string,
  attributes: CookieAttributes,
  maxAge: number | undefined,
): string {
  const { domain, ...rest } = attributes;
  return stringifySetCookie(
    {
      name,
      value,
      ...rest,
      ...(domain !== undefined && { domain }),
      ...(maxAge !== undefined && { maxAge }),
    },
    { encode: (text) => text },
  );
}

/** A `Set-Cookie` line that removes a cookie; its attributes must match those it was set with. */
export function clearCookieLine(name: string, attributes: CookieAttributes): string {
  const { domain, ...rest } = attributes;
  return stringifySetCookie(
    { name, value: "", ...rest, ...(domain !== undefined && { domain }), maxAge: 0, expires: new Date(0) },
    { encode: (text) => text },
  );
}

/** Lines that remove a cookie in every form it may have: host-only, and with each of the domains. */
export function clearEveryForm(
  name: string,
  attributes: CookieAttributes,
  domains: readonly string[],
): string[] {
  const { domain: _none, ...hostOnly } = attributes;
  // A `__Host-` cookie has no domain, and browsers ignore a line that gives it one.
  const shared = /^__host-/i.test(name) ? [] : domains;
  return [hostOnly, ...shared.map((domain) => ({ ...hostOnly, domain }))].map((form) =>
    clearCookieLine(name, form),
  );
}

/** The cookies, by name, that a long value is split into: `name.0`, `name.1`, ...; or `name` itself where it fits. */
export function splitIntoCookies(
  name: string,
  value: string,
  attributes: CookieAttributes,
  maxAge: number | undefined,
): Map<string, string> {
  const whole = setCookieLine(name, value, attributes, maxAge);
  if (whole.length <= MAX_LINE_LENGTH) return new Map([[name, whole]]);
  const overhead = setCookieLine(`${name}.00`, "", attributes, maxAge).length;
  const room = MAX_LINE_LENGTH - overhead;
  const lines = new Map<string, string>();
  for (let index = 0; index * room < value.length; index++) {
    const chunk = `${name}.${index}`;
    lines.set(chunk, setCookieLine(chunk, value.slice(index * room, (index + 1) * room), attributes, maxAge));
  }
  return lines;
}
