import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { clearCookieLine, clearEveryForm, setCookieLine, splitIntoCookies } from "../lib/cookies.ts";
import { MAX_SEAL_LENGTH } from "../lib/crypto.ts";
import { NO_STORE } from "../lib/http.ts";
import { isObject } from "../lib/values.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Ending } from "./invalidations.ts";
import { type CookieOfCredential, type Credential, existingCookies } from "./read-credential.ts";
import {
  type RequestAuth,
  type Resolution,
  type Successor,
  installRequestGetters,
  latestRequestAuthOf,
  reportMisconfigured,
} from "./request-auth.ts";

/** Seconds that browsers keep a cookie at most (RFC 6265bis section 5.5). */
export const MAX_COOKIE_AGE = 34_560_000;

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
    if (resolution.clearsCookie && endingOf(instance, auth) !== "supersede" && auth.credential !== undefined)
      clearCredentialCookies(instance, auth, request, auth.credential);
  }
  if (resolution.successor !== undefined && !isOvertaken(instance, auth)) {
    sendCredential(instance, { auth, request, session: auth.session }, resolution.successor);
  }
}

/** Whether a sign-in, switch or sign-out replaced the credential, so that its renewal must not set a cookie. */
function isOvertaken(instance: Instance, auth: RequestAuth): boolean {
  const { isClosed, session } = auth;
  if (isClosed) return true;
  if (session !== undefined && instance.invalidations.endingOf(session.memberSession.id) !== undefined)
    return true;
  return endingOf(instance, auth) !== undefined;
}

function endingOf({ superseded }: Instance, { credential }: RequestAuth): Ending | undefined {
  return credential === undefined ? undefined : superseded.get(keyOf(credential));
}

/** Where a credential goes. */
export interface Delivery {
  readonly auth: RequestAuth;
  readonly request: IncomingMessage;
  readonly session: VerifiedSession | undefined;
  /** How the client sends it from now on. @defaultValue as the request's own credential */
  readonly target?: Pick<Credential, "kind" | "cookieName">;
}

/**
 * Puts a credential on the response.
 *
 * @returns `false` if it is too large to be sent at all.
 */
export function sendCredential(instance: Instance, delivery: Delivery, successor: Successor): boolean {
  const { auth, request, session, target = auth.credential } = delivery;
  if (target?.kind === "bearer") {
    auth.queueHeader("Session-Jwt", successor.accessToken);
    const { origin } = request.headers;
    if (origin !== undefined && instance.origins.isTrusted(origin)) auth.queueHeader(EXPOSED, "Session-Jwt");
    else if (origin !== undefined && origin !== instance.options.origin) {
      reportMisconfigured(instance.events, { reason: "session_jwt_unreadable" });
    }
  } else if (target?.kind === "sealed") {
    const { cookieValue } = successor;
    reportUnkeptCookie(instance, request);
    return cookieValue === undefined || writeSessionCookie(instance, auth, cookieValue, session);
  } else if (target !== undefined) {
    writeUnsealedCookies(instance, { auth, session, target }, successor);
  }
  return true;
}

/** Puts an unsealed JWT and the opaque token beside it on the response, in the cookies that the store's own front ends read. */
function writeUnsealedCookies(
  instance: Instance,
  { auth, session, target }: Pick<Delivery, "auth" | "session" | "target">,
  { accessToken, opaqueToken }: Successor,
): void {
  const { cookie, sources } = instance.options;
  const attributes = { ...cookie.attributes, httpOnly: false };
  const nameOf = (kind: Credential["kind"]): string | undefined => {
    const source = target?.kind === kind ? target : sources.find((one) => one.kind === kind);
    return source !== undefined && "cookieName" in source ? source.cookieName : undefined;
  };
  for (const [name, value] of [
    [nameOf("jwt_cookie"), accessToken],
    [nameOf("opaque"), opaqueToken],
  ] as const) {
    if (name === undefined || value === undefined) continue;
    auth.queueCookie(name, setCookieLine(name, value, attributes, cookieAge(instance, session)));
  }
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

/** Puts a sealed session on the response, in chunks where it is too long for one cookie, and clears leftover chunks. */
function writeSessionCookie(
  instance: Instance,
  auth: RequestAuth,
  value: string,
  session: VerifiedSession | undefined,
): boolean {
  if (value.length > MAX_SEAL_LENGTH) {
    instance.events.emit({ type: "misconfigured", reason: "session_too_large" });
    return false;
  }
  const { name, attributes } = instance.options.cookie;
  const lines = splitIntoCookies(name, value, attributes, cookieAge(instance, session));
  for (const earlier of [...(auth.credential?.cookieNames ?? []), ...queuedForms(auth, name)]) {
    if (!lines.has(earlier)) auth.queueCookie(earlier, clearCookieLine(earlier, attributes));
  }
  for (const [cookie, line] of lines) auth.queueCookie(cookie, line);
  return true;
}

/** The cookie and its chunks, as far as this response was about to set them. */
function queuedForms({ cookies }: RequestAuth, name: string): string[] {
  return [...(cookies?.keys() ?? [])].filter((key) => key === name || key.startsWith(`${name}.`));
}

function cookieAge({ options }: Instance, session: VerifiedSession | undefined): number {
  const { maxAge } = options.cookie;
  if (maxAge !== undefined) return maxAge;
  const end = session?.sessionExpiresAt;
  return end === undefined
    ? MAX_COOKIE_AGE
    : Math.max(1, Math.min(MAX_COOKIE_AGE, Math.ceil(end - options.clock())));
}

/** Clears the cookies that the request's credential came in, for every domain and path where they were ambiguous. */
export function clearCredentialCookies(
  instance: Instance,
  auth: RequestAuth,
  request: IncomingMessage,
  presented: CookieOfCredential,
): void {
  const { cookie, sources } = instance.options;
  const isAmbiguous = auth.state.status === "rejected" && auth.state.code === "ambiguous_credential";
  for (const name of existingCookies(request, presented, sources)) {
    if (isAmbiguous) clearCookieEverywhere(instance, auth, name);
    else auth.queueCookie(name, clearCookieLine(name, cookie.attributes));
  }
}

/** Clears a cookie host-only, with the host's own name as its domain, and with the configured domain. */
export function clearCookieEverywhere(instance: Instance, auth: RequestAuth, name: string): void {
  const { cookie, origin } = instance.options;
  const { domain } = cookie.attributes;
  const domains = new Set([new URL(origin).hostname, ...(domain === undefined ? [] : [domain])]);
  const lines = clearEveryForm(name, cookie.attributes, [...domains]);
  for (const [index, line] of lines.entries())
    auth.queueCookie(index === 0 ? name : `${name};${index}`, line);
}

const VARY_ON = ["Cookie", "Authorization"] as const;
const VARY = VARY_ON.join(", ");
const EXPOSED = "Access-Control-Expose-Headers";

/** Response prototypes of applications, and responses that have only Node's. */
const hooked = new WeakSet<object>();
/** The prototype found hooked last, which is nearly always that of the next response. */
let latestHooked: object | undefined;

/**
 * Makes sure that queued headers are on the response when its head is written, whatever handlers do to the headers meanwhile.
 *
 * An Express application has a response prototype of its own: hooked once, it costs most responses one look-up. Node's class
 * prototypes belong to the whole process and stay as they are: such a response is hooked itself, and stays so when an
 * application behind this middleware gives it another prototype.
 */
export function hookResponse(response: ServerResponse): void {
  const prototype = Object.getPrototypeOf(response) as object;
  if (prototype === latestHooked || hooked.has(response)) return;
  if (hooked.has(prototype)) {
    latestHooked = prototype;
    return;
  }
  if (Object.hasOwn(prototype, "constructor")) {
    hookWriteHead(response);
    return;
  }
  const outermost = outermostOf(prototype);
  if (!hooked.has(outermost)) {
    hookWriteHead(outermost as ServerResponse);
    // Other middleware may have replaced this response's own writeHead before its prototype was hooked.
    if (Object.hasOwn(response, "writeHead")) hookWriteHead(response);
  }
  hooked.add(prototype);
}

/**
 * Installs the getters and the hook again where they are gone: an Express application that is called as a function, from
 * Connect or by a virtual host, gives the request and the response prototypes of its own.
 */
export function hookExchange(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  { names }: RequestAuth,
): void {
  if (names !== undefined) installRequestGetters(request, names);
  if (response !== undefined) hookResponse(response);
}

/** Hooks the response itself if a credential must go out with it, so that any application may answer. */
export function applyHeadersOnWrite(response: ServerResponse, { cookies, headers }: RequestAuth): void {
  if ((cookies !== undefined || headers !== undefined) && !hooked.has(response)) hookWriteHead(response);
}

/** The prototype of the outermost application: what a mounted one leaves to its parent is answered under the parent's. */
function outermostOf(prototype: object): object {
  let outermost = prototype;
  let parent = Object.getPrototypeOf(outermost) as object;
  while (
    !Object.hasOwn(parent, "constructor") &&
    !Object.hasOwn(Object.getPrototypeOf(parent) as object, "constructor")
  ) {
    outermost = parent;
    parent = Object.getPrototypeOf(outermost) as object;
  }
  return outermost;
}

type WriteHead = (this: ServerResponse, ...parameters: unknown[]) => ServerResponse;

function hookWriteHead(target: ServerResponse): void {
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
    for (const auth of auths) putHeaders(this, auth);
    return typeof first === "string" ? inherited.call(this, status, first) : inherited.call(this, status);
  };
  hooked.add(target);
}

const NO_AUTHS: readonly RequestAuth[] = [];

/** What every instance knows of the request, where it changes the response. */
function authsThatWrite(request: IncomingMessage): readonly RequestAuth[] {
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
      if (seen.has(key)) response.appendHeader(String(name), value as string);
      else response.setHeader(String(name), value as string);
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
  if (response.hasHeader("Vary")) mergeList(response, "Vary", VARY_ON);
  else response.setHeader("Vary", VARY);
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
  const named = new Set(value.toLowerCase().split(/\s*,\s*/));
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
