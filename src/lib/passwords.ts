import type { SealPasswords } from "./crypto.ts";
import type { Check } from "./options.ts";
import { describeValue } from "./problems.ts";
import { isObject, isString } from "./values.ts";

const MIN_PASSWORD_LENGTH = 32;
const MAX_PASSWORDS = 5;
const PASSWORD_FORMS = "Pass a string, an array with the newest first, or { 2: newest, 1: older }.";

/** What to do about a password that is missing or too short. */
export const GENERATE_PASSWORD = "Make one with: openssl rand -base64 32.";

/**
 * Accepts passwords: one, several with the newest first, or several by number, of which the highest seals. An empty string counts
 * as absent.
 */
export const passwords: Check<SealPasswords> = (given, report) => {
  if (given === "") return undefined;
  const numbered = numberPasswords(given);
  if (numbered === undefined || numbered.length === 0) {
    return report.invalid(`must be one or more passwords, but is ${describeValue(given)}.`, PASSWORD_FORMS);
  }
  if (numbered.length > MAX_PASSWORDS) {
    return report.invalid(`lists more than ${MAX_PASSWORDS} passwords.`, "Drop the oldest.");
  }
  const sealing: Record<number, string> = {};
  for (const [number, password] of numbered) {
    if (!isString(password) || password.length < MIN_PASSWORD_LENGTH) {
      return report.invalid(`must be at least ${MIN_PASSWORD_LENGTH} characters.`, GENERATE_PASSWORD);
    }
    sealing[number] = password;
  }
  return Object.freeze(sealing);
};

function numberPasswords(given: unknown): (readonly [number, unknown])[] | undefined {
  if (isString(given)) return [[1, given]];
  if (Array.isArray(given)) return given.map((password, index) => [given.length - index, password]);
  if (!isObject(given) || !Object.keys(given).every((id) => /^[1-9]\d{0,8}$/.test(id))) return undefined;
  return Object.entries(given).map(([id, password]) => [Number(id), password]);
}
