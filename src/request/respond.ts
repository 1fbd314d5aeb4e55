import {
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
  maxHeaderSize,
} from "node:http";
import {
  type CookieAttributes,
  type CookiePlace,
  DEFAULT_SESSION_COOKIES,
  MAX_COOKIE_LINE_LENGTH,
  clearCookieLine,
  clearPlaceLine,
  configuredPlaces,
  findCookie,
  lengthInRequest,
  listCookies,
  setCookieLine,
  splitIntoCookies,
  surroundingPlaces,
} from "../lib/cookies.ts";
import { MAX_SEAL_LENGTH } from "../lib/crypto.ts";
import { NO_STORE, pathOf } from "../lib/http.ts";
import { isFunction, isObject } from "../lib/values.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Instance } from "./instance.ts";
import { type CookieOfCredential, type Credential, existingCookies } from "./read-credential.ts";
import {
  type RequestAuth,
  type Resolution,
  type Successor,
  installRequestGetters,
  latestRequestAuthOf,
  reportMisconfigured,
} from "./request-auth.ts";
import { isClearingOvertaken, isRenewalOvertaken } from "./supersede.ts";

/** Seconds that browsers keep a cookie at most (RFC 6265bis section 5.5). */
export const MAX_COOKIE_AGE = 34_560_000;

/**
 * Characters that orgate's cookies may take of a request's head: half of what Node accepts, because the application has cookies
 * and headers too. A browser with more cannot be answered at all (431).
 */
const MAX_COOKIES_LENGTH = Math.floor(maxHeaderSize / 2) - 1;

/** Applies what came of a request's credential: who is asking, and what goes out with the answer. */
export function applyResolution(
  instance: Instance,
  auth: RequestAuth,
  resolution: Resolution,
  request: IncomingMessage,
): void {
  if (resolution.status === "authenticated") {
    auth.authenticated(resolution.session, resolution.source);
  } else {
    auth.refused(resolution.state);
    if (resolution.clearsCookie && auth.credential !== undefined) {
      const { state } = resolution;
      const everywhere = auth.areAllOurs && state.status === "rejected" && state.code === "session_revoked";
      clearCredentialCookies(instance, { auth, request, presented: auth.credential, everywhere });
    }
  }
  const { successor } = resolution;
  if (successor === undefined || auth.isClosed) return;
  const { session } = auth;
  const isOvertaken = (): boolean => isRenewalOvertaken(instance, { auth, request }, { session, successor });
  if (!isOvertaken()) sendCredential(instance, { auth, request, session, isOvertaken }, successor);
}

/** Where a credential goes. */
export interface Delivery {
  readonly auth: RequestAuth;
  readonly request: IncomingMessage;
  readonly session: VerifiedSession | undefined;
  /** How the client sends it from now on. @defaultValue as the request's own credential */
  readonly target?: Pick<Credential, "kind" | "cookieName">;
  /** Asked when the head is written: whether another answer to the same browser came first. Absent for that answer itself. */
  readonly isOvertaken?: (() => boolean) | undefined;
}

/** Puts a credential on the response. Ask {@link fitsIntoCookies} first where it is a new one. */
export function sendCredential(instance: Instance, delivery: Delivery, successor: Successor): void {
  const { auth, request, target = auth.credential, isOvertaken } = delivery;
  if (target?.kind === "bearer") {
    auth.queueHeader("Session-Jwt", successor.accessToken, isOvertaken);
    const { origin } = request.headers;
    if (origin !== undefined && instance.origins.isTrusted(origin)) {
      auth.queueHeader(EXPOSED, "Session-Jwt", isOvertaken);
    } else if (origin !== undefined && origin !== instance.options.origin) {
      reportMisconfigured(instance.events, { reason: "session_jwt_unreadable" });
    }
  } else if (target?.kind === "sealed") {
    const { cookieValue } = successor;
    if (cookieValue !== undefined) {
      reportUnkeptCookie(instance, request);
      writeSessionCookie(instance, delivery, cookieValue);
    }
  } else if (target !== undefined) {
    for (const [name, line] of unsealedCookies(instance, { ...delivery, target }, successor)) {
      auth.queueCookie(name, line, isOvertaken);
    }
  }
}

/**
 * Whether browsers keep the cookies of a new credential and servers accept them: orgate's own are chunked, those that a store's
 * front end reads are not. One copy is counted: where another would take too much beside it, writing it clears the other.
 */
export function fitsIntoCookies(instance: Instance, successor: Successor): boolean {
  const { kind, cookieValue } = successor;
  if (kind === "bearer") return true;
  if (cookieValue !== undefined) {
    if (cookieValue.length > MAX_SEAL_LENGTH) return false;
    const { name, attributes } = instance.options.cookie;
    const lines = splitIntoCookies(name, cookieValue, attributes, MAX_COOKIE_AGE);
    return lengthInRequest(lines.values()) <= MAX_COOKIES_LENGTH;
  }
  const lines = [...unsealedCookies(instance, { session: undefined }, successor).values()];
  const fits = lines.every((line) => line.split(";", 1).join("").length <= MAX_COOKIE_LINE_LENGTH);
  return fits && lengthInRequest(lines) <= MAX_COOKIES_LENGTH;
}

/** The lines of an unsealed JWT and the opaque token beside it, by the names of the cookies that the store's own front ends read. */
function unsealedCookies(
  instance: Instance,
  { session, target }: Pick<Delivery, "session" | "target">,
  { accessToken, opaqueToken }: Successor,
): Map<string, string> {
  const lines = new Map<string, string>();
  const { sources } = instance.options;
  const nameOf = (kind: Credential["kind"]): string | undefined => {
    const source = target?.kind === kind ? target : sources.find((one) => one.kind === kind);
    return source !== undefined && "cookieName" in source ? source.cookieName : undefined;
  };
  for (const [name, value] of [
    [nameOf("jwt_cookie"), accessToken],
    [nameOf("opaque"), opaqueToken],
  ] as const) {
    if (name === undefined || value === undefined) continue;
    const line = setCookieLine(name, value, attributesOf(instance, name), cookieAge(instance, session));
    lines.set(name, line);
  }
  return lines;
}

/** The attributes of a session cookie: those of a hosted service's cookies are what the application says they are. */
function attributesOf({ options: { cookie, sources } }: Instance, name: string): CookieAttributes {
  for (const source of sources) {
    if (source.kind !== "jwt_cookie" && source.kind !== "opaque") continue;
    const base = name.startsWith(`${source.cookieName}.`) ? source.cookieName : name;
    if (base === source.cookieName) {
      return source.attributes ?? { ...cookie.attributes, httpOnly: false };
    }
  }
  return cookie.attributes;
}

/** Reports a cookie that the browser will not keep: its `Domain` is not the host's, or it is `Secure` and the proxy says http. */
function reportUnkeptCookie({ events, options }: Instance, { headers }: IncomingMessage): void {
  const { secure, cookie } = options;
  const host = (headers.host ?? "").replace(/:\d{1,5}$/, "").toLowerCase();
  const domain = cookie.attributes.domain?.toLowerCase();
  const isForeign = domain !== undefined && host !== domain && !host.endsWith(`.${domain}`);
  const isPlain = secure && headers["x-forwarded-proto"] === "http" && host !== "localhost";
  if (host !== "" && (isForeign || isPlain)) reportMisconfigured(events, { reason: "cookie_not_kept" });
}

/**
 * Puts a sealed session on the response, in chunks where it is too long for one cookie, and clears leftover chunks and copies.
 */
function writeSessionCookie(instance: Instance, delivery: Delivery, value: string): void {
  const { auth, session, isOvertaken } = delivery;
  const { name, attributes } = instance.options.cookie;
  const lines = splitIntoCookies(name, value, attributes, cookieAge(instance, session));
  clearStaleCopies(instance, delivery, lines);
  for (const earlier of [...(auth.credential?.cookieNames ?? []), ...queuedForms(auth, name)]) {
    if (!lines.has(earlier)) auth.queueCookie(earlier, clearCookieLine(earlier, attributes), isOvertaken);
  }
  for (const [cookie, line] of lines) {
    // The new cookie comes last: browsers of RFC 6265 take a host-only cookie and one on the host's own domain for the same.
    auth.dropCookie(cookie);
    auth.queueCookie(cookie, line, isOvertaken);
  }
}

/**
 * Clears the copies of the session cookie that an earlier `cookie.domain` or `cookie.path` left in the browser.
 *
 * A request tells neither the domain nor the path of a cookie: the one copy that it carries may not be the one that a new cookie
 * replaces. Copies are cleared if those that the request carries would take more than {@link MAX_COOKIES_LENGTH} beside the new
 * one: soon every request would be answered with 431. The default names depend on `cookie.domain` too, so the other ones count.
 * Under each name, copies are cleared only if all of them open with our passwords: others may belong to another environment.
 */
function clearStaleCopies(
  instance: Instance,
  { auth, request, isOvertaken }: Pick<Delivery, "auth" | "request" | "isOvertaken">,
  lines: ReadonlyMap<string, string>,
): void {
  const { cookie } = request.headers;
  const { name } = instance.options.cookie;
  const copies = [...new Set([name, ...Object.values(DEFAULT_SESSION_COOKIES)])].map((base) => ({
    base,
    pairs: listCookies(cookie, base),
  }));
  const existing = copies.flatMap(({ pairs }) => pairs.map((pair) => pair.join("=")));
  if (existing.length === 0) return;
  // Copies that fit are left alone: another application may set one of them.
  if (lengthInRequest([...existing, ...lines.values()]) <= MAX_COOKIES_LENGTH) return;
  const stale = copies.filter(({ base }) => areAllOurs(instance, cookie, base));
  const names = stale.flatMap(({ pairs }) => [...new Set(pairs.map(([key]) => key))]);
  if (names.length > 0) {
    clearSessionCookies(instance, { auth, request, isOvertaken, names, everywhere: true, written: lines });
  }
}

/** Whether every cookie of a name belongs to a session that opens with our passwords. */
function areAllOurs({ sealer }: Instance, header: string | undefined, name: string): boolean {
  const found = findCookie(header, name);
  const values = found.status === "ambiguous" ? found.values : found.status === "found" ? [found.value] : [];
  const ours = values.filter((value) => sealer?.unseal(value) !== undefined);
  return listCookies(header, name).every(([, part]) => ours.some((value) => value.includes(part)));
}

/** The cookie and its chunks, as far as this response was about to set them. */
function queuedForms({ cookies }: RequestAuth, name: string): string[] {
  return [...(cookies?.keys() ?? [])].filter(
    (key) => key === name || (key.startsWith(`${name}.`) && !key.includes(";")),
  );
}

function cookieAge({ options }: Instance, session: VerifiedSession | undefined): number {
  const { maxAge } = options.cookie;
  if (maxAge !== undefined) return maxAge;
  const end = session?.sessionExpiresAt;
  return end === undefined
    ? MAX_COOKIE_AGE
    : Math.max(1, Math.min(MAX_COOKIE_AGE, Math.ceil(end - options.clock())));
}

/** The cookies that a refused credential came in. */
export interface RefusedCookies {
  readonly auth: RequestAuth;
  readonly request: IncomingMessage;
  readonly presented: CookieOfCredential;
  /** Whether they are cleared on the domains and paths above as well, where only our own cookies may be. */
  readonly everywhere?: boolean;
}

/** Clears the cookies that the request's credential came in. */
export function clearCredentialCookies(
  instance: Instance,
  { auth, request, presented, everywhere = false }: RefusedCookies,
): void {
  const isOvertaken = (): boolean => isClearingOvertaken(instance, { auth, request });
  if (isOvertaken()) return;
  const names = existingCookies(request, presented, instance.options.sources);
  clearSessionCookies(instance, { auth, request, names, everywhere, isOvertaken });
}

/** Session cookies to be cleared. */
export interface ClearedCookies extends Pick<Delivery, "auth" | "request" | "isOvertaken"> {
  readonly names: readonly string[];
  readonly everywhere: boolean;
  /** New cookies, which stay in the configured place. */
  readonly written?: Pick<ReadonlyMap<string, unknown>, "has">;
}

const MAX_CLEARING_LINES = 16;

/**
 * Clears session cookies host-only and in the configured place; `everywhere` also on the domains and paths above. An answer has
 * at most 16 such lines.
 */
export function clearSessionCookies(
  instance: Instance,
  { auth, request, names, everywhere, written, isOvertaken }: ClearedCookies,
): void {
  const { origin, sources } = instance.options;
  const url = { hostname: new URL(origin).hostname, pathname: pathOf(request) };
  const opaque = sources.flatMap((source) => (source.kind === "opaque" ? [source.cookieName] : []));
  const configured = names.map((name) => ({
    name,
    places: configuredPlaces(name, attributesOf(instance, name)),
  }));
  // Whose an opaque token is, only the store knows.
  const surrounding = names
    .filter((name) => everywhere && !opaque.includes(name))
    .map((name) => ({ name, places: surroundingPlaces(name, attributesOf(instance, name), url) }));
  const queued = [...(auth.cookies?.values() ?? [])].filter((line) => line.includes("; Max-Age=0;"));
  let room = MAX_CLEARING_LINES - queued.length;
  const places = [...configured, ...interleave(surrounding)].flatMap((one) =>
    one.places.map((place) => ({ name: one.name, place })),
  );
  for (const { name, place } of places) {
    const attributes = attributesOf(instance, name);
    const isOwn = place.path === attributes.path && place.domain === attributes.domain;
    if (isOwn && written?.has(name) === true) continue;
    const key = isOwn ? name : `${name};${place.domain ?? ""};${place.path}`;
    const line = clearPlaceLine(name, attributes, place);
    if (auth.cookies?.get(key) === line) {
      // A renewal may have queued it, and is dropped where this answer overtakes it.
      if (isOvertaken === undefined) auth.queueCookie(key, line);
      continue;
    }
    if (room-- <= 0) break;
    auth.queueCookie(key, line, isOvertaken);
  }
}

interface PlacesOfCookie {
  readonly name: string;
  readonly places: readonly CookiePlace[];
}

/** Takes the likeliest place of each cookie first. */
function interleave(cookies: readonly PlacesOfCookie[]): PlacesOfCookie[] {
  const longest = Math.max(0, ...cookies.map(({ places }) => places.length));
  return Array.from({ length: longest }, (_none, index) =>
    cookies.map(({ name, places }) => ({ name, places: places.slice(index, index + 1) })),
  ).flat();
}

const VARY_ON = ["Cookie", "Authorization"] as const;
const VARY = VARY_ON.join(", ");
const EXPOSED = "Access-Control-Expose-Headers";

const hooked = new WeakSet<object>();

/**
 * Makes sure that queued headers are on the response when its head is written, whatever handlers do to the headers meanwhile.
 *
 * @returns whether headers can go out with it: other servers have responses that lack some of Node's methods.
 */
export function hookResponse(response: ServerResponse): boolean {
  return hooked.has(response) || hookWriteHead(response);
}

/**
 * Installs the getters and the hook again where they are gone: an Express application that is called as a function, from
 * Connect or by a virtual host, gives the request and the response prototypes of its own.
 *
 * @returns whether there is a response that headers can go out with.
 */
export function hookExchange(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  { names }: RequestAuth,
): boolean {
  if (names !== undefined) installRequestGetters(request, names);
  return response !== undefined && hookResponse(response);
}

/** Whether a rotated refresh token can still go out: with a response of its own, whose head is not written yet. */
export function canSendCredential(
  { hasResponse }: RequestAuth,
  response: Partial<Pick<ServerResponse, "headersSent">> | undefined,
): boolean {
  return hasResponse && response?.headersSent !== true;
}

type WriteHead = (this: ServerResponse, ...parameters: unknown[]) => ServerResponse;

function hookWriteHead(target: ServerResponse): boolean {
  // Other servers pass responses of their own for a handshake, which have only some of Node's methods.
  if (!canWriteHeaders(target)) return false;
  const own = Object.getOwnPropertyDescriptor(target, "writeHead")?.value as WriteHead | undefined;
  target.writeHead = function writeHead(
    this: ServerResponse,
    status: number,
    ...rest: unknown[]
  ): ServerResponse {
    const inherited = own ?? (Reflect.get(Object.getPrototypeOf(target) as object, "writeHead") as WriteHead);
    const auths = this.headersSent ? NO_AUTHS : authsThatWrite(this.req);
    if (auths.length === 0) return inherited.call(this, status, ...rest);
    const [first, second] = rest;
    setPassedHeaders(this, typeof first === "string" ? second : (second ?? first));
    for (const auth of auths) {
      auth.dropOvertaken();
      putHeaders(this, auth);
    }
    return typeof first === "string" ? inherited.call(this, status, first) : inherited.call(this, status);
  };
  hooked.add(target);
  return true;
}

/** Whether a response has the methods that headers are put on with. What else it lacks, nothing here needs. */
function canWriteHeaders(response: Partial<ServerResponse>): boolean {
  return isFunction(response.writeHead) && isFunction(response.getHeader) && isFunction(response.setHeader);
}

const NO_AUTHS: readonly RequestAuth[] = [];

/** What every instance knows of the request, where it changes the response. */
function authsThatWrite(request: IncomingMessage | undefined): readonly RequestAuth[] {
  // Node's responses know their request; those of other servers need not.
  if (!isObject(request)) return NO_AUTHS;
  const auths: RequestAuth[] = [];
  for (let auth = latestRequestAuthOf(request); auth !== undefined; auth = auth.previous) {
    if (auth.isUsed || auth.cookies !== undefined || auth.headers !== undefined) auths.push(auth);
  }
  return auths;
}

/** Headers given to `writeHead` itself would win over ours; set one by one they can be merged. */
function setPassedHeaders(response: ServerResponse, passed: unknown): void {
  if (passed === undefined) return;
  if (Array.isArray(passed)) {
    const pairs: unknown[][] = Array.isArray(passed[0]) ? passed : toPairs(passed);
    const seen = new Set<string>();
    for (const [name, value] of pairs) {
      const key = String(name).toLowerCase();
      const earlier = seen.has(key) ? [response.getHeader(key) ?? []].flat().map(String) : [];
      response.setHeader(
        String(name),
        earlier.length === 0 ? (value as string) : [...earlier, String(value)],
      );
      seen.add(key);
    }
  } else if (isObject(passed)) {
    for (const [name, value] of Object.entries(passed as OutgoingHttpHeaders)) {
      if (value !== undefined) response.setHeader(name, value);
    }
  }
}

function toPairs(flat: readonly unknown[]): unknown[][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]]] : []));
}

function putHeaders(response: ServerResponse, { cookies, headers, isUsed, isPrivate }: RequestAuth): void {
  if (cookies !== undefined) putCookies(response, cookies);
  if (headers !== undefined) putOthers(response, headers);
  // The usual case needs no merging.
  if (response.getHeader("Vary") === undefined) response.setHeader("Vary", VARY);
  else mergeList(response, "Vary", VARY_ON);
  const showsCredential = isPrivate && (isUsed || headers !== undefined);
  if (showsCredential || cookies !== undefined) forbidCaching(response);
}

function putOthers(response: ServerResponse, headers: ReadonlyMap<string, string>): void {
  for (const [name, value] of headers) {
    if (name === EXPOSED) mergeList(response, name, [value]);
    else response.setHeader(name, value);
  }
}

function putCookies(response: ServerResponse, cookies: ReadonlyMap<string, string>): void {
  const existing = [response.getHeader("set-cookie") ?? []].flat().map(String);
  const others = existing.filter((line) => !cookies.has(line.slice(0, line.indexOf("="))));
  response.setHeader("Set-Cookie", [...others, ...cookies.values()]);
}

/** Adds names to a list of them, which the application may have begun. */
function mergeList(response: ServerResponse, header: string, names: readonly string[]): void {
  const existing = response.getHeader(header);
  if (existing === undefined) {
    response.setHeader(header, names.join(", "));
    return;
  }
  const value = String(existing);
  const named = new Set(
    value
      .toLowerCase()
      .split(",")
      .map((name) => name.trim()),
  );
  if (header === "Vary" && named.has("*")) return;
  const missing = names.filter((name) => !named.has(name.toLowerCase()));
  if (missing.length > 0) response.setHeader(header, [value, ...missing].join(", "));
}

/** Forbids caches to store a response (`private, no-store`). A `Cache-Control` that says `no-store` already stays. */
export function forbidCaching(response: ServerResponse): void {
  const existing = response.getHeader("cache-control");
  if (existing === undefined || !/(?:^|,)\s*no-store\s*(?:,|$)/i.test(String(existing))) {
    response.setHeader("Cache-Control", `private, ${NO_STORE}`);
  }
}
