import { ConfigurationError, type ConfigurationProblem } from "../errors.ts";
import { suggestName } from "./did-you-mean.ts";

/** Gathers mistakes, so that all are told at once. */
export interface Problems {
  missing(option: string, suggestion: string): void;
  invalid(option: string, message: string, suggestion: string): void;
  /** Tells of members that no option has. */
  unknown(value: object, known: readonly string[], prefix?: string): void;
  /** Throws one `ConfigurationError` if there were any. */
  throwIfAny(): void;
}

/** Starts an empty list of mistakes. */
export function createProblems(): Problems {
  const problems: ConfigurationProblem[] = [];
  return {
    missing(option, suggestion) {
      problems.push({ code: "option_missing", option, message: "is required.", suggestion });
    },
    invalid(option, message, suggestion) {
      problems.push({ code: "option_invalid", option, message, suggestion });
    },
    unknown(value, known, prefix = "") {
      for (const name of Object.keys(value).filter((key) => !known.includes(key))) {
        const similar = suggestName(name, known);
        const suggestion =
          similar === undefined
            ? `Known options: ${known.join(", ")}.`
            : `"${name}": did you mean "${similar}"?`;
        problems.push({
          code: "option_unknown",
          option: `${prefix}${name}`,
          message: "is not an option.",
          suggestion,
        });
      }
    },
    throwIfAny() {
      if (problems.length > 0) throw new ConfigurationError(problems);
    },
  };
}

/** Whether a value is an object that options could be. */
export function isOptionObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a number of seconds. */
export function isSeconds(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value >= 0;
}
