import { toCamelCase, toSnakeCase } from "../../lib/case.ts";
import { normalizeTime } from "../../lib/clock.ts";
import { isFiniteNumber, isObject, isString } from "../../lib/values.ts";

/**
 * Reads one field of a row of the directory for a body. Clients in typed languages fail on a value of another type, so
 * each reader answers with its own type, or with the value for an absent field.
 */
export type FieldReader = (value: unknown) => unknown;

/** Readers by the protocol's names. */
export type FieldReaders = Readonly<Record<string, FieldReader>>;

/** A string; a number is written as one. */
export function textField(otherwise: string | null | undefined): FieldReader {
  return (value) => toText(value) ?? otherwise;
}

/** `true`; anything else is `false`. */
export function flagField(value: unknown): boolean {
  return value === true;
}

/** A time, in any form that databases write. */
export function timeField(
  otherwise: string | null,
  write: (time: string) => string = (time) => time,
): FieldReader {
  return (value) => {
    const time = normalizeTime(value);
    return time === undefined ? otherwise : write(time);
  };
}

/** One of the words of an enumeration. */
export function wordField(words: ReadonlySet<string>, otherwise: string | undefined): FieldReader {
  return (value) => (isString(value) && words.has(value) ? value : otherwise);
}

/** A list of strings. */
export function textsField(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.map(toText).filter(isString) : [];
}

/** A list of objects with the fields named, and the further fields they have. */
export function objectsField(readers: FieldReaders): FieldReader {
  const read = objectField(null, readers);
  return (value) => (Array.isArray(value) ? value.filter(isObject).map(read) : []);
}

/** An object with the fields named, and the further fields it has. */
export function objectField(otherwise: null | undefined, readers: FieldReaders): FieldReader {
  return (value) =>
    isObject(value) ? { ...snakeCaseMembers(value), ...readEntity(value, readers) } : otherwise;
}

/** An object whose members the application names. */
export function freeField(otherwise: object | null): FieldReader {
  return (value) => (isObject(value) ? value : otherwise);
}

/** An object whose members are strings: anything else is written as one, objects as JSON. */
export function textMapField(value: unknown): Readonly<Record<string, string>> {
  if (!isObject(value)) return {};
  const entries = Object.entries(value).filter(([, member]) => member !== null);
  return Object.fromEntries(
    entries.map(([name, member]) => [name, toText(member) ?? JSON.stringify(member)]),
  );
}

/**
 * Reads the further fields that a directory keeps of a user, an organization or a membership.
 *
 * @param readers - by the protocol's name. The directory keeps a field in camelCase, without the prefix; objects that a service
 * sent are often kept as they came.
 */
export function readEntity(entity: object, readers: FieldReaders, prefix = ""): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(readers).map(([name, read]) => {
      const key = toCamelCase(name.startsWith(prefix) ? name.slice(prefix.length) : name);
      const value: unknown = Reflect.get(entity, key) ?? Reflect.get(entity, name);
      return [name, read(value)];
    }),
  );
}

/** Names of free-form members: the application names what is below them. */
const FREE_FORM = /(?:attributes|metadata|details)$/i;

/** Copies an object with the names of its members in snake_case, at every depth except below free-form members. */
export function snakeCaseMembers(value: object): Record<string, unknown> {
  const members = Object.entries(value).map(([name, member]) => [
    toSnakeCase(name),
    FREE_FORM.test(name) ? member : snakeCaseValue(member),
  ]);
  return Object.fromEntries(members);
}

/** Copies a value like {@link snakeCaseMembers}. */
export function snakeCaseValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCaseValue);
  return isObject(value) ? snakeCaseMembers(value) : value;
}

function toText(value: unknown): string | undefined {
  if (isString(value)) return value;
  return isFiniteNumber(value) ? String(value) : undefined;
}
