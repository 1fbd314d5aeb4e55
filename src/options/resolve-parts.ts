import { type Coordinator, inProcessCoordinator } from "../fleet/coordinator.ts";
import { sanitizeReturnTo } from "../lib/navigation.ts";
import { type Problems, isOptionObject, isSeconds } from "../lib/problems.ts";
import type { AttachNames } from "../request/request-auth.ts";
import type { Algorithm, SessionStore } from "../store.ts";
import { type OrgateOptions, isReservedName } from "./options.ts";

const MAX_CLOCK_TOLERANCE = 60;
/** Room for every entry is taken at once. */
const MOST_ENTRIES = 10_000_000;
const DEFAULT_NAMES: AttachNames = {
  member: "member",
  organization: "organization",
  memberSession: "memberSession",
  verdict: "verdict",
};

/** Validates `{ path }` of an option; the example is for whoever got it wrong. */
export function resolvePath(
  options: Record<string, unknown>,
  option: "signIn" | "organizationSelection",
  example: string,
  problems: Problems,
): string | undefined {
  const given = options[option];
  if (given === undefined) return undefined;
  if (isOptionObject(given)) problems.unknown(given, ["path"], `${option}.`);
  const path = isOptionObject(given) ? given["path"] : undefined;
  if (typeof path !== "string" || sanitizeReturnTo(path) !== path || /[?#]/.test(path)) {
    problems.invalid(
      `${option}.path`,
      "is not a path on this origin.",
      `Pass { path: "${example}" }, without a query.`,
    );
    return undefined;
  }
  return path;
}

/** Validates `cache`; 0 switches it off. */
export function resolveCacheEntries(given: unknown, problems: Problems): number {
  if (given === undefined) return 20_000;
  if (given === false) return 0;
  if (isOptionObject(given)) problems.unknown(given, ["maxEntries"], "cache.");
  const entries = isOptionObject(given) ? given["maxEntries"] : undefined;
  if (typeof entries === "number" && Number.isInteger(entries) && entries > 0 && entries <= MOST_ENTRIES) {
    return entries;
  }
  problems.invalid(
    "cache.maxEntries",
    `is not a whole number from 1 to ${MOST_ENTRIES}.`,
    "To switch the cache off, pass cache: false.",
  );
  return 0;
}

/** Validates `attach`. */
export function resolveNames(given: unknown, problems: Problems): AttachNames | undefined {
  if (given === false) return undefined;
  if (given !== undefined && !isOptionObject(given)) {
    problems.invalid("attach", "is neither an object nor false.", 'Pass { organization: "tenant" }.');
    return undefined;
  }
  const known = Object.keys(DEFAULT_NAMES);
  problems.unknown(given ?? {}, known, "attach.");
  const named = Object.entries(given ?? {}).filter(([, name]) => name !== undefined);
  const names = Object.freeze({ ...DEFAULT_NAMES, ...Object.fromEntries(named) }) as AttachNames;
  const values = known.map((property) => names[property as keyof AttachNames]);
  if (values.some((name) => typeof name !== "string" || !/^[a-z_$][\w$]*$/i.test(name))) {
    problems.invalid("attach", "has a name that is not a property name.", "Use letters, digits and _.");
  } else if (values.some(isReservedName)) {
    problems.invalid("attach", "has a name that the request needs itself.", "Choose another.");
  } else if (new Set(values).size !== values.length) {
    problems.invalid("attach", "gives two properties one name.", "Each needs a name of its own.");
  }
  return names;
}

/** Validates a duration that may be absent. */
export function optionalSeconds(
  options: Record<string, unknown>,
  option: string,
  problems: Problems,
): number | undefined {
  const given = options[option];
  if (given === undefined || isSeconds(given)) return given;
  problems.invalid(
    option,
    "is not a finite number of seconds, 0 or more.",
    "Check the variable it comes from.",
  );
  return undefined;
}

/** Validates `sessionDuration`: by nothing there is nothing to extend. */
export function optionalExtension(given: unknown, problems: Problems): number | undefined {
  if (given === undefined || (isSeconds(given) && given > 0)) return given;
  problems.invalid(
    "sessionDuration",
    "is not a finite number of seconds above 0.",
    "Leave it out, and no session is extended.",
  );
  return undefined;
}

/** Validates `clockTolerance`. */
export function secondsUpTo(given: unknown, fallback: number, problems: Problems): number {
  if (given === undefined) return fallback;
  if (isSeconds(given) && given <= MAX_CLOCK_TOLERANCE) return given;
  problems.invalid(
    "clockTolerance",
    `is not between 0 and ${MAX_CLOCK_TOLERANCE} seconds.`,
    "Leave it at 5.",
  );
  return fallback;
}

/** Validates a callback that may be absent. */
export function optionalFunction<Name extends "ipAddress" | "onDenied" | "events" | "clock">(
  options: Record<string, unknown>,
  option: Name,
  problems: Problems,
): OrgateOptions[Name] {
  const given = options[option];
  if (given !== undefined && typeof given !== "function") {
    problems.invalid(option, "is not a function.", "Leave it out for the default.");
  }
  return given as OrgateOptions[Name];
}

/** Validates `store` by its shape. */
export function resolveStore(given: unknown, problems: Problems): SessionStore {
  const isStore =
    isOptionObject(given) &&
    isOptionObject(given["tokens"]) &&
    isOptionObject(given["capabilities"]) &&
    typeof given["interpret"] === "function" &&
    typeof given["renew"] === "function";
  if (given === undefined) {
    problems.missing(
      "store",
      "Pass createAuthority({...}) of orgate/authority, or a SessionStore of your own.",
    );
  } else if (!isStore) {
    problems.invalid(
      "store",
      "is not a SessionStore.",
      "It has tokens, capabilities, interpret() and renew().",
    );
  }
  if (!isStore) return {} as SessionStore;
  checkTokens(given["tokens"] as Record<string, unknown>, problems);
  return given as unknown as SessionStore;
}

const ALGORITHMS: readonly unknown[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"] satisfies Algorithm[];

function checkTokens(tokens: Record<string, unknown>, problems: Problems): void {
  const { keys, issuers, audience, algorithms, types, sessionClaim } = tokens;
  if (!isOptionObject(keys) || typeof keys["load"] !== "function") {
    problems.invalid("store.tokens.keys", "is not a source of keys.", "It has load(). See remoteKeys().");
  }
  if (!isListOfStrings(issuers)) {
    problems.invalid("store.tokens.issuers", "is not a list.", "List every iss that is accepted.");
  }
  if (audience !== undefined && !(isListOfStrings(audience) && audience.length > 0)) {
    problems.invalid("store.tokens.audience", "is not a list.", "List every aud that is accepted.");
  }
  if (
    !isListOfStrings(algorithms) ||
    algorithms.length === 0 ||
    !algorithms.every((name) => ALGORITHMS.includes(name))
  ) {
    problems.invalid(
      "store.tokens.algorithms",
      "is not a list of algorithms.",
      `Known: ${ALGORITHMS.join(", ")}.`,
    );
  }
  if (!isListOfStrings(types) || types.length === 0) {
    problems.invalid("store.tokens.types", "is not a list.", 'List every typ that is accepted: "JWT".');
  }
  if (typeof sessionClaim !== "string" || sessionClaim === "") {
    problems.invalid("store.tokens.sessionClaim", "names no claim.", 'Pass "sid", say.');
  }
}

function isListOfStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

/** Validates `policy` by its shape. */
export function resolvePolicy(given: unknown, problems: Problems): OrgateOptions["policy"] {
  const isPolicy =
    isOptionObject(given) &&
    typeof given["grantingRoles"] === "function" &&
    typeof given["declares"] === "function";
  if (given !== undefined && typeof given !== "function" && !isPolicy) {
    problems.invalid(
      "policy",
      "is not a policy.",
      "Pass definePolicy({...}) or a function that resolves to one.",
    );
  }
  return given as OrgateOptions["policy"];
}

/** Validates `coordinator` by its shape. */
export function resolveCoordinator(given: unknown, problems: Problems): Coordinator {
  if (given === undefined) return inProcessCoordinator();
  const methods = ["acquire", "remember", "recall", "publish", "subscribe", "close"];
  if (!isOptionObject(given) || methods.some((method) => typeof given[method] !== "function")) {
    problems.invalid("coordinator", "is not a Coordinator.", `It has ${methods.join("(), ")}().`);
  }
  return given as unknown as Coordinator;
}

/** Validates `baseUrl`: an http or https origin, and nothing after it. */
export function resolveOrigin(
  given: unknown,
  problems: Problems,
): { readonly origin: string; readonly secure: boolean } {
  const example = 'Pass the public origin: "https://app.example.com".';
  if (given === undefined || given === "") {
    problems.missing("baseUrl", example);
    return { origin: "", secure: true };
  }
  const parsed = typeof given === "string" && URL.canParse(given) ? new URL(given) : undefined;
  if (parsed === undefined || !["http:", "https:"].includes(parsed.protocol)) {
    problems.invalid("baseUrl", "is not an http or https URL.", example);
    return { origin: "", secure: true };
  }
  if (parsed.href !== `${parsed.origin}/`) {
    problems.invalid("baseUrl", "holds more than an origin.", example);
  }
  return { origin: parsed.origin, secure: parsed.protocol === "https:" };
}

/** What `csrf` comes to. */
export interface ResolvedCsrf {
  readonly trustedOrigins: readonly string[];
  readonly checksCrossSite: boolean;
}

/** Validates `csrf.trustedOrigins`: exact origins, or one `*` in place of one label. */
export function resolveCsrf(given: unknown, problems: Problems): ResolvedCsrf {
  if (given === false) return { trustedOrigins: [], checksCrossSite: false };
  if (given === undefined) return { trustedOrigins: [], checksCrossSite: true };
  if (isOptionObject(given)) problems.unknown(given, ["trustedOrigins"], "csrf.");
  const origins = isOptionObject(given) ? (given["trustedOrigins"] ?? []) : undefined;
  if (!Array.isArray(origins) || !origins.every(isOriginOrPattern)) {
    const forms = 'List origins: "https://admin.example.com", or "https://*.example.com" for any one label.';
    problems.invalid("csrf.trustedOrigins", "is not a list of origins.", forms);
    return { trustedOrigins: [], checksCrossSite: true };
  }
  return { trustedOrigins: origins, checksCrossSite: true };
}

function isOriginOrPattern(value: unknown): value is string {
  if (typeof value !== "string" || !/^https?:\/\//.test(value)) return false;
  const stars = value.split("*").length - 1;
  if (stars > 1 || (stars === 1 && !/^https?:\/\/\*\.[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::\d+)?$/i.test(value)))
    return false;
  const sample = value.replace("*", "any");
  return URL.canParse(sample) && new URL(sample).origin === sample;
}
