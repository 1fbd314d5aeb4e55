import { OrgateError } from "../errors.ts";
import { isListOf, isObject, isText, isWellFormedText } from "../lib/values.ts";
import type { AuthenticationFactor, Impersonator } from "../model.ts";
import { isFactor } from "./records.ts";

/** The longest lifetime that may be asked for, in seconds: 366 days. */
export const MAX_LIFETIME = 366 * 86_400;

const MAX_ID_LENGTH = 512;
const MAX_CUSTOM_CLAIMS_BYTES = 4096;
const MAX_FACTORS = 16;
// Both lists of an authentication at their limit still make a token that a strict reader accepts.
const MAX_JSON_DEPTH = 5;
const MAX_JSON_KEYS = 96;

/** Where a request came from; recorded on the session that it opens. */
export interface RequestOrigin {
  /** At most 45 characters are kept. */
  readonly ipAddress?: string | undefined;
  /** At most 512 characters are kept, without control characters. */
  readonly userAgent?: string | undefined;
}

/** Checks one field, and returns it, or a copy; throws `invalid_request`. */
export type FieldCheck<Value> = (name: string, value: unknown) => Value;

/**
 * Checks the input of an operation, or an object within it, field by field.
 *
 * @param within - the name of the object within the input.
 * @throws `invalid_request`, which names the field and never quotes it.
 */
export function checkFields<Checks extends Readonly<Record<string, FieldCheck<unknown>>>>(
  input: unknown,
  checks: Checks,
  within?: string,
): { readonly [Name in keyof Checks]: ReturnType<Checks[Name]> };
export function checkFields(
  input: unknown,
  checks: Readonly<Record<string, FieldCheck<unknown>>>,
  within?: string,
): Readonly<Record<string, unknown>> {
  if (!isObject(input)) throw invalidRequest(`${within ?? "The input"} must be an object.`);
  const prefix = within === undefined ? "" : `${within}.`;
  const fields = Object.entries(checks);
  return Object.fromEntries(fields.map(([name, check]) => [name, check(prefix + name, input[name])]));
}

/** Returns the one of several fields that is given, and its value; throws `invalid_request` for none or more than one. */
export function checkOneOf<Name extends string>(
  input: unknown,
  names: readonly Name[],
): readonly [name: Name, value: unknown] {
  const given = names.flatMap((name) => {
    const value = isObject(input) ? input[name] : undefined;
    return value === undefined ? [] : [[name, value] as const];
  });
  const [only, ...others] = given;
  if (only !== undefined && others.length === 0) return only;
  throw invalidRequest(`Pass exactly one of ${names.join(", ")}.`);
}

/** Makes the error for input that an operation does not accept. Name the field; never quote it. */
export function invalidRequest(message: string, reason?: string): OrgateError {
  return new OrgateError("invalid_request", { message, ...(reason !== undefined && { reason }) });
}

/** Lets a field be absent; `null` counts as absent. */
export function optionalField<Value>(check: FieldCheck<Value>): FieldCheck<Value | undefined> {
  return (name, value) => (value === undefined || value === null ? undefined : check(name, value));
}

/** Checks a string that can name a user, an organization or the like. */
export function checkId(name: string, value: unknown): string {
  if (isWellFormedText(value) && value.length <= MAX_ID_LENGTH) return value;
  throw invalidRequest(`${name} must be a non-empty string of at most ${MAX_ID_LENGTH} characters.`);
}

/** Checks that a token is a string. Whether it is valid is decided elsewhere. */
export function checkToken(name: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw invalidRequest(`${name} must be a string.`);
}

/** Makes the check of a number within limits. */
export function numberFrom(least: number, most: number): FieldCheck<number> {
  return (name, value) => {
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw invalidRequest(`${name} must be a number from ${least} to ${most}.`);
  };
}

/** Checks role slugs. */
export function checkRoles(name: string, value: unknown): readonly string[] {
  if (isListOf(value, isText)) return [...value];
  throw invalidRequest(`${name} must be an array of role slugs.`);
}

/** Checks the form of an e-mail address. */
export function checkEmailAddress(name: string, value: unknown): string {
  if (isText(value) && value.length <= 320 && /^[^\s@]+@[^\s@]+$/.test(value)) return value;
  throw invalidRequest(`${name} must be an e-mail address.`);
}

/** Checks claims of the application, and copies them; `null` if there are none. */
export function checkCustomClaims(name: string, value: unknown): Readonly<Record<string, unknown>> | null {
  if (value === undefined || value === null) return null;
  const copy = copyJson(name, value);
  if (!isObject(copy)) throw invalidRequest(`${name} must be an object.`);
  if (Buffer.byteLength(JSON.stringify(copy)) > MAX_CUSTOM_CLAIMS_BYTES) {
    throw invalidRequest(`${name} must not exceed ${MAX_CUSTOM_CLAIMS_BYTES} bytes of JSON.`);
  }
  return Object.keys(copy).length === 0 ? null : copy;
}

/** Checks authentication factors, and copies them. */
export function checkFactors(name: string, value: unknown): readonly AuthenticationFactor[] {
  const copy = copyJson(name, value);
  const factors = Array.isArray(copy) ? copy.map(withoutNulls) : copy;
  if (isListOf(factors, isFactor) && factors.length <= MAX_FACTORS) return factors;
  throw invalidRequest(`${name} must be an array of at most ${MAX_FACTORS} factors with a type.`);
}

/** Returns the origin of a request as it is recorded; drops what is not text. */
export function cleanOrigin({ ipAddress, userAgent }: RequestOrigin): {
  ipAddress?: string;
  userAgent?: string;
} {
  const address = cleanText(ipAddress, 45);
  const agent = cleanText(userAgent, 512);
  return { ...(address !== "" && { ipAddress: address }), ...(agent !== "" && { userAgent: agent }) };
}

function cleanText(text: unknown, length: number): string {
  if (!isText(text)) return "";
  // Line breaks and terminal codes have no business in a log.
  return text
    .replaceAll(/\p{Cc}/gu, "")
    .trim()
    .slice(0, length);
}

/** Checks who impersonates. */
export function checkImpersonator(name: string, value: unknown): Impersonator {
  const { email, reason } = checkFields(value, { email: checkId, reason: optionalField(checkId) }, name);
  return { email, ...(reason !== undefined && { reason }) };
}

/** Databases say null for what a factor does not have. */
function withoutNulls(factor: unknown): unknown {
  if (!isObject(factor)) return factor;
  return Object.fromEntries(Object.entries(factor).filter(([, value]) => value !== null));
}

/** Copies a value as JSON; refuses what a strict reader of the token would refuse. */
function copyJson(name: string, value: unknown): unknown {
  const copy = throughJson(name, value);
  const budget = { keys: MAX_JSON_KEYS };
  if (isWithinLimits(copy, MAX_JSON_DEPTH, budget)) return copy;
  throw invalidRequest(
    `${name} must be JSON of at most ${MAX_JSON_DEPTH} levels and ${MAX_JSON_KEYS} keys, without "__proto__".`,
  );
}

function throughJson(name: string, value: unknown): unknown {
  try {
    return JSON.parse(JSON.stringify(value));
  } catch (cause) {
    throw new OrgateError("invalid_request", { message: `${name} must be JSON.`, cause });
  }
}

function isWithinLimits(value: unknown, depth: number, budget: { keys: number }): boolean {
  if (!isObject(value) && !Array.isArray(value)) return true;
  if (depth === 0) return false;
  if (isObject(value)) {
    const keys = Object.keys(value);
    budget.keys -= keys.length;
    if (budget.keys < 0 || keys.includes("__proto__")) return false;
  }
  return Object.values(value).every((member) => isWithinLimits(member, depth - 1, budget));
}
