import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";
import { clearCookieLine, clearEveryForm, setCookieLine, splitIntoCookies } from "../lib/cookies.ts";
import { MAX_SEAL_LENGTH } from "../lib/seal.ts";
import type { Resolution } from "./authenticate.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Ending } from "./invalidations.ts";
import { type Credential, type Presented, existingCookies } from "./read-credential.ts";
import type { Successor } from "./renew.ts";
import { type RequestAuth, installRequestGetters, latestRequestAuthOf } from "./request-auth.ts";

/** Browsers keep a cookie for at most so long (RFC 6265bis section 5.5). */
export const MAX_COOKIE_AGE = 34_560_000;

const NOTHING: Presented = { cookieNames: [] };

/** Takes what came of a request's credential into its record, headers for the client included. */
export function applyResolution(
  instance: Instance,
  record: RequestAuth,
  resolution: Resolution,
  request: IncomingMessage,
): void {
  if (resolution.status === "authenticated") {
    record.session = resolution.session;
    record.state = undefined;
    record.source = resolution.source;
  } else {
    record.session = undefined;
    record.state = Object.freeze(resolution.state);
    if (resolution.clearsCookie && endingOf(instance, record) !== "supersede")
      clearCredentialCookies(instance, record, request, record.credential);
  }
  if (resolution.successor !== undefined && !isOvertaken(instance, record)) {
    sendCredential(instance, { record, request, session: record.session }, resolution.successor);
  }
}

/** Whether a sign-in, a switch or a sign-out came after the credential, so that nothing of its renewal may follow. */
function isOvertaken(instance: Instance, record: RequestAuth): boolean {
  const { closed, session } = record;
  if (closed) return true;
  if (session !== undefined && instance.invalidations.endingOf(session.memberSession.id) !== undefined)
    return true;
  return endingOf(instance, record) !== undefined;
}

function endingOf({ superseded }: Instance, { credential }: RequestAuth): Ending | undefined {
  return credential === undefined ? undefined : superseded.get(keyOf(credential));
}

/** Where a credential goes. */
export interface Delivery {
  readonly record: RequestAuth;
  readonly request: IncomingMessage;
  readonly session: VerifiedSession | undefined;
  /** The way it is read again. @defaultValue the way the presented one came */
  readonly target?: Pick<Credential, "kind" | "cookieName">;
}

/**
 * Puts a credential on the response, the way it will be presented.
 *
 * @returns `false` if it is too large to be sent at all.
 */
export function sendCredential(instance: Instance, delivery: Delivery, successor: Successor): boolean {
  const { record, request, session, target = record.credential } = delivery;
  if (target?.kind === "bearer") {
    setHeader(record, "Session-Jwt", successor.accessToken);
    const { origin } = request.headers;
    if (origin !== undefined && instance.origins.isTrusted(origin)) {
      setHeader(record, "Access-Control-Expose-Headers", "Session-Jwt");
    }
  } else if (target?.kind === "sealed") {
    const { cookieValue } = successor;
    return cookieValue === undefined || writeSessionCookie(instance, record, cookieValue, session);
  } else if (target !== undefined) {
    writeUnsealedCookies(instance, { record, session, target }, successor);
  }
  return true;
}

/** Puts an unsealed JWT on the response, and what lies beside it, where the store's own front ends find them. */
function writeUnsealedCookies(
  instance: Instance,
  { record, session, target }: Pick<Delivery, "record" | "session" | "target">,
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
    setCookie(record, name, setCookieLine(name, value, attributes, cookieAge(instance, session)));
  }
}

/**
 * Puts a sealed session on the response, in chunks where it is too long for one cookie, and clears what is left of an
 * earlier one.
 *
 * @returns `false` if the session is too large to be sent at all.
 */
export function writeSessionCookie(
  instance: Instance,
  record: RequestAuth,
  value: string,
  session: VerifiedSession | undefined = record.session,
): boolean {
  if (value.length > MAX_SEAL_LENGTH) {
    instance.events.emit({ type: "misconfigured", reason: "session_too_large" });
    return false;
  }
  const { name, attributes } = instance.options.cookie;
  const lines = splitIntoCookies(name, value, attributes, cookieAge(instance, session));
  for (const earlier of [...presentNames(record.credential), ...queuedForms(record, name)]) {
    if (!lines.has(earlier)) setCookie(record, earlier, clearCookieLine(earlier, attributes));
  }
  for (const [cookie, line] of lines) setCookie(record, cookie, line);
  return true;
}

/** Clears the cookies that the request's credential came in; every form of them where it was ambiguous. */
export function clearCredentialCookies(
  instance: Instance,
  record: RequestAuth,
  request: IncomingMessage,
  presented: Presented = NOTHING,
): void {
  const { cookie, sources } = instance.options;
  const isAmbiguous = record.state?.status === "rejected" && record.state.code === "ambiguous_credential";
  for (const present of existingCookies(request, presented, sources)) {
    if (isAmbiguous) clearCookieEverywhere(instance, record, present);
    else setCookie(record, present, clearCookieLine(present, cookie.attributes));
  }
}

/** Clears a cookie host-only, with the host's own name as its domain, and with the configured domain. */
export function clearCookieEverywhere(instance: Instance, record: RequestAuth, name: string): void {
  const { cookie, origin } = instance.options;
  const { domain } = cookie.attributes;
  const domains = new Set([new URL(origin).hostname, ...(domain === undefined ? [] : [domain])]);
  const lines = clearEveryForm(name, cookie.attributes, [...domains]);
  for (const [index, line] of lines.entries())
    setCookie(record, index === 0 ? name : `${name};${index}`, line);
}

/** Queues a `Set-Cookie` line; a later one for the same cookie replaces it. */
export function setCookie(record: RequestAuth, name: string, line: string): void {
  record.cookies ??= new Map();
  record.cookies.set(name, line);
}

function setHeader(record: RequestAuth, name: string, value: string): void {
  record.headers ??= new Map();
  record.headers.set(name, value);
}

/** Forms of a cookie that this very response was about to set. */
function queuedForms({ cookies }: RequestAuth, name: string): string[] {
  return [...(cookies?.keys() ?? [])].filter((key) => key === name || key.startsWith(`${name}.`));
}

function presentNames(credential: Credential | undefined): readonly string[] {
  return credential?.cookieNames ?? [];
}

function cookieAge({ options }: Instance, session: VerifiedSession | undefined): number {
  const { maxAge } = options.cookie;
  if (maxAge !== undefined) return maxAge;
  const end = session?.sessionExpiresAt;
  return end === undefined
    ? MAX_COOKIE_AGE
    : Math.max(1, Math.min(MAX_COOKIE_AGE, Math.ceil(end - options.clock())));
}

/** What must be on a response when its head is written. */
export interface ResponseHeaders {
  /** `Set-Cookie` lines by cookie name; a later line for a cookie replaces an earlier one. */
  readonly cookies: ReadonlyMap<string, string> | undefined;
  readonly headers: ReadonlyMap<string, string> | undefined;
  /** The answer must not be kept by shared caches. */
  readonly isPrivate: boolean;
}

/** What is due on the answer to a request; such an answer varies. */
type Plan = (request: IncomingMessage) => readonly ResponseHeaders[];

const VARY_ON = ["Cookie", "Authorization"] as const;
const VARY = VARY_ON.join(", ");
const EXPOSED = "Access-Control-Expose-Headers";

/** Applications' response prototypes, and responses that have none but Node's. */
const hooked = new WeakSet<object>();
/** The prototype that was found hooked last, which is nearly always that of the next response. */
let latest: object | undefined;

/**
 * Sees to it that headers decided on before or during the handler are on the response, whatever the handler or an error
 * handler did to the headers meanwhile: they are put there when the head is written.
 *
 * An Express application has a response prototype of its own: there the hook costs most responses one look-up. Node's class
 * prototypes belong to the whole process and are left alone: such a response is hooked itself, and stays so when an
 * application behind this middleware gives it another prototype.
 */
export function hookResponse(response: ServerResponse, plan: Plan): void {
  const prototype = Object.getPrototypeOf(response) as object;
  if (prototype === latest || hooked.has(response)) return;
  if (hooked.has(prototype)) {
    latest = prototype;
    return;
  }
  if (Object.hasOwn(prototype, "constructor")) {
    hookWriteHead(response, plan);
    return;
  }
  const outermost = outermostOf(prototype);
  if (!hooked.has(outermost)) {
    hookWriteHead(outermost as ServerResponse, plan);
    // Other middleware may have hooked this one response before, around what was not hooked yet.
    if (Object.hasOwn(response, "writeHead")) hookWriteHead(response, plan);
  }
  hooked.add(prototype);
}

/** The same for one response alone, and for good: also when an application that is called as a function answers it. */
export function hookOneResponse(response: ServerResponse, plan: Plan): void {
  if (!hooked.has(response)) hookWriteHead(response, plan);
}

/**
 * The prototype of the application that all others are mounted in: what a mounted one leaves to its parent, an error say,
 * is answered under the parent's.
 */
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

function hookWriteHead(target: ServerResponse, plan: Plan): void {
  const own = Object.getOwnPropertyDescriptor(target, "writeHead")?.value as WriteHead | undefined;
  target.writeHead = function writeHead(
    this: ServerResponse,
    status: number,
    ...rest: unknown[]
  ): ServerResponse {
    const inherited = own ?? (Reflect.get(Object.getPrototypeOf(target) as object, "writeHead") as WriteHead);
    const planned = this.headersSent ? NO_HEADERS : plan(this.req);
    if (planned.length === 0) return inherited.call(this, status, ...rest);
    const [first, second] = rest;
    setPassedHeaders(this, typeof first === "string" ? second : (second ?? first));
    for (const headers of planned) putHeaders(this, headers);
    return typeof first === "string" ? inherited.call(this, status, first) : inherited.call(this, status);
  };
  hooked.add(target);
}

const NO_HEADERS: readonly ResponseHeaders[] = [];

/** Headers given to `writeHead` itself would win over ours; set one by one they can be merged. */
function setPassedHeaders(response: ServerResponse, passed: unknown): void {
  if (Array.isArray(passed)) {
    const pairs: unknown[][] = Array.isArray(passed[0]) ? passed : toPairs(passed);
    const seen = new Set<string>();
    for (const [name, value] of pairs) {
      const key = String(name).toLowerCase();
      if (seen.has(key)) response.appendHeader(String(name), value as string);
      else response.setHeader(String(name), value as string);
      seen.add(key);
    }
  } else if (typeof passed === "object" && passed !== null) {
    for (const [name, value] of Object.entries(passed as OutgoingHttpHeaders)) {
      if (value !== undefined) response.setHeader(name, value);
    }
  }
}

function toPairs(flat: readonly unknown[]): unknown[][] {
  return flat.flatMap((name, index) => (index % 2 === 0 ? [[name, flat[index + 1]]] : []));
}

function putHeaders(response: ServerResponse, { cookies, headers, isPrivate }: ResponseHeaders): void {
  if (cookies !== undefined) putCookies(response, cookies);
  if (headers !== undefined) putOthers(response, headers);
  // The usual case needs no merging: this is on the way of every answer.
  if (response.hasHeader("Vary")) mergeList(response, "Vary", VARY_ON);
  else response.setHeader("Vary", VARY);
  if (isPrivate || cookies !== undefined) makePrivate(response);
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

function makePrivate(response: ServerResponse): void {
  const existing = response.getHeader("cache-control");
  if (existing === undefined || !/(?:^|,)\s*no-store\s*(?:,|$)/i.test(String(existing))) {
    response.setHeader("Cache-Control", "private, no-store");
  }
}

/** Sees to it that what is due when the response begins goes out with it. */
export function watchResponse(response: ServerResponse | undefined): void {
  if (response !== undefined) hookResponse(response, planHeaders);
}

/**
 * Puts the getters on the request and the hook on the response again, where they are gone: an Express application that is
 * called as a function, from Connect or by a virtual host, gives both prototypes of its own.
 */
export function hookExchange(
  request: IncomingMessage,
  response: ServerResponse | undefined,
  { names }: RequestAuth,
): void {
  if (names !== undefined) installRequestGetters(request, names);
  watchResponse(response);
}

/** Sees to it that what a renewal left goes out, whichever application answers. */
export function applyHeadersOnWrite(response: ServerResponse, { cookies, headers }: RequestAuth): void {
  if (cookies !== undefined || headers !== undefined) hookOneResponse(response, planHeaders);
}

/** What is due on the response, of every instance that saw the request. */
function planHeaders(request: IncomingMessage): ResponseHeaders[] {
  const planned: ResponseHeaders[] = [];
  for (let record = latestRequestAuthOf(request); record !== undefined; record = record.previous) {
    const { cookies, headers, used, hasCredential } = record;
    if (!used && cookies === undefined && headers === undefined) continue;
    planned.push({ cookies, headers, isPrivate: hasCredential && (used || headers !== undefined) });
  }
  return planned;
}
