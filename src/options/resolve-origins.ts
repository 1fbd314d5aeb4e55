import { isOptionObject, type Problems } from "./problems.ts";

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
