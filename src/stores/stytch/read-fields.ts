import type { JsonObject } from "../../lib/json-client.ts";
import { isObject } from "../../lib/predicates.ts";

/** Reads one value; `undefined` for what it is not. */
export type Reader<Value> = (value: unknown) => Value | undefined;

/** Fields of an object: the name here, the name on the wire, and how its value is read. */
export type Fields = Readonly<Record<string, readonly [wire: string, read: Reader<unknown>]>>;

/** What reading such fields gives; what is not there, or is of another type, is left out. */
export type ReadFields<Table extends Fields> = {
  readonly [Name in keyof Table]?: Table[Name][1] extends Reader<infer Value> ? Value : never;
};

/** Reads the fields of an object. */
export function readFields<const Table extends Fields>(source: JsonObject, table: Table): ReadFields<Table> {
  const read = Object.entries(table).map(([name, [wire, reader]]) => [name, reader(source[wire])]);
  return Object.fromEntries(read.filter(([, value]) => value !== undefined)) as ReadFields<Table>;
}

export const text: Reader<string> = (value) => (typeof value === "string" ? value : undefined);

export const flag: Reader<boolean> = (value) => (typeof value === "boolean" ? value : undefined);

/** An object of somebody else's, as it is. */
export const data: Reader<JsonObject> = (value) => (isObject(value) ? value : undefined);

/** A list; entries that are none are left out. */
export function listOf<Value>(read: Reader<Value>): Reader<readonly Value[]> {
  return (value) =>
    Array.isArray(value)
      ? value.map((item: unknown) => read(item)).filter((item) => item !== undefined)
      : undefined;
}

/** An object with fields of its own. */
export function objectOf<const Table extends Fields>(table: Table): Reader<ReadFields<Table>> {
  return (value) => (isObject(value) ? readFields(value, table) : undefined);
}
