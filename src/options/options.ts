import type { IncomingMessage, ServerResponse } from "node:http";
import type { OrgateEvent } from "../events.ts";
import type { Coordinator } from "../fleet/coordinator.ts";
import type { Denial } from "../guards/denial.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import { type Problems, createProblems, isOptionObject } from "../lib/problems.ts";
import type { Policy, PolicyShape } from "../policy/policy.ts";
import type { CredentialSource } from "../request/read-credential.ts";
import type { AttachNames } from "../request/request-auth.ts";
import type { SessionStore } from "../store.ts";
import { type ResolvedCookie, resolveCookieAndSources, resolveCredentials } from "./resolve-cookie.ts";
import {
  optionalExtension,
  optionalFunction,
  optionalSeconds,
  resolveCacheEntries,
  resolveCoordinator,
  resolveCsrf,
  resolveNames,
  resolveOrigin,
  resolvePath,
  resolvePolicy,
  resolveStore,
  secondsUpTo,
} from "./resolve-parts.ts";

/** Cookie passwords: one, several with the newest first, or several by number, of which the highest seals. Each of at least 32 characters, at most five. */
export type CookiePassword =
  | string
  | readonly (string | undefined)[]
  | Readonly<Record<number, string | undefined>>;

/** How the session cookie is made. */
export interface CookieOptions {
  /** Seals with the newest and opens with any. Required where cookies are read; `undefined` so that `process.env.X` compiles. */
  readonly password?: CookiePassword | undefined;
  /** @defaultValue the store's own; else `__Host-orgate` on https, `orgate` on http, `__Secure-orgate` with `domain` or a `path` */
  readonly name?: string | undefined;
  /** Shares the cookie with subdomains. @defaultValue host-only */
  readonly domain?: string | undefined;
  /** @defaultValue `/` */
  readonly path?: string | undefined;
  /** @defaultValue `lax` */
  readonly sameSite?: "lax" | "strict" | "none" | undefined;
  /** Seconds the browser keeps it. @defaultValue the session's lifetime, else 400 days */
  readonly maxAge?: number | undefined;
}

/** A place to read a credential from. `jwtCookie` names a cookie that holds an unsealed JWT. */
export type CredentialOption = "bearer" | "cookie" | { readonly jwtCookie: string };

/** Options of `orgate()`. Durations are seconds. All are validated at construction. */
export interface OrgateOptions<Shape extends PolicyShape = PolicyShape> {
  /**
   * The application's public origin, `https://app.example.com`. Decides `Secure`, the cookie's default name and what is
   * same-origin; the `Host` header is never trusted.
   */
  readonly baseUrl: string;
  /** Where sessions live. */
  readonly store: SessionStore;
  readonly cookie?: CookieOptions | undefined;
  /** Which credentials are read; the first listed that is present decides alone. @defaultValue `["bearer", "cookie"]` */
  readonly credentials?: readonly CredentialOption[] | undefined;
  /** A token older than this is asked about; `0`: always. @defaultValue age does not matter */
  readonly maxTokenAge?: number | undefined;
  /** For `exp`, `nbf` and `iat`, at most 60; never stretches `maxTokenAge`. @defaultValue 5 */
  readonly clockTolerance?: number | undefined;
  /** Each call to the store extends the session to this long from now; above 0. @defaultValue never extended */
  readonly sessionDuration?: number | undefined;
  /** The RBAC policy; wins over the store's own. A function is called at first use and every five minutes. */
  readonly policy?: Policy<Shape> | (() => Promise<Policy<Shape>>) | undefined;
  /** Where a browser without a session is sent, with `?return_to=`. @defaultValue nowhere: 401 */
  readonly signIn?: { readonly path: string } | undefined;
  /** Where a browser that must choose an organization is sent. @defaultValue `{ path: "/select-organization" }` */
  readonly organizationSelection?: { readonly path: string } | undefined;
  /**
   * How long a token that is too old (never one that is expired or revoked) is still served to safe methods while the
   * store is down. @defaultValue 0
   */
  readonly staleIfUnavailable?: number | undefined;
  /** Joins several processes. @defaultValue one process, alone */
  readonly coordinator?: Coordinator | undefined;
  /** Verified credentials kept in memory; size it by the live sessions. @defaultValue `{ maxEntries: 20_000 }` */
  readonly cache?: { readonly maxEntries: number } | false | undefined;
  /** Origins, beside the application's own, whose cross-site requests are served. `false` switches the check off. @defaultValue none */
  readonly csrf?: { readonly trustedOrigins: readonly string[] } | false | undefined;
  /** Other names for what is attached to the request, or `false` for nothing. @defaultValue `member`, `organization`, `memberSession`, `verdict` */
  readonly attach?: { readonly [Property in keyof AttachNames]?: string | undefined } | false | undefined;
  /** The client's address, as told to the store. @defaultValue `req.ip`, else the socket's */
  readonly ipAddress?: RequestCallback<[request: IncomingMessage], string | undefined> | undefined;
  /** Replaces the default answer to a denial; `denial.respond()` gives the default after all. */
  readonly onDenied?:
    | RequestCallback<
        [denial: Denial, request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void],
        void | Promise<void>
      >
    | undefined;
  /** Hears every event. They are also on `node:diagnostics_channel`, as `orgate:<type>`. */
  readonly events?: ((event: OrgateEvent) => void) | undefined;
  /** For tests: the time in seconds. @defaultValue the machine's clock */
  readonly clock?: Clock | undefined;
}

/**
 * A function of the application's that gets a request. Compared as a method is: one that is written for Express's own
 * `Request` and `Response` fits as well, because they are what it gets where Express runs it.
 */
export type RequestCallback<Parameters extends readonly unknown[], Result> = {
  call(...parameters: Parameters): Result;
}["call"];

const NODE = `
  aborted addListener closed complete connection destroy destroyed emit errored eventNames getMaxListeners headers
  headersDistinct httpVersion httpVersionMajor httpVersionMinor isPaused joinDuplicateHeaders listenerCount listeners method
  off on once pause pipe prependListener prependOnceListener push rawHeaders rawListeners rawTrailers read readable
  readableAborted readableDidRead readableEnded readableEncoding readableFlowing readableHighWaterMark readableLength
  readableObjectMode removeAllListeners removeListener resume setEncoding setMaxListeners setTimeout socket statusCode
  statusMessage trailers trailersDistinct unpipe unshift upgrade url wrap
`;
const EXPRESS = `
  accepts acceptsCharsets acceptsEncodings acceptsLanguages app baseUrl body fresh get header host hostname ip ips is next
  originalUrl param params path protocol query range res route secure stale subdomains xhr
`;

const RESERVED: ReadonlySet<string> = new Set(`${NODE}${EXPRESS}`.trim().split(/\s+/));

/** Whether a request cannot do without what it has under this name already. */
export function isReservedName(name: string): boolean {
  return RESERVED.has(name) || name in Object.prototype;
}

const KNOWN = [
  "baseUrl",
  "store",
  "cookie",
  "credentials",
  "maxTokenAge",
  "clockTolerance",
  "sessionDuration",
  "policy",
  "signIn",
  "organizationSelection",
  "staleIfUnavailable",
  "coordinator",
  "cache",
  "csrf",
  "attach",
  "ipAddress",
  "onDenied",
  "events",
  "clock",
] as const;

const SELECTION_PATH = "/select-organization";

/** Options with every default filled in, frozen. */
export interface ResolvedOptions {
  readonly origin: string;
  readonly secure: boolean;
  readonly store: SessionStore;
  readonly cookie: ResolvedCookie;
  readonly sources: readonly CredentialSource[];
  readonly maxTokenAge: number | undefined;
  readonly clockTolerance: number;
  readonly sessionDuration: number | undefined;
  readonly policy: OrgateOptions["policy"];
  readonly signInPath: string | undefined;
  readonly selectionPath: string;
  readonly staleIfUnavailable: number;
  readonly coordinator: Coordinator;
  readonly cacheEntries: number;
  readonly trustedOrigins: readonly string[];
  readonly checksCrossSite: boolean;
  readonly names: AttachNames | undefined;
  readonly ipAddress: ((request: IncomingMessage) => string | undefined) | undefined;
  readonly onDenied: OrgateOptions["onDenied"];
  readonly events: OrgateOptions["events"];
  readonly clock: Clock;
}

/**
 * Validates the options, fills in the defaults and freezes the result.
 *
 * @throws ConfigurationError with every mistake at once.
 */
export function resolveOptions(given: unknown): ResolvedOptions {
  const problems = createProblems();
  const options = readOptions(given, problems);
  problems.unknown(options, KNOWN);
  const { origin, secure } = resolveOrigin(options["baseUrl"], problems);
  const store = resolveStore(options["store"], problems);
  const credentials = resolveCredentials(options["credentials"], problems);
  const csrf = resolveCsrf(options["csrf"], problems);
  const resolved: ResolvedOptions = {
    origin,
    secure,
    store,
    ...resolveCookieAndSources(options["cookie"], credentials, { origin, secure, store }, problems),
    maxTokenAge: optionalSeconds(options, "maxTokenAge", problems),
    clockTolerance: secondsUpTo(options["clockTolerance"], 5, problems),
    sessionDuration: optionalExtension(options["sessionDuration"], problems),
    policy: resolvePolicy(options["policy"], problems),
    signInPath: resolvePath(options, "signIn", "/sign-in", problems),
    selectionPath: resolvePath(options, "organizationSelection", SELECTION_PATH, problems) ?? SELECTION_PATH,
    staleIfUnavailable: optionalSeconds(options, "staleIfUnavailable", problems) ?? 0,
    coordinator: resolveCoordinator(options["coordinator"], problems),
    cacheEntries: resolveCacheEntries(options["cache"], problems),
    ...csrf,
    names: resolveNames(options["attach"], problems),
    ipAddress: optionalFunction(options, "ipAddress", problems),
    onDenied: optionalFunction(options, "onDenied", problems),
    events: optionalFunction(options, "events", problems),
    clock: optionalFunction(options, "clock", problems) ?? systemClock,
  };
  problems.throwIfAny();
  return Object.freeze(resolved);
}

/** The options as an object; whatever is none, or is a request, has no single mistakes to tell of. */
function readOptions(given: unknown, problems: Problems): Record<string, unknown> {
  const isObject = isOptionObject(given);
  if (!isObject) problems.missing("options", "Call orgate({ baseUrl, store, cookie: { password } }).");
  else if ("headers" in given && "method" in given) {
    const suggestion = "Write const auth = orgate({ ... }), and app.use(auth).";
    problems.invalid("orgate", "was passed to a route without being called.", suggestion);
  }
  problems.throwIfAny();
  return isObject ? given : {};
}
