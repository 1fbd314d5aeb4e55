import type { IncomingMessage } from "node:http";
import { systemClock, type Clock } from "../clock.ts";
import type { Coordinator } from "../coordination/coordinator.ts";
import { inProcessCoordinator } from "../coordination/in-process.ts";
import { sanitizeReturnTo } from "../http/return-to.ts";
import type { AttachNames } from "../pipeline/attach.ts";
import type { CredentialSource } from "../pipeline/read-credential.ts";
import type { SessionStore } from "../stores/session-store.ts";
import { resolveCsrf, resolveOrigin } from "./resolve-origins.ts";
import { resolveCookie, type ResolvedCookie } from "./resolve-cookie.ts";
import type { OrgateOptions } from "./orgate-options.ts";
import { createProblems, isOptionObject, isSeconds, type Problems } from "./problems.ts";

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

const MAX_CLOCK_TOLERANCE = 60;
const DEFAULT_NAMES: AttachNames = {
  member: "member",
  organization: "organization",
  memberSession: "memberSession",
  verdict: "verdict",
};

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
  if (!isOptionObject(given)) {
    problems.missing("options", "Call orgate({ baseUrl, store, cookie: { password } }).");
    problems.throwIfAny();
  }
  const options = given as Record<string, unknown>;
  problems.unknown(options, KNOWN);
  const { origin, secure } = resolveOrigin(options["baseUrl"], problems);
  const store = resolveStore(options["store"], problems);
  const credentials = resolveCredentials(options["credentials"], problems);
  const csrf = resolveCsrf(options["csrf"], problems);
  const resolved: ResolvedOptions = {
    origin,
    secure,
    store,
    ...resolveCookieAndSources(options["cookie"], credentials, { secure, store }, problems),
    maxTokenAge: optionalSeconds(options, "maxTokenAge", problems),
    clockTolerance: secondsUpTo(options["clockTolerance"], 5, problems),
    sessionDuration: optionalSeconds(options, "sessionDuration", problems),
    policy: resolvePolicy(options["policy"], problems),
    signInPath: resolvePath(options, "signIn", problems),
    selectionPath: resolvePath(options, "organizationSelection", problems) ?? "/select-organization",
    staleIfUnavailable: optionalSeconds(options, "staleIfUnavailable", problems) ?? 0,
    coordinator: resolveCoordinator(options["coordinator"], problems),
    cacheEntries: resolveCacheEntries(options["cache"], problems),
    ...csrf,
    names: resolveNames(options["attach"], problems),
    ipAddress: optionalFunction(options, "ipAddress", problems),
    onDenied: optionalFunction(options, "onDenied", problems),
    events: optionalFunction(options, "events", problems),
    clock: optionalFunction<Clock>(options, "clock", problems) ?? systemClock,
  };
  problems.throwIfAny();
  return Object.freeze(resolved);
}

type CredentialChoice = "bearer" | "cookie" | { readonly jwtCookie: string };

function resolveCredentials(given: unknown, problems: Problems): readonly CredentialChoice[] {
  if (given === undefined) return ["bearer", "cookie"];
  const isChoice = (value: unknown): value is CredentialChoice =>
    value === "bearer" || value === "cookie" || (isOptionObject(value) && typeof value["jwtCookie"] === "string");
  if (!Array.isArray(given) || given.length === 0 || !given.every(isChoice)) {
    const forms = 'List "bearer", "cookie" or { jwtCookie: "name" }, in the order of their precedence.';
    problems.invalid("credentials", "does not say which credentials are read.", forms);
    return [];
  }
  if (new Set(given.map((choice) => JSON.stringify(choice))).size !== given.length) {
    problems.invalid("credentials", "lists one credential twice.", "List each once.");
  }
  return given;
}

function resolveCookieAndSources(
  given: unknown,
  credentials: readonly CredentialChoice[],
  { secure, store }: { readonly secure: boolean; readonly store: SessionStore },
  problems: Problems,
): Pick<ResolvedOptions, "cookie" | "sources"> {
  const profile = store.credential;
  const required = credentials.includes("cookie");
  const cookie = resolveCookie(given, { secure, storeName: profile?.cookieName, required }, problems);
  const sources = credentials.map((choice): CredentialSource => {
    if (choice === "bearer") return { kind: "bearer" };
    return choice === "cookie"
      ? { kind: "sealed", cookieName: cookie.name }
      : { kind: "jwt_cookie", cookieName: choice.jwtCookie };
  });
  const readsJwtCookie = sources.some(({ kind }) => kind === "jwt_cookie");
  if (profile?.opaqueCookieName !== undefined && readsJwtCookie) {
    sources.push({ kind: "opaque", cookieName: profile.opaqueCookieName });
  }
  return { cookie, sources };
}

function resolveStore(given: unknown, problems: Problems): SessionStore {
  const isStore =
    isOptionObject(given) &&
    isOptionObject(given["tokens"]) &&
    isOptionObject(given["capabilities"]) &&
    typeof given["interpret"] === "function" &&
    typeof given["renew"] === "function";
  if (given === undefined) {
    problems.missing("store", "Pass createAuthority({…}) of orgate/authority, or a SessionStore of your own.");
  } else if (!isStore) {
    problems.invalid("store", "is not a SessionStore.", "It has tokens, capabilities, interpret() and renew().");
  }
  return isStore ? (given as unknown as SessionStore) : ({} as SessionStore);
}

function resolvePolicy(given: unknown, problems: Problems): OrgateOptions["policy"] {
  const isPolicy = isOptionObject(given) && typeof given["grantingRoles"] === "function";
  if (given !== undefined && typeof given !== "function" && !isPolicy) {
    problems.invalid("policy", "is not a policy.", "Pass definePolicy({…}) or a function that resolves to one.");
  }
  return given as OrgateOptions["policy"];
}

function resolvePath(options: Record<string, unknown>, option: string, problems: Problems): string | undefined {
  const given = options[option];
  if (given === undefined) return undefined;
  if (isOptionObject(given)) problems.unknown(given, ["path"], `${option}.`);
  const path = isOptionObject(given) ? given["path"] : undefined;
  if (typeof path !== "string" || sanitizeReturnTo(path) !== path || /[?#]/.test(path)) {
    problems.invalid(`${option}.path`, "is not a path on this origin.", 'Pass { path: "/sign-in" }, without a query.');
    return undefined;
  }
  return path;
}

function resolveCoordinator(given: unknown, problems: Problems): Coordinator {
  if (given === undefined) return inProcessCoordinator();
  const methods = ["acquire", "remember", "recall", "publish", "subscribe", "close"];
  if (!isOptionObject(given) || methods.some((method) => typeof given[method] !== "function")) {
    problems.invalid("coordinator", "is not a Coordinator.", `It has ${methods.join("(), ")}().`);
  }
  return given as unknown as Coordinator;
}

function resolveCacheEntries(given: unknown, problems: Problems): number {
  if (given === undefined) return 20_000;
  if (given === false) return 0;
  if (isOptionObject(given)) problems.unknown(given, ["maxEntries"], "cache.");
  const entries = isOptionObject(given) ? given["maxEntries"] : undefined;
  if (typeof entries === "number" && Number.isSafeInteger(entries) && entries > 0) return entries;
  problems.invalid("cache.maxEntries", "is not a whole number above 0.", "To switch the cache off, pass cache: false.");
  return 0;
}

function resolveNames(given: unknown, problems: Problems): AttachNames | undefined {
  if (given === false) return undefined;
  if (given !== undefined && !isOptionObject(given)) {
    problems.invalid("attach", "is neither an object nor false.", 'Pass { organization: "tenant" }.');
    return undefined;
  }
  const known = Object.keys(DEFAULT_NAMES);
  problems.unknown(given ?? {}, known, "attach.");
  const names = Object.freeze({ ...DEFAULT_NAMES, ...given }) as AttachNames;
  const values = known.map((property) => names[property as keyof AttachNames]);
  if (values.some((name) => typeof name !== "string" || !/^[a-z_$][\w$]*$/i.test(name))) {
    problems.invalid("attach", "has a name that is not a property name.", "Use letters, digits and _.");
  } else if (new Set(values).size !== values.length) {
    problems.invalid("attach", "gives two properties one name.", "Each needs a name of its own.");
  }
  return names;
}

function optionalSeconds(options: Record<string, unknown>, option: string, problems: Problems): number | undefined {
  const given = options[option];
  if (given === undefined || isSeconds(given)) return given;
  problems.invalid(option, "is not a finite number of seconds, 0 or more.", "Check the variable it comes from.");
  return undefined;
}

function secondsUpTo(given: unknown, fallback: number, problems: Problems): number {
  if (given === undefined) return fallback;
  if (isSeconds(given) && given <= MAX_CLOCK_TOLERANCE) return given;
  problems.invalid("clockTolerance", `is not between 0 and ${MAX_CLOCK_TOLERANCE} seconds.`, "Leave it at 5.");
  return fallback;
}

function optionalFunction<Given>(options: Record<string, unknown>, option: string, problems: Problems): Given | undefined {
  const given = options[option];
  if (given !== undefined && typeof given !== "function") {
    problems.invalid(option, "is not a function.", "Leave it out for the default.");
  }
  return given as Given | undefined;
}
