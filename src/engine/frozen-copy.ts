/**
 * A copy of plain data that nobody can write to at any depth. What is frozen through, as the claims of a token are, or is no
 * plain data, is shared. The original stays as it is, because it may be the store's own.
 */
export function frozenCopy<Value>(value: Value): Value {
  return copy(value) as Value;
}

function copy(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return isFrozenThrough(value) ? value : Object.freeze(value.map(copy));
  if (!isPlain(value)) return value;
  const made: Record<string, unknown> = { ...value };
  for (const name of Object.keys(made)) {
    const member = made[name];
    // `made` has a member of this name already, so that not even `__proto__` reaches the prototype.
    if (typeof member === "object" && member !== null)
      made[name] = isFrozenThrough(member) ? member : copy(member);
  }
  return Object.freeze(made);
}

/** Whether it is plain data that nobody can write to at any depth. */
function isFrozenThrough(value: object): boolean {
  if (!Object.isFrozen(value) || !(Array.isArray(value) || isPlain(value))) return false;
  return Object.values(value).every(
    (member: unknown) => typeof member !== "object" || member === null || isFrozenThrough(member),
  );
}

/** Whether it is an object literal, of any realm. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
