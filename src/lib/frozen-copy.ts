/**
 * A copy of plain data that nobody can write to at any depth. What is frozen through, as the claims of a token are, or is no
 * plain data, is shared. The original stays as it is, because it may be the store's own.
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

/** Whether it is data that nobody can write to at any depth. */
function isFrozenThrough(value: unknown): boolean {
  if (!isObject(value)) return true;
  if (!Object.isFrozen(value) || !(Array.isArray(value) || isPlain(value))) return false;
  for (const member of Object.values(value)) if (!isFrozenThrough(member)) return false;
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether it is an object literal, of any realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
