import { sanitizeReturnTo } from "../http/return-to.ts";
import type { AttachNames } from "../pipeline/attach.ts";
import type { OrgateOptions } from "./orgate-options.ts";
import { isOptionObject, isSeconds, type Problems } from "./problems.ts";
import { isReservedName } from "./reserved-names.ts";

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
