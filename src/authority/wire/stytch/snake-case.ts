/** Members whose own members are the application's, and keep their names. */
const FREE_FORM = /(?:attributes|metadata|details)$/i;

/** The value with the names of its members in snake case, at every depth but in what is the application's own. */
export function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      toSnakeName(name),
      FREE_FORM.test(name) ? member : toSnakeCase(member),
    ]),
  );
}

function toSnakeName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
