import type { JsonObject } from "./json-client.ts";

/** Turns a name in snake_case into camelCase: `email_address` into `emailAddress`. */
export function toCamelCase(name: string): string {
  return name.replaceAll(/(?<=[a-z\d])_([a-z\d])/g, (_, letter: string) => letter.toUpperCase());
}

/** Turns a name in camelCase into snake_case: `emailAddress` into `email_address`. */
export function toSnakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** Copies an object with its own member names in camelCase; the values stay as they are. */
export function camelCaseKeys(source: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(source).map(([name, value]) => [toCamelCase(name), value]));
}

/** The characters that NFC turns into ASCII: ";", "`" and "K". */
const NORMALIZED_TO_ASCII = /([\u037E\u1FEF\u212A])/;

/**
 * Returns the form in which e-mail addresses are compared: NFC, and ASCII letters in lower case. Other letters stay as they are:
 * some of them fold to an ASCII letter (the Kelvin sign to "k"), and an address with one is another person's.
 */
export function foldEmailAddress(emailAddress: string): string {
  const parts = emailAddress.split(NORMALIZED_TO_ASCII);
  const normalized = parts.map((part) => (NORMALIZED_TO_ASCII.test(part) ? part : part.normalize("NFC")));
  return normalized.join("").replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}
