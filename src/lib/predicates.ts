/** Whether a value is an object with members of its own. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a string that says something. */
export function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

/** Whether a value is a list of such strings, possibly empty. */
export function isTextList(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText);
}

/** Whether a value is there as it should be, or not there at all; `null` is not there. */
export function isOptional<Value>(
  value: unknown,
  isValue: (given: unknown) => given is Value,
): value is Value | undefined | null {
  return value === undefined || value === null || isValue(value);
}
