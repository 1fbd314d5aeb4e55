import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";

/** Gathers what is wrong with a policy, so that one error tells all of it. */
export interface PolicyProblems {
  /** @param path - names of the members that lead to the mistake, from the policy down. */
  add(code: string, path: readonly string[], message: string, suggestion: string): void;
  /** Throws a `ConfigurationError` if anything was added. */
  throwIfAny(): void;
}

/** Starts with nothing wrong. */
export function createPolicyProblems(): PolicyProblems {
  const problems: ConfigurationProblem[] = [];
  return {
    add(code, path, message, suggestion) {
      problems.push({ code, option: ["policy", ...path].map(writeSegment).join("."), message, suggestion });
    },
    throwIfAny() {
      if (problems.length > 0) throw new ConfigurationError(problems);
    },
  };
}

/** Quotes a name for a message: names may hold anything, line breaks included. */
export function quoteName(name: string): string {
  return JSON.stringify(name);
}

/**
 * The own members of a plain object; `undefined` for anything else.
 *
 * Read policies through this alone: `__proto__` and `constructor` are then names like any other.
 */
export function membersOf(value: unknown): ReadonlyMap<string, unknown> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const prototype: unknown = Object.getPrototypeOf(value);
  // Objects of another realm are plain too; `{ __proto__: { ... } }` is not, and would hide its members.
  const plain = prototype === null || Object.getPrototypeOf(prototype) === null;
  return plain ? new Map(Object.entries(value)) : undefined;
}

/** A list of names, each a string that is not empty; `undefined` for anything else. */
export function namesOf(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined;
  // Not `every`, which passes over the holes of a sparse array.
  for (const name of value as readonly unknown[]) if (!isName(name)) return undefined;
  return value as readonly string[];
}

/** Whether a value can name a role, a resource or an action. */
export function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function writeSegment(name: string): string {
  return /^[\w-]+$/.test(name) ? name : quoteName(name);
}
