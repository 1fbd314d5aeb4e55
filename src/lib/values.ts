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

/** Tells whether a value is of a type. */
export type Predicate<Value> = (value: unknown) => value is Value;

/** Makes the check of a value that may be absent (`undefined`, not `null`). */
export function absentOr<Value>(check: Predicate<Value>): Predicate<Value | undefined> {
  return (value): value is Value | undefined => value === undefined || check(value);
}

/** Makes the check of a value that may be `null`. */
export function nullOr<Value>(check: Predicate<Value>): Predicate<Value | null> {
  return (value): value is Value | null => value === null || check(value);
}

/** Makes the check of a value that is one of those listed. */
export function isOneOf<const Value>(...values: readonly Value[]): Predicate<Value> {
  return (value): value is Value => values.some((known) => known === value);
}

/** Makes the check of a list whose items all pass the check. */
export function arrayOf<Item>(check: Predicate<Item>): Predicate<readonly Item[]> {
  return (value): value is readonly Item[] => isListOf(value, check);
}

/** A check for every member of a type. */
export type MemberChecks<Value> = { readonly [Name in keyof Value]-?: Predicate<Value[Name]> };

/** Makes the check of an object by a check of each member; members that are not named may be anything. */
export function objectWith<Value extends object>(checks: MemberChecks<Value>): Predicate<Value> {
  const members: readonly (readonly [string, (value: unknown) => boolean])[] = Object.entries(checks);
  return (value): value is Value => {
    if (!isObject(value)) return false;
    for (const [name, check] of members) if (!check(value[name])) return false;
    return true;
  };
}

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
