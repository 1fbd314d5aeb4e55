import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from "node:http";

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
    const planned = this.headersSent ? NOTHING : plan(this.req);
    if (planned.length === 0) return inherited.call(this, status, ...rest);
    const [first, second] = rest;
    setPassedHeaders(this, typeof first === "string" ? second : (second ?? first));
    for (const headers of planned) putHeaders(this, headers);
    return typeof first === "string" ? inherited.call(this, status, first) : inherited.call(this, status);
  };
  hooked.add(target);
}

const NOTHING: readonly ResponseHeaders[] = [];

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
