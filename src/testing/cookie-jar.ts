import type { Clock } from "../lib/clock.ts";
import { type ReceivedCookie, readSetCookieLine } from "../lib/cookies.ts";

/**
 * Keeps the cookies that one browser has for one site.
 *
 * The site counts as an https site, whatever connection the test uses: `Secure`, `__Secure-` and `__Host-` cookies are kept
 * and sent. Cookies are kept by name, domain and path until they expire by the test's clock (RFC 6265 section 5.3). The jar
 * drops what a browser drops: a cookie that breaks the rules of its prefix, and one longer than 4,096 bytes.
 */
export interface CookieJar {
  /** Returns the value of a cookie; of several with one name, that of the longest path. */
  get(name: string): string | undefined;
  /** Sets a cookie for every path, as if the site had set it. */
  set(name: string, value: string): void;
  /** Deletes all cookies of a name. */
  delete(name: string): void;
  /** Deletes all cookies. */
  clear(): void;
  /** Returns the names of the cookies, each once. */
  names(): readonly string[];
  /** Returns the `Cookie` header for a URL of the site; `undefined` if no cookie matches. */
  header(url: string): string | undefined;
  /** Applies the `Set-Cookie` lines of a response. */
  receive(lines: readonly string[]): void;
  /** Returns an independent jar with the same cookies. */
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
  const cookie = readSetCookieLine(line);
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
function earnsPrefix({ name, secure, domain, path }: ReceivedCookie): boolean {
  if (/^__host-/i.test(name)) return secure === true && domain === undefined && path === "/";
  return secure === true || !/^__secure-/i.test(name);
}
