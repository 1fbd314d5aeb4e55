import { toCamelCase } from "../../lib/case.ts";
import { isObject, isString } from "../../lib/predicates.ts";

/** Reads one field of a directory's entity; anything of another type counts as absent. */
export type FieldReader = (value: unknown) => unknown;

/** A string. */
export function textField(otherwise: string | null): FieldReader {
  return (value) => (isString(value) ? value : otherwise);
}

/** `true`; anything else is `false`. */
export function flagField(value: unknown): boolean {
  return value === true;
}

/** A list. */
export function listField(convert: (item: unknown) => unknown): FieldReader {
  return (value) => (Array.isArray(value) ? value.map(convert) : []);
}

/** An object. */
export function objectField(
  otherwise: object | null,
  convert: (value: unknown) => unknown = (value) => value,
): FieldReader {
  return (value) => (isObject(value) ? convert(value) : otherwise);
}

/**
 * Reads the further fields that a directory keeps of a user, an organization or a membership.
 *
 * @param readers - by the protocol's name. The directory keeps a field in camelCase, without the prefix.
 */
export function readEntity(
  entity: object,
  readers: Readonly<Record<string, FieldReader>>,
  prefix = "",
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(readers).map(([name, read]) => {
      const key = toCamelCase(name.startsWith(prefix) ? name.slice(prefix.length) : name);
      return [name, read(Reflect.get(entity, key))];
    }),
  );
}
