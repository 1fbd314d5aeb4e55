/**
 * A copy of plain data that nobody can write to at any depth; what is no plain data is shared. The original stays as it is,
 * because it may be the store's own.
 */
export function frozenCopy<Value>(value: Value): Value {
  return copy(value) as Value;
}

function copy(value: unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(copy));
  if (typeof value !== "object" || value === null || !isPlain(value)) return value;
  // Unlike an assignment, this makes `__proto__` a member like any other.
  return Object.freeze(
    Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member)])),
  );
}

/** Whether it is an object literal, of any realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
