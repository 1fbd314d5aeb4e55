import { toSnakeCase } from "../lib/case.ts";
import type { JsonObject } from "../lib/json-body.ts";
import { isObject, isString, isText, isTextList } from "../lib/predicates.ts";

/** Reads one value; `undefined` for a value of another type. */
export type Reader<Value> = (value: unknown) => Value | undefined;

/** How a field is read: from its own name in snake_case, or from the name on the wire that is given. */
type Field = Reader<unknown> | readonly [wireName: string, read: Reader<unknown>];

/** The fields of an object, by their names in camelCase. */
export type FieldTable = Readonly<Record<string, Field>>;

/** The type that a table of fields reads. A field that is absent or of another type is left out. */
export type KnownFields<Table extends FieldTable> = {
  readonly [Name in keyof Table]?: ReadValue<Table[Name]>;
};

type ReadValue<Of extends Field> =
  Of extends Reader<infer Value> ? Value : Of extends readonly [string, Reader<infer Value>] ? Value : never;

/** Reads the fields of an object that came from a service. */
export function readKnownFields<const Table extends FieldTable>(
  source: JsonObject,
  table: Table,
): KnownFields<Table> {
  const entries = Object.entries(table).map(([name, field]) => {
    const [wireName, read] = typeof field === "function" ? [wireNameOf(name), field] : field;
    return [name, read(source[wireName])] as const;
  });
  // Each reader has checked its own value: the table is what the type is made of.
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as KnownFields<Table>;
}

/** Tables are constant, and tokens are read often: each name is converted once. */
const wireNames = new Map<string, string>();

function wireNameOf(name: string): string {
  const known = wireNames.get(name) ?? toSnakeCase(name);
  wireNames.set(name, known);
  return known;
}

/** Reads a string, possibly empty. */
export const asString: Reader<string> = (value) => (isString(value) ? value : undefined);

/** Reads a string that is not empty. */
export const asText: Reader<string> = (value) => (isText(value) ? value : undefined);

/** Reads a boolean. */
export const asBoolean: Reader<boolean> = (value) => (typeof value === "boolean" ? value : undefined);

/** Reads an object as it is. */
export const asObject: Reader<JsonObject> = (value) => (isObject(value) ? value : undefined);

/** Reads a list of texts that are not empty; `undefined` where one item is not. */
export const asTextList: Reader<readonly string[]> = (value) => (isTextList(value) ? value : undefined);

/** Reads a list; items of another type are left out. */
export function asListOf<Value>(read: Reader<Value>): Reader<readonly Value[]> {
  return (value) =>
    Array.isArray(value)
      ? value.map((item: unknown) => read(item)).filter((item) => item !== undefined)
      : undefined;
}

/** Reads an object with fields of its own. */
export function asObjectOf<const Table extends FieldTable>(table: Table): Reader<KnownFields<Table>> {
  return (value) => (isObject(value) ? readKnownFields(value, table) : undefined);
}
