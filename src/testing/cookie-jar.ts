import { type SetCookie, parseSetCookie } from "cookie";
import type { Clock } from "../lib/clock.ts";

/**
 * The cookies of one browser, for one site that it reaches over https, whatever the test's own connection is: `Secure`,
 * `__Secure-` and `__Host-` cookies are kept and sent.
 *
 * Kept by name, domain and path, until `Max-Age` or `Expires` is over by the test's clock (RFC 6265 section 5.3). What a
 * browser drops is dropped: a prefix that is not earned, a name and value of more than 4,096 bytes together.
 */
export interface CookieJar {
  /** The value of a cookie, or `undefined`; of those under one name the one with the longest path. */
  get(name: string): string | undefined;
  /** Puts a cookie there as if the site had set it, for every path. */
  set(name: string, value: string): void;
  /** Forgets a cookie in all its forms. */
  delete(name: string): void;
  /** Forgets every cookie. */
  clear(): void;
  /** The names that are there, each once. */
  names(): readonly string[];
  /** The `Cookie` header for a URL of the site; `undefined` if nothing matches. */
  header(url: string): string | undefined;
  /** Takes in the `Set-Cookie` lines of an answer. */
  receive(lines: readonly string[]): void;
  /** Another jar with the same cookies, which goes its own way from here. */
  copy(): CookieJar;
}

interface StoredCookie {
  readonly name: string;
  readonly value: string;
  readonly domain: string;
  readonly path: string;
  readonly expiresAt: number;
}

/** RFC 6265bis section 5.7, step 5. */
const MAX_PAIR_LENGTH = 4_096;

/**
 * Makes an empty jar.
 *
 * @param clock - the time by which cookies expire
 */
export function createCookieJar(clock: Clock, given: Iterable<StoredCookie> = []): CookieJar {
  const cookies = new Map([...given].map((cookie) => [keyOf(cookie), cookie]));
  const live = (): StoredCookie[] =>
    [...cookies.values()]
      .filter(({ expiresAt }) => expiresAt > clock())
      .toSorted((a, b) => b.path.length - a.path.length);
  const put = (cookie: StoredCookie): void => {
    if (cookie.expiresAt > clock()) cookies.set(keyOf(cookie), cookie);
    else cookies.delete(keyOf(cookie));
  };
  return {
    get: (name) => live().find((cookie) => cookie.name === name)?.value,
    set: (name, value) => put({ name, value, domain: "", path: "/", expiresAt: Number.POSITIVE_INFINITY }),
    delete(name) {
      for (const [key, cookie] of cookies) if (cookie.name === name) cookies.delete(key);
    },
    clear: () => cookies.clear(),
    names: () => [...new Set(live().map(({ name }) => name))],
    header(url) {
      const path = url.split(/[?#]/, 1)[0] ?? "/";
      const pairs = live()
        .filter((cookie) => matchesPath(cookie.path, path))
        .map(({ name, value }) => `${name}=${value}`);
      return pairs.length === 0 ? undefined : pairs.join("; ");
    },
    receive(lines) {
      for (const cookie of lines.map((line) => readSetCookie(line, clock()))) {
        if (cookie !== undefined) put(cookie);
      }
    },
    copy: () => createCookieJar(clock, live()),
  };
}

function keyOf({ name, domain, path }: StoredCookie): string {
  return [name, domain, path].join("\n");
}

/** RFC 6265 section 5.1.4. */
function matchesPath(cookiePath: string, path: string): boolean {
  if (!path.startsWith(cookiePath)) return false;
  return cookiePath.endsWith("/") || path.length === cookiePath.length || path[cookiePath.length] === "/";
}

function readSetCookie(line: string, now: number): StoredCookie | undefined {
  const cookie = parseSetCookie(line, { decode: (value) => value });
  const { name, value = "", domain = "", path = "", maxAge, expires } = cookie;
  if (name === "" || name.length + value.length > MAX_PAIR_LENGTH || !earnsPrefix(cookie)) return undefined;
  // `Max-Age` goes before `Expires`; with neither a cookie lasts as long as the browser is open.
  const lifetime =
    maxAge ?? (expires === undefined ? Number.POSITIVE_INFINITY : expires.getTime() / 1000 - now);
  return {
    name,
    value,
    domain: domain.toLowerCase().replace(/^\./, ""),
    path: path.startsWith("/") ? path : "/",
    expiresAt: now + lifetime,
  };
}

/** RFC 6265bis section 4.1.3. */
function earnsPrefix({ name, secure, domain, path }: SetCookie): boolean {
  if (/^__host-/i.test(name)) return secure === true && domain === undefined && path === "/";
  return secure === true || !/^__secure-/i.test(name);
}
