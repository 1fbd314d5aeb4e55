import type { IncomingMessage } from "node:http";
import { systemClock, type Clock } from "../clock.ts";
import type { Coordinator } from "../coordination/coordinator.ts";
import type { AttachNames } from "../pipeline/attach.ts";
import type { CredentialSource } from "../pipeline/read-credential.ts";
import type { SessionStore } from "../stores/session-store.ts";
import type { OrgateOptions } from "./orgate-options.ts";
import { createProblems, isOptionObject, type Problems } from "./problems.ts";
import type { ResolvedCookie } from "./resolve-cookie.ts";
import { resolveCookieAndSources, resolveCredentials } from "./resolve-credentials.ts";
import { resolveCsrf, resolveOrigin } from "./resolve-origins.ts";
import { resolveCoordinator, resolvePolicy, resolveStore } from "./resolve-seams.ts";
import {
  optionalFunction,
  optionalExtension,
  optionalSeconds,
  resolveCacheEntries,
  resolveNames,
  resolvePath,
  secondsUpTo,
} from "./resolve-simple.ts";

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
