import { toSnakeCase } from "./snake-case.ts";

type Entity = Readonly<Record<string, unknown>>;

/** A further field of the directory's that is a text; otherwise an empty one. */
export function readText(entity: Entity, name: string): string {
  return readTextOrNull(entity, name) ?? "";
}

/** A further field that is a text, or `null`. */
export function readTextOrNull(entity: Entity, name: string): string | null {
  const value = entity[name];
  return typeof value === "string" ? value : null;
}

/** A further field that is `true`; everything else is `false`. */
export function readBoolean(entity: Entity, name: string): boolean {
  return entity[name] === true;
}

/** A further field that is a list, its members named as Stytch names them; otherwise an empty one. */
export function readList(entity: Entity, name: string): readonly unknown[] {
  const value = entity[name];
  return Array.isArray(value) ? value.map(toSnakeCase) : [];
}

/** A further field that is an object; the application's own names stay in metadata. */
export function readObject(entity: Entity, name: string): unknown {
  const value = entity[name];
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return name.endsWith("Metadata") ? value : toSnakeCase(value);
}
