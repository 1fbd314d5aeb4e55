import { ConfigurationError, type ConfigurationProblem, isOrgateError } from "../errors.ts";
import { isString } from "./values.ts";

/** Collects configuration problems, so that one error lists all of them. */
export interface Problems {
  add(code: string, option: string, message: string, suggestion: string): void;
  missing(option: string, suggestion: string): void;
  invalid(option: string, message: string, suggestion: string): void;
  /** Reports every member of a value that is not a known one. */
  unknown(value: object, known: readonly string[], prefix?: string): void;
  /** Reports an option whose getter, or one below it, threw. */
  unreadable(option: string, cause: unknown): void;
  /** Whether a problem with this option was reported. */
  has(option: string): boolean;
  /** Throws one `ConfigurationError` if there are any. */
  throwIfAny(): void;
}

/** Starts an empty list of problems. */
export function createProblems(): Problems {
  const problems: ConfigurationProblem[] = [];
  let unreadableCause: unknown;
  const add: Problems["add"] = (code, option, message, suggestion) => {
    problems.push({ code, option, message, suggestion });
  };
  return {
    add,
    missing: (option, suggestion) => add("option_missing", option, "is required.", suggestion),
    invalid: (option, message, suggestion) => add("option_invalid", option, message, suggestion),
    unknown(value, known, prefix = "") {
      for (const name of Object.keys(value).filter((key) => !known.includes(key))) {
        const suggestion = didYouMean(name, known, `Known options: ${known.join(", ")}.`);
        add("option_unknown", `${prefix}${name}`, "is not an option.", suggestion);
      }
    },
    unreadable(option, cause) {
      unreadableCause ??= cause;
      add("option_invalid", option, "threw an error when it was read.", "Pass a plain value.");
    },
    has: (option) => problems.some((problem) => problem.option === option),
    throwIfAny() {
      if (problems.length === 0) return;
      const error = new ConfigurationError(problems);
      if (unreadableCause !== undefined) Object.defineProperty(error, "cause", { value: unreadableCause });
      throw error;
    },
  };
}

/** Makes the error for a single problem. */
export function configurationError(
  code: string,
  option: string,
  message: string,
  suggestion: string,
): ConfigurationError {
  return new ConfigurationError([{ code, option, message, suggestion }]);
}

/**
 * Runs a function of the public API that reads what the application passes. A getter or a proxy that throws is a mistake of the
 * configuration; the error has what it threw as its cause.
 *
 * @throws ConfigurationError
 */
export function readGiven<Made>(name: string, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    if (isOrgateError(error)) throw error;
    const problems = createProblems();
    problems.unreadable(name, error);
    problems.throwIfAny();
    throw error;
  }
}

/** Suggests the known name that a misspelt one was probably meant to be; `otherwise` if none is near. */
export function didYouMean(given: string, known: Iterable<string>, otherwise: string): string {
  const meant = suggestName(given, known);
  return meant === undefined ? otherwise : `Did you mean ${quoteName(meant)}?`;
}

/** Quotes a name for a message. Names may hold anything, line breaks included. */
export function quoteName(name: string): string {
  return JSON.stringify(name);
}

/**
 * Describes a value for a message. Never throws, whatever the value is.
 *
 * Texts are described and not repeated: a secret may have been passed in the place of something else.
 */
export function describeValue(value: unknown): string {
  if (value === "") return "an empty string";
  if (isString(value)) return `a string of length ${value.length}`;
  if (value === null || ["undefined", "number", "boolean"].includes(typeof value)) return String(value);
  try {
    if (Array.isArray(value)) return `a list of ${value.length}`;
  } catch (error) {
    return `a value that cannot be read (${typeof error} thrown)`;
  }
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** Longer names are not compared: they are not typing mistakes. */
const MAX_COMPARED_LENGTH = 64;

/**
 * Finds the known name that a misspelt one was probably meant to be.
 *
 * Names that differ only in case always match. Otherwise one edit (insertion, deletion, substitution or swap of neighbours)
 * is allowed for every three characters. The nearest name wins; among equals, the first.
 *
 * @returns `undefined` if no name is near enough
 */
export function suggestName(given: string, known: Iterable<string>): string | undefined {
  if (given.length > MAX_COMPARED_LENGTH) return undefined;
  const wanted = given.toLowerCase();
  let nearest: string | undefined;
  let least = Infinity;
  for (const name of known) {
    const limit = Math.max(1, Math.floor(Math.max(given.length, name.length) / 3));
    const distance = countEdits(wanted, name.toLowerCase());
    if (distance <= limit && distance < least) {
      nearest = name;
      least = distance;
    }
  }
  return nearest;
}

/** Computes the optimal string alignment distance, each row from the two before it. */
export function countEdits(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const substitution = from[row - 1] === to[column - 1] ? 0 : 1;
      let edits = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + substitution,
      );
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      if (row > 1 && column > 1 && swapped) edits = Math.min(edits, at(beforeLast, column - 2) + 1);
      current.push(edits);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Infinity;
}
