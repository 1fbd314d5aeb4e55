import { OrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";

/** Written out in UTF-8, all lone surrogates become one character: two ids, one identity. */
const LONE_SURROGATE = /\p{Surrogate}/u;
const MAX_ID_LENGTH = 512;
const MAX_CUSTOM_CLAIMS = 4096;
const MAX_FACTORS = 16;
// Both lists of an authentication at their limit still make a token that a strict reader takes.
const MAX_DEPTH = 5;
const MAX_KEYS = 96;

/** The input is not what the operation asks for; names the field, never quotes it. */
export function invalidRequest(message: string, reason?: string): OrgateError {
  return new OrgateError("invalid_request", { message, ...(reason !== undefined && { reason }) });
}

/** A non-empty string that can name somebody. */
export function checkId(name: string, value: unknown): string {
  if (
    typeof value === "string" &&
    value !== "" &&
    value.length <= MAX_ID_LENGTH &&
    !LONE_SURROGATE.test(value)
  ) {
    return value;
  }
  throw invalidRequest(`${name} must be a non-empty string of at most ${MAX_ID_LENGTH} characters.`);
}

/** An id, or nothing. */
export function checkOptionalId(name: string, value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : checkId(name, value);
}

/** A token as somebody sent it: a string. What it is worth is decided elsewhere. */
export function checkToken(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw invalidRequest(`${name} must be a string.`);
}

/** A token as somebody sent it, or nothing. */
export function checkOptionalToken(name: string, value: unknown): string | undefined {
  return value === undefined || value === null ? undefined : checkToken(name, value);
}

/** A finite number within limits, or nothing. */
export function checkOptionalNumber(
  name: string,
  value: unknown,
  limits: { readonly least: number; readonly most: number },
): number | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && value >= limits.least && value <= limits.most) return value;
  throw invalidRequest(`${name} must be a number from ${limits.least} to ${limits.most}.`);
}

/** Role slugs. */
export function checkRoles(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((role) => typeof role === "string" && role !== ""))
    return [...value];
  throw invalidRequest("roles must be an array of role slugs.");
}

/** An e-mail address, as far as a form can tell. */
export function checkEmailAddress(value: unknown): string {
  if (typeof value === "string" && value.length <= 320 && /^[^\s@]+@[^\s@]+$/.test(value)) return value;
  throw invalidRequest("emailAddress must be an e-mail address.");
}

/** Claims of the application's own, copied; `null` where there are none. */
export function checkCustomClaims(value: unknown): Readonly<Record<string, unknown>> | null {
  if (value === undefined || value === null) return null;
  const copy = copyJson("customClaims", value);
  if (!isObject(copy)) throw invalidRequest("customClaims must be an object.");
  if (Buffer.byteLength(JSON.stringify(copy)) > MAX_CUSTOM_CLAIMS) {
    throw invalidRequest(`customClaims must not exceed ${MAX_CUSTOM_CLAIMS} bytes of JSON.`);
  }
  return Object.keys(copy).length === 0 ? null : copy;
}

/** Authentication factors, copied, or nothing. */
export function checkOptionalFactors(value: unknown): readonly AuthenticationFactor[] | undefined {
  return value === undefined || value === null ? undefined : checkFactors(value);
}

/** Authentication factors, copied. */
export function checkFactors(value: unknown): readonly AuthenticationFactor[] {
  const copy = copyJson("authenticationFactors", value);
  const isList = Array.isArray(copy) && copy.length <= MAX_FACTORS;
  if (isList && copy.every(isFactor)) return copy;
  throw invalidRequest(
    `authenticationFactors must be an array of at most ${MAX_FACTORS} factors with a type.`,
  );
}

/** Who impersonates, or nobody. */
export function checkImpersonator(value: unknown): Impersonator | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object") throw invalidRequest("impersonator must be an object.");
  const email = checkId("impersonator.email", Reflect.get(value, "email"));
  const reason = checkOptionalId("impersonator.reason", Reflect.get(value, "reason"));
  return { email, ...(reason !== undefined && { reason }) };
}

function isFactor(value: unknown): value is AuthenticationFactor {
  return isObject(value) && typeof value["type"] === "string" && value["type"] !== "";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What JSON makes of a value; refuses what a strict reader of the token would refuse. */
function copyJson(name: string, value: unknown): unknown {
  let text: string | undefined;
  try {
    text = JSON.stringify(value);
  } catch {
    throw invalidRequest(`${name} must be JSON.`);
  }
  if (text === undefined) throw invalidRequest(`${name} must be JSON.`);
  const copy: unknown = JSON.parse(text);
  const budget = { keys: MAX_KEYS };
  if (!isPlain(copy, MAX_DEPTH, budget)) {
    throw invalidRequest(
      `${name} must be JSON of at most ${MAX_DEPTH} levels and ${MAX_KEYS} keys, without "__proto__".`,
    );
  }
  return copy;
}

function isPlain(value: unknown, depth: number, budget: { keys: number }): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (depth === 0) return false;
  if (Array.isArray(value)) return value.every((entry) => isPlain(entry, depth - 1, budget));
  const keys = Object.keys(value);
  budget.keys -= keys.length;
  if (budget.keys < 0 || keys.includes("__proto__")) return false;
  return Object.values(value).every((entry) => isPlain(entry, depth - 1, budget));
}
