import type { IncomingMessage, Server, ServerResponse } from "node:http";
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
  const [pair = "", ...rest] = line.split(";").map((part) => part.trim());
  const attributes = new Map(rest.map(splitPair).map(([name, value]) => [name.toLowerCase(), value]));
  const [name, value] = splitPair(pair);
  const isTooLong = name.length + value.length > MAX_PAIR_LENGTH;
  if (!pair.includes("=") || name === "" || isTooLong || !earnsPrefix(name, attributes)) return undefined;
  const path = attributes.get("path") ?? "/";
  return {
    name,
    value,
    domain: attributes.get("domain")?.toLowerCase().replace(/^\./, "") ?? "",
    path: path.startsWith("/") ? path : "/",
    expiresAt: readExpiry(attributes, now),
  };
}

/** `Max-Age` goes before `Expires`; neither: as long as the browser is open. */
function readExpiry(attributes: ReadonlyMap<string, string>, now: number): number {
  const maxAge = attributes.get("max-age");
  if (maxAge !== undefined && /^-?\d+$/.test(maxAge)) return now + Number(maxAge);
  const expires = Date.parse(attributes.get("expires") ?? "");
  return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires / 1000;
}

/** RFC 6265bis section 4.1.3. */
function earnsPrefix(name: string, attributes: ReadonlyMap<string, string>): boolean {
  const prefix = /^__(?:host|secure)-/i.exec(name)?.[0].toLowerCase();
  if (prefix === undefined) return true;
  if (!attributes.has("secure")) return false;
  return prefix === "__secure-" || (!attributes.has("domain") && attributes.get("path") === "/");
}

function splitPair(text: string): [name: string, value: string] {
  const at = text.indexOf("=");
  return at === -1 ? [text.trim(), ""] : [text.slice(0, at).trim(), text.slice(at + 1).trim()];
}

/** What requests are sent to: an Express or Connect application, a `node:http` listener, a server, or its address. */
export type TestTarget = ((request: IncomingMessage, response: ServerResponse) => void) | Server | string;

/** What an agent needs of a request that is being made; supertest's `Test` is one. */
export interface TestRequest {
  set(field: string, value: string): unknown;
  on(event: "response", listener: (response: TestResponse) => void): unknown;
}

/** What an agent reads of an answer. */
export interface TestResponse {
  readonly status: number;
  /** By name in lower case; `set-cookie` is a list. */
  readonly headers: object;
}

const METHODS = ["get", "head", "options", "post", "put", "patch", "delete"] as const;

/** The methods of an agent. */
export type TestMethod = (typeof METHODS)[number];

/** supertest's own function, or any that makes requests in its way: `request(app).get("/documents")`. */
export type RequestFunction<Request> = (
  target: TestTarget,
) => Readonly<Record<TestMethod, (url: string) => Request>>;

/**
 * A browser, or an API client: its requests are the ones that your `request` function makes, with the agent's cookies or
 * access token on them, and it takes up what the answers set.
 */
export interface TestAgent<Request> extends Readonly<Record<TestMethod, (url: string) => Request>> {
  /** Its cookies; empty for an API client. */
  readonly cookies: CookieJar;
  /** Its access token; `undefined` for a browser. Renewed from the `Session-Jwt` header of the answers. */
  readonly accessToken: string | undefined;
  /** Another agent with the same credentials, which goes its own way from here: a second tab of long ago, or a thief. */
  copy(): TestAgent<Request>;
}

/** What an agent is made of. */
export interface AgentInit<Request> {
  readonly request: RequestFunction<Request>;
  readonly target: TestTarget;
  readonly cookies: CookieJar;
  readonly accessToken?: string | undefined;
}

/** Makes an agent. */
export function createAgent<Request extends TestRequest>(init: AgentInit<Request>): TestAgent<Request> {
  const { request, target, cookies } = init;
  let { accessToken } = init;

  const receive = ({ headers }: TestResponse): void => {
    const received = new Map<string, unknown>(Object.entries(headers));
    const lines = received.get("set-cookie");
    if (Array.isArray(lines)) cookies.receive(lines.map(String));
    const renewed = received.get("session-jwt");
    if (accessToken !== undefined && typeof renewed === "string") accessToken = renewed;
  };
  const send = (method: TestMethod, url: string): Request => {
    const sent = request(target)[method](url);
    const header = cookies.header(url);
    if (header !== undefined) sent.set("Cookie", header);
    if (accessToken !== undefined) sent.set("Authorization", `Bearer ${accessToken}`);
    sent.on("response", receive);
    return sent;
  };

  const methods = METHODS.map((method) => [method, (url: string) => send(method, url)]);
  return Object.freeze({
    ...(Object.fromEntries(methods) as Record<TestMethod, (url: string) => Request>),
    cookies,
    get accessToken() {
      return accessToken;
    },
    copy: () => createAgent({ ...init, cookies: cookies.copy(), accessToken }),
  });
}

/** An agent without any credentials. */
export function createVisitor<Request extends TestRequest>(
  request: RequestFunction<Request>,
  target: TestTarget,
  clock: Clock,
): TestAgent<Request> {
  return createAgent({ request, target, cookies: createCookieJar(clock) });
}
