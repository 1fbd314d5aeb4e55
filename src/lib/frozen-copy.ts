import { isObject } from "./predicates.ts";

/**
 * Copies plain data and freezes the copy at every depth. Shares values that are frozen already, such as the claims of a token,
 * and values that are not plain data. Leaves the original as it is, because it may be the store's own.
 */
export function frozenCopy<Value>(value: Value): Value {
  return copy(value) as Value;
}

function copy(value: unknown): unknown {
  if (isFrozenThrough(value)) return value;
  if (Array.isArray(value)) return Object.freeze(value.map(copy));
  if (!isObject(value) || !isPlain(value)) return value;
  const made: Record<string, unknown> = { ...value };
  // `made` has a member of each name already, so that not even `__proto__` reaches the prototype.
  for (const name of Object.keys(made)) made[name] = copy(made[name]);
  return Object.freeze(made);
}

/** Whether a value is plain data and frozen at every depth. */
function isFrozenThrough(value: unknown): boolean {
  if (!isObject(value) && !Array.isArray(value)) return true;
  if (!Object.isFrozen(value) || !(Array.isArray(value) || isPlain(value))) return false;
  for (const member of Object.values(value)) if (!isFrozenThrough(member)) return false;
  return true;
}

/** Whether an object is a literal, of any realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
