/** Whether a value is an object with members of its own; arrays are not. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a string, possibly empty. */
export function isString(value: unknown): value is string {
  return typeof value === "string";
}

/** Whether a value is a string that is not empty. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/** Whether a value is a text without lone surrogates. In UTF-8, they would all become the same character. */
export function isWellFormedText(value: unknown): value is string {
  return isText(value) && !LONE_SURROGATE.test(value);
}

/** Whether a value is a function. What it takes and returns cannot be checked. */
export function isFunction(value: unknown): value is (...parameters: never) => unknown {
  return typeof value === "function";
}

/** Whether a value is `true` or `false`. */
export function isBoolean(value: unknown): value is boolean {
  return typeof value === "boolean";
}

/** Whether a value is a finite number, such as a time in seconds. */
export function isFiniteNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

/** Whether a value is a duration: a finite number of seconds, 0 or more. */
export function isSeconds(value: unknown): value is number {
  return isFiniteNumber(value) && value >= 0;
}

/** Whether a value is a list whose items all pass the check; the empty list is one. */
export function isListOf<Item>(
  value: unknown,
  isItem: (given: unknown) => given is Item,
): value is readonly Item[] {
  if (!Array.isArray(value)) return false;
  // Not `every`, which skips the holes of a sparse array.
  for (const item of value as readonly unknown[]) if (!isItem(item)) return false;
  return true;
}

/** Whether a value is a list of strings that are not empty. */
export function isTextList(value: unknown): value is readonly string[] {
  return isListOf(value, isText);
}

/** Whether a value passes the check or is absent; `null` counts as absent. */
export function isOptional<Value>(
  value: unknown,
  isValue: (given: unknown) => given is Value,
): value is Value | undefined | null {
  return value === undefined || value === null || isValue(value);
}
