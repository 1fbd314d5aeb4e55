import type { IncomingMessage, ServerResponse } from "node:http";
import type { OrgateEvent } from "../events.ts";
import { type Coordinator, inProcessCoordinator, isInProcess } from "../fleet/coordinator.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import {
  functionLike,
  matching,
  must,
  nested,
  onlyMember,
  optional,
  orFalse,
  readOptions,
  required,
  requiredVariable,
  schema,
  seconds,
  trueOrFalse,
  wholeNumber,
  withMethods,
} from "../lib/options.ts";
import { configurationError } from "../lib/problems.ts";
import { isFunction, isObject } from "../lib/values.ts";
import type { Denial, PageView } from "../model.ts";
import { type Policy, type PolicyShape, isPolicy } from "../policy/policy.ts";
import type { AttachNames } from "../request/request-auth.ts";
import type { Profile, SessionStore } from "../store.ts";
import {
  BASE_URL_EXAMPLE,
  type CsrfOptions,
  DEFAULT_NAMES,
  attachNames,
  csrfOptions,
  imageUrl,
  localPath,
  publicOrigin,
  sessionStore,
} from "./checks.ts";
import {
  COOKIE_OPTIONS,
  type CookieOptions,
  type CredentialOption,
  credentials,
  listSources,
  resolveCookie,
} from "./cookie.ts";

/** Options of `orgate()`. Durations are seconds. All are validated at construction. */
export interface OrgateOptions<
  Shape extends PolicyShape = PolicyShape,
  Role extends string = string,
  FullProfile extends Profile = Profile,
> {
  /**
   * The application's public origin, `https://app.example.com`. Decides `Secure`, the cookie's default name and what is
   * same-origin; the `Host` header is never trusted.
   */
  readonly baseUrl: string;
  /** Where sessions live. */
  readonly store: SessionStore<FullProfile>;
  readonly cookie?: CookieOptions | undefined;
  /** Which credentials are read; the first listed that is present decides alone. @defaultValue `["bearer", "cookie"]` */
  readonly credentials?: readonly CredentialOption[] | undefined;
  /** A token older than this is asked about; `0`: always. @defaultValue age does not matter */
  readonly maxTokenAge?: number | undefined;
  /**
   * A token that says it lives longer than this is too old so long after `iat` or its last confirmation, whatever its `exp`;
   * above 0. `false`: `exp` alone counts. @defaultValue 86_400 (24 hours)
   */
  readonly maxTokenLifetime?: number | false | undefined;
  /** For `exp`, `nbf` and `iat`, at most 60; never stretches `maxTokenAge`. @defaultValue 5 */
  readonly clockTolerance?: number | undefined;
  /** Each call to the store extends the session to this long from now; above 0. @defaultValue never extended */
  readonly sessionDuration?: number | undefined;
  /** The RBAC policy; wins over the store's own. A function is called at first use and every five minutes. */
  readonly policy?: Policy<Shape, Role> | (() => Promise<Policy<Shape, Role>>) | undefined;
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
  /**
   * A request that arrives less than so long before its token expires starts the renewal and is served with the session that is
   * still good; a later request gets the new credential. Needs a `coordinator` that processes share. @defaultValue 0: a token is
   * renewed once it has expired
   */
  readonly renewAhead?: number | undefined;
  /** Verified credentials kept in memory; size it by the live sessions. @defaultValue `{ maxEntries: 20_000 }` */
  readonly cache?: { readonly maxEntries: number } | false | undefined;
  /** Origins, beside the application's own, whose cross-site requests are served. `false` switches the check off. @defaultValue none */
  readonly csrf?: CsrfOptions | false | undefined;
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
  /** `false`: no `process.emitWarning` of trouble that needs a developer. @defaultValue `true`, once per reason */
  readonly warnings?: boolean | undefined;
  /** Brands the pages that people see: denials, failed sign-ins, the organization selection. @defaultValue plain pages */
  readonly pages?: PagesOptions | undefined;
}

/** How orgate's pages look. */
export interface PagesOptions {
  /** The application's name, above the heading and in the window's title. */
  readonly title?: string | undefined;
  /** The application's logo: a path on this origin, or an http(s) URL. @defaultValue none */
  readonly logoUrl?: string | undefined;
  /**
   * Returns the whole HTML document of a page in place of orgate's. If it throws or returns no text, orgate's page is sent
   * and the event `misconfigured` with reason `page_render_failed` reports it. Set a `Content-Security-Policy` on the response.
   */
  readonly render?:
    | RequestCallback<
        [page: PageView, request: IncomingMessage, response: ServerResponse],
        string | Promise<string>
      >
    | undefined;
}

/**
 * A function of the application's that gets a request. Compared as a method is: one that is written for Express's own
 * `Request` and `Response` fits as well, because they are what it gets where Express runs it.
 */
export type RequestCallback<Parameters extends readonly unknown[], Result> = {
  call(...parameters: Parameters): Result;
}["call"];

/** Room for every entry is allocated at once. */
const MAX_CACHE_ENTRIES = 10_000_000;

const isOrgatePolicy = (given: unknown): given is NonNullable<OrgateOptions["policy"]> =>
  isFunction(given) || isPolicy(given);

const PAGES_OPTIONS = schema<PagesOptions>()({
  title: optional(matching("a text", /\S/, "Pass your application's name.")),
  logoUrl: optional(imageUrl),
  render: optional(functionLike<NonNullable<PagesOptions["render"]>>()),
});

/** How the options of `orgate()` are read. */
export const ORGATE_OPTIONS = schema<OrgateOptions>()({
  baseUrl: requiredVariable(publicOrigin, BASE_URL_EXAMPLE),
  store: required(
    sessionStore,
    "Pass createAuthority({...}) of orgate/authority, or a SessionStore of your own.",
  ),
  cookie: optional(nested(COOKIE_OPTIONS, "Pass { password: process.env.COOKIE_PASSWORD }."), {}),
  credentials: optional(credentials, ["bearer", "cookie"]),
  maxTokenAge: optional(seconds({}, "Leave it out, and age does not matter.")),
  maxTokenLifetime: optional(orFalse(seconds({ above: 0 }, "Leave it at 86_400.")), 86_400),
  clockTolerance: optional(seconds({ max: 60 }, "Leave it at 5."), 5),
  sessionDuration: optional(seconds({ above: 0 }, "Leave it out, and no session is extended.")),
  policy: optional(
    must("a policy", isOrgatePolicy, "Pass definePolicy({...}) or a function that resolves to one."),
  ),
  signIn: optional(onlyMember("path", localPath("/sign-in"))),
  organizationSelection: optional(
    onlyMember("path", localPath("/select-organization")),
    "/select-organization",
  ),
  staleIfUnavailable: optional(seconds({}, "Leave it out for 0."), 0),
  coordinator: optional(
    withMethods<Coordinator>("a Coordinator", [
      "acquire",
      "remember",
      "recall",
      "publish",
      "subscribe",
      "close",
    ]),
  ),
  renewAhead: optional(seconds({}, "Leave it out, and a token is renewed once it has expired."), 0),
  cache: optional(
    orFalse(
      onlyMember(
        "maxEntries",
        wholeNumber({ min: 1, max: MAX_CACHE_ENTRIES }, "To switch the cache off, pass cache: false."),
      ),
    ),
    20_000,
  ),
  csrf: optional(orFalse(csrfOptions), []),
  attach: optional(orFalse(attachNames), DEFAULT_NAMES),
  ipAddress: optional(functionLike<NonNullable<OrgateOptions["ipAddress"]>>()),
  onDenied: optional(functionLike<NonNullable<OrgateOptions["onDenied"]>>()),
  events: optional(functionLike<NonNullable<OrgateOptions["events"]>>()),
  clock: optional(functionLike<Clock>(), systemClock),
  warnings: optional(trueOrFalse, true),
  pages: optional(nested(PAGES_OPTIONS, "Pass { title, logoUrl }."), {}),
});

/** The options of `orgate()` as its parts use them, with every default. */
export type ResolvedOptions = ReturnType<typeof resolveOptions>;

/**
 * Reads the options of `orgate()`, fills in the defaults and freezes the result.
 *
 * @throws ConfigurationError with every problem
 */
export function resolveOptions(given: unknown) {
  assertNotRequest(given);
  const example = "Call orgate({ baseUrl, store, cookie: { password } }).";
  const reading = readOptions(ORGATE_OPTIONS, given, "options", example);
  const { read, problems } = reading;
  const { origin, secure } = read.baseUrl ?? UNKNOWN_ORIGIN;
  const choices = read.credentials ?? [];
  const profile = read.store?.credential;
  const context = { origin, secure, storeName: profile?.cookieName, isRead: choices.includes("cookie") };
  const cookie = resolveCookie(read.cookie ?? {}, context, problems);
  const sources = listSources(choices, cookie, profile?.opaqueCookieName, problems);
  const isAlone = read.coordinator === undefined || isInProcess(read.coordinator);
  if ((read.renewAhead ?? 0) > 0 && isAlone) {
    const message = "needs a coordinator that the processes share.";
    problems.invalid("renewAhead", message, "Pass one as coordinator, or leave renewAhead out.");
  }
  const { signIn, organizationSelection, cache, csrf, attach, coordinator, maxTokenLifetime, ...rest } =
    reading.complete();
  return Object.freeze({
    ...rest,
    origin,
    secure,
    cookie,
    /** Where credentials are looked for, in the order of their precedence. */
    sources,
    signInPath: signIn,
    selectionPath: organizationSelection,
    /** Whether the application says itself where organizations are chosen. */
    namesSelectionPath: isObject(given) && given["organizationSelection"] !== undefined,
    /** 0: nothing is cached. */
    cacheEntries: cache === false ? 0 : cache,
    /** `undefined`: a token's `exp` alone counts. */
    maxTokenLifetime: maxTokenLifetime === false ? undefined : maxTokenLifetime,
    trustedOrigins: csrf === false ? [] : csrf,
    checksCrossSite: csrf !== false,
    /** `undefined`: nothing is attached. */
    names: attach === false ? undefined : attach,
    coordinator: coordinator ?? inProcessCoordinator(),
  });
}

/** Stands for a `baseUrl` with a problem, so that nothing else is found fault with because of it. */
const UNKNOWN_ORIGIN = { origin: "", secure: true };

function assertNotRequest(given: unknown): void {
  if (!isObject(given) || !("headers" in given && "method" in given)) return;
  throw configurationError(
    "option_invalid",
    "orgate",
    "was passed to a route without being called.",
    "Write const auth = orgate({ ... }), and app.use(auth).",
  );
}
